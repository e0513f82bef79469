"""Has it been quiet for longer than is usual? Pure: the history of one connection's calls in, a limit out."""

from gateway.store.rhythms import Rhythm

HOUR_MS = 60 * 60 * 1000
FEWEST = 5
"""With fewer calls than this nobody can say what is usual."""
LONGER = 1.5
"""So many times the longest pause so far is longer than usual."""
WEEK_MS = 7 * 24 * HOUR_MS
NEW_MS = 72 * HOUR_MS
"""A history without a whole week in it knows no weekend: nothing shorter than this is silence."""
LOOK_BACK_MS = 28 * 24 * HOUR_MS
"""How much of the history counts."""


def quiet_limit(rhythm: Rhythm, given: float | None) -> int | None:
    """Say after how many milliseconds without a call a connection is silent; None when that cannot be said.

    `given`: the operator's own limit, in seconds.
    """
    if given is not None:
        return round(given * 1000)
    if rhythm.calls < FEWEST:
        return None
    whole = rhythm.last - rhythm.first >= WEEK_MS
    return max(round(rhythm.longest * LONGER), HOUR_MS if whole else NEW_MS)

"""When to try again: pure, from the number of the try and the answer to seconds, or to the end."""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from msgspec import Struct

DAY = 86_400.0
JITTER = 0.25
SUCCESS = range(200, 300)
GONE = 410
SPARE_TRIES = 2
"""So many tries beyond the last may have gone without a result, cut off by ends of the gateway itself."""
ASKING_TO_WAIT = frozenset({429, 503})
"""Answers whose `Retry-After` is heeded; in any other it is noise."""


class Verdict(Struct, frozen=True):
    """`wait`: seconds until the next try, for `retry` and for `pause`.

    `pause`: the destination said that it is gone; the delivery stays pending and goes on when the destination does.
    """

    outcome: Literal["delivered", "retry", "dead", "pause"]
    wait: float = 0.0


def verdict(tries: int, status: int | None, asked: float, schedule: Sequence[float], unit: float) -> Verdict:
    """Say what follows from the answer to one attempt.

    `tries`: its number, from 1. `status`: of the answer, None when none came. `asked`: seconds from `Retry-After`, 0
    when it did not say. `schedule`: seconds before each retry, so the attempt after the last entry is the last one.
    `unit`: uniform in [0, 1), spreads retries over a quarter more than the schedule says.
    """
    if status in SUCCESS:
        return Verdict("delivered")
    if status == GONE:
        return Verdict("pause", schedule[0] if schedule else 0.0)
    if tries > len(schedule):
        return Verdict("dead")
    wait = schedule[tries - 1] * (1 + JITTER * unit)
    if status in ASKING_TO_WAIT:
        wait = max(wait, min(asked, DAY))
    return Verdict("retry", wait)


def hopeless(tries: int, schedule: Sequence[float]) -> bool:
    """Say that a delivery has had every try and never came to a result: it may be what ends the gateway each time."""
    return tries > len(schedule) + 1 + SPARE_TRIES


def seconds_asked(retry_after: str | None, now: datetime) -> float:
    """Read `Retry-After`, seconds or an HTTP date, as seconds from `now` (UTC); 0 when it is absent or unreadable."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text) if len(text) < len("1000000000") else DAY
    try:
        at = parsedate_to_datetime(text)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
        return max(0.0, (at - now).total_seconds())
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0.0

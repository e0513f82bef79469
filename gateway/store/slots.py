"""When requests to a destination with a rate may go, if several gateways send them: slots, each given away once.

A claim takes the slots of what it claims, a little ahead of time, and its gateway sends at those times. So nobody's
lateness moves the slots of the others, and all together keep exactly to the rate. Slots that nobody took are gone.
Microseconds of the database's clock.
"""

import math
from typing import NamedTuple

AHEAD = 250_000
"""So long before its time a slot may be taken."""
LOOK_AHEAD = 125_000
"""So long before it a gateway asks for it: between the two there is room for clocks that differ and for late timers."""
LONGEST = 1e15
"""Thirty years between two are enough for any rate."""


class Slots(NamedTuple):
    """The next one's time, the time between two, and how many may be taken now."""

    first: int
    gap: int
    free: int

    def at(self, number: int) -> int:
        """Tell the time of one of them, from 0."""
        return self.first + number * self.gap


def slots(rate: float, next_slot: int, now: int) -> Slots:
    """Find the slots that are free. `next_slot`: the first that nobody took, as far as anybody knew.

    It cannot lie further away than a slot that was taken as early as possible: else it is of a slower rate, or of a
    clock that went wrong.
    """
    gap = math.ceil(min(1_000_000 / rate, LONGEST))
    first = max(now, min(next_slot, now + AHEAD + gap))
    return Slots(first, gap, max(0, (now + AHEAD - first) // gap + 1))

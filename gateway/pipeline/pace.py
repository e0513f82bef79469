"""How fast a process writes to a destination: its own `rate`, and a ramp after it was down. Pure; seconds, monotonic.

Where several processes write to it, they share its rate by slots in the store: see gateway/store/slots.py.
"""

LATE_SECONDS = 0.05
"""So late a slot that was waited for may be used, without the next one moving: timers and commits take their time."""
ROUNDING = 1e-6
"""Seconds: a slot that was due no longer ago than that is one that was waited for, whatever sums of floats say."""
DOWN_SECONDS = 60.0
"""A destination that took nothing for so long counts as down."""
PROBES = 5.0
"""Requests a second while it is down, and the first rate when it comes back."""
DOUBLES_EVERY = 2.0
"""Seconds in which the rate doubles after it came back."""
FULL = 4000.0
"""The rate at which a ramp has come to its end: nothing is held back any more."""
ANY = 1 << 30


class Pace:
    """Keep to `rate` requests a second; None is no limit. There is no credit for idle time: no second has more."""

    def __init__(self, rate: float | None, now: float) -> None:
        self.rate = rate
        self._next = now
        self._waited = False

    def allowed(self, now: float) -> int:
        """Say how many may go now."""
        if self.rate is None:
            return ANY
        if now < self._next:
            return 0
        return 1 + int(min(now - self._next, LATE_SECONDS) * self.rate) if self._waited else 1

    def take(self, count: int, now: float) -> None:
        """Count what went."""
        if self.rate is not None and count:
            self._next = max(self._next, now - LATE_SECONDS if self._waited else now) + count / self.rate
            self._waited = False

    def wait(self, now: float) -> float:
        """Say how many seconds until one more may go; whoever asks waits for it."""
        if self.rate is None or now > self._next + ROUNDING:
            return 0.0
        self._waited = True
        return max(0.0, self._next - now)


class Ramp:
    """Notice that a destination is down, and bring it back slowly: what it could not take meanwhile is no flood.

    `failing`: for how long it took nothing, when this begins.
    """

    def __init__(self, now: float, failing: float | None = None) -> None:
        self._failing_since = None if failing is None else now - failing
        self._up_since: float | None = None
        self.pace = Pace(None, now)
        self._look(now)

    def failed(self, now: float) -> None:
        """Count a request that was not taken."""
        if self._failing_since is None:
            self._failing_since = now
        self._look(now)

    def succeeded(self, now: float) -> None:
        """Count one that was taken."""
        self._failing_since = None
        if self.pace.rate is None:
            return
        if self._up_since is None:
            self._up_since = now
        rate = PROBES * 2 ** min((now - self._up_since) / DOUBLES_EVERY, 64)
        self.pace.rate = rate if rate < FULL else None

    def _look(self, now: float) -> None:
        if self._failing_since is not None and now - self._failing_since >= DOWN_SECONDS:
            self.pace.rate, self._up_since = PROBES, None

"""The time by which the store waits."""

import time

from gateway.store.engines.engine import Clock


def steady_clock() -> Clock:
    """Make a clock of the wall's time now and the machine's uptime since, sleep included: it never jumps."""
    offset = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return lambda: (offset + time.clock_gettime_ns(time.CLOCK_BOOTTIME)) // 1_000_000

"""No second has more requests than its rate, none is lost to lateness, and who was down comes back slowly."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.pipeline.pace import ANY, DOUBLES_EVERY, DOWN_SECONDS, FULL, LATE_SECONDS, PROBES, Pace, Ramp

START = 100.0
rates = st.floats(0.1, 2000)


@given(rates, st.lists(st.floats(0, 2), max_size=60), st.integers(1, 16))
def test_whoever_asks_whenever_gets_no_more_than_the_rate(rate: float, steps: list[float], room: int) -> None:
    now, pace, went = START, Pace(rate, START), list[float]()
    for step in steps:
        count = min(room, pace.allowed(now))
        pace.take(count, now)
        went += [now] * count
        now += step
    for first, begin in enumerate(went):
        for last in range(first, len(went)):
            assert last - first <= (went[last] - begin) * rate + 1e-6


@given(rates, st.lists(st.floats(0, LATE_SECONDS), min_size=1, max_size=60))
def test_whoever_waits_loses_nothing_by_coming_a_little_late(rate: float, late: list[float]) -> None:
    now, pace, went = START, Pace(rate, START), 0
    for each in late:
        count = pace.allowed(now)
        assert count >= 1
        pace.take(count, now)
        went += count
        now += pace.wait(now) + each
    due = (now - START) * rate
    assert due - LATE_SECONDS * rate - 2 <= went <= due + 1 + 1e-6


@given(rates)
def test_a_long_rest_earns_nothing(rate: float) -> None:
    pace = Pace(rate, START)
    assert pace.allowed(START + 3600) == 1
    pace.take(1, START + 3600)
    assert pace.allowed(START + 3600) == 0
    waited = pace.wait(START + 3600)
    assert pace.allowed(START + 3600 + waited + 1e-6) >= 1


def test_no_rate_is_no_limit() -> None:
    pace = Pace(None, START)
    pace.take(10_000, START)
    assert (pace.allowed(START), pace.wait(START)) == (ANY, 0.0)


# --- coming back ---------------------------------------------------------------------------------------------------


def down(seconds: float = 600.0) -> tuple[Ramp, float]:
    """A destination that failed for so long, with a try every five seconds."""
    ramp, now = Ramp(START), START
    while now < START + seconds:
        ramp.failed(now)
        now += 5.0
    ramp.failed(now)
    return ramp, now


def served(ramp: Ramp, now: float, seconds: float) -> int:
    """Count what a destination gets in so many seconds that takes everything at once."""
    count, end = 0, now + seconds
    while now < end:
        if ramp.pace.rate is None:
            return ANY
        going = ramp.pace.allowed(now)
        ramp.pace.take(going, now)
        for _ in range(going):
            ramp.succeeded(now)
        count += going
        now += max(ramp.pace.wait(now), 0.0005)
    return count


def test_what_works_is_not_held_back() -> None:
    ramp = Ramp(START)
    ramp.succeeded(START)
    ramp.failed(START + 1)
    ramp.failed(START + DOWN_SECONDS)
    ramp.succeeded(START + DOWN_SECONDS)
    ramp.failed(START + DOWN_SECONDS + 10)
    assert ramp.pace.rate is None


def test_a_destination_that_is_down_is_probed() -> None:
    ramp, now = down()
    assert ramp.pace.rate == PROBES
    probes = 0
    for tick in range(1000):
        going = ramp.pace.allowed(now + tick / 100)
        ramp.pace.take(going, now + tick / 100)
        ramp.failed(now + tick / 100)
        probes += going
    assert probes <= PROBES * 10 + 1


def test_a_destination_that_comes_back_after_ten_minutes_gets_a_ramp_and_no_flood() -> None:
    firsts = []
    for seconds in (1, 2, 4, 8, 16):
        ramp, now = down()
        ramp.succeeded(now)
        firsts.append(served(ramp, now, seconds))
    assert firsts[0] <= 2 * PROBES
    assert firsts == sorted(firsts)
    assert all(later <= 20 * earlier for earlier, later in pairwise(firsts))
    assert firsts[2] <= 50
    ramp, now = down()
    ramp.succeeded(now)
    assert served(ramp, now, 60) == ANY


def test_a_ramp_ends_when_it_is_as_fast_as_any() -> None:
    ramp, now = down()
    ramp.succeeded(now)
    ramp.succeeded(now + DOUBLES_EVERY * 9)
    assert ramp.pace.rate == PROBES * 2**9
    ramp.succeeded(now + DOUBLES_EVERY * 10)
    assert PROBES * 2**10 >= FULL
    assert ramp.pace.rate is None


def test_a_restart_in_the_middle_of_it_changes_nothing() -> None:
    assert Ramp(START, failing=600.0).pace.rate == PROBES
    assert Ramp(START, failing=5.0).pace.rate is None
    early = Ramp(START, failing=DOWN_SECONDS - 1)
    early.failed(START + 2)
    assert early.pace.rate == PROBES

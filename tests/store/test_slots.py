"""Whoever claims, whenever and how late: all together keep to the rate, and lose none of it."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.store.slots import AHEAD, LOOK_AHEAD, slots

SECOND = 1_000_000
START = 1_800_000_000 * SECOND
rates = st.floats(0.05, 5000)


@given(rates, st.lists(st.tuples(st.integers(0, SECOND), st.integers(0, 16)), max_size=60))
def test_no_slot_is_given_twice_and_none_lies_nearer_than_the_rate_has_it(
    rate: float, claims: list[tuple[int, int]]
) -> None:
    now, following, given_away = START, 0, list[int]()
    for later, limit in claims:
        now += later
        there = slots(rate, following, now)
        count = min(limit, there.free)
        assert count == 0 or now <= there.first
        assert count == 0 or there.at(count - 1) <= now + AHEAD
        given_away += [there.at(number) for number in range(count)]
        if count:
            following = there.at(count)
    assert all((after - before) * rate >= SECOND * (1 - 1e-9) for before, after in pairwise(given_away))


@given(rates, st.lists(st.integers(0, AHEAD - LOOK_AHEAD), min_size=1, max_size=60))
def test_whoever_waits_loses_nothing_by_coming_a_little_late(rate: float, late: list[int]) -> None:
    now, following, taken = START, 0, 0
    for each in late:
        there = slots(rate, following, now)
        assert there.free >= 1
        taken += there.free
        following = there.at(there.free)
        now = max(now, following - LOOK_AHEAD) + each
    assert following == START + taken * there.gap


@given(rates)
def test_a_long_rest_earns_nothing(rate: float) -> None:
    rested = slots(rate, START, START + 3600 * SECOND)
    assert rested == slots(rate, 0, START + 3600 * SECOND)
    assert rested.first == START + 3600 * SECOND


@given(rates, rates)
def test_a_faster_rate_does_not_wait_for_what_a_slower_one_took(slow: float, fast: float) -> None:
    before = slots(slow, 0, START)
    after = slots(fast, before.at(before.free), START)
    assert after.first <= START + AHEAD + after.gap


def test_a_clock_that_was_set_back_by_a_year_stops_nobody() -> None:
    assert slots(10.0, START + 365 * 86_400 * SECOND, START).first <= START + SECOND


def test_the_slowest_rate_is_a_number_that_a_database_holds() -> None:
    assert slots(5e-324, 0, START).at(1) < 1 << 63

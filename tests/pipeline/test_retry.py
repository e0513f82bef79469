"""When a delivery is tried again, and when never."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pipeline.retry import DAY, Verdict, seconds_asked, verdict

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

schedules = st.lists(st.floats(0.001, 1e6), max_size=20).map(tuple)
units = st.floats(0, 1, exclude_max=True)
attempts = st.integers(1, 40)
failures = st.one_of(st.none(), st.integers(100, 599).filter(lambda s: s // 100 != 2 and s != 410))
asks = st.floats(0, 1e9)


@given(attempts, st.integers(200, 299), asks, schedules, units)
def test_every_2xx_is_delivered(
    attempt: int, status: int, asked: float, schedule: tuple[float, ...], unit: float
) -> None:
    assert verdict(attempt, status, asked, schedule, unit) == Verdict("delivered")


@given(failures, asks, schedules, units)
def test_a_delivery_that_always_fails_is_tried_once_and_once_for_each_entry_then_dead(
    status: int | None, asked: float, schedule: tuple[float, ...], unit: float
) -> None:
    outcomes = [verdict(n + 1, status, asked, schedule, unit).outcome for n in range(len(schedule) + 1)]
    assert outcomes == ["retry"] * len(schedule) + ["dead"]


@given(attempts, failures, schedules, units)
def test_a_wait_is_the_schedules_and_at_most_a_quarter_more(
    attempt: int, status: int | None, schedule: tuple[float, ...], unit: float
) -> None:
    said = verdict(attempt, status, 0, schedule, unit)
    if said.outcome == "retry":
        assert schedule[attempt - 1] <= said.wait <= schedule[attempt - 1] * 1.25


@given(attempts, st.sampled_from([429, 503]), asks, schedules, units)
def test_429_and_503_wait_at_least_as_long_as_asked_and_at_most_a_day_for_it(
    attempt: int, status: int, asked: float, schedule: tuple[float, ...], unit: float
) -> None:
    said, unasked = (verdict(attempt, status, each, schedule, unit) for each in (asked, 0.0))
    if said.outcome == "retry":
        assert said.wait == max(unasked.wait, min(asked, DAY))


@given(attempts, failures.filter(lambda s: s not in (429, 503)), asks, schedules, units)
def test_what_any_other_answer_asks_for_is_not_heeded(
    attempt: int, status: int | None, asked: float, schedule: tuple[float, ...], unit: float
) -> None:
    assert verdict(attempt, status, asked, schedule, unit) == verdict(attempt, status, 0, schedule, unit)


@given(attempts, asks, schedules, units)
def test_410_pauses_and_never_ends_dead(attempt: int, asked: float, schedule: tuple[float, ...], unit: float) -> None:
    assert verdict(attempt, 410, asked, schedule, unit).outcome == "pause"


def test_nobody_waits_after_the_last_attempt() -> None:
    assert verdict(1, 500, 0, (), 0.5) == Verdict("dead")


@given(st.integers(0, 10**9))
def test_retry_after_in_seconds_is_read(seconds: int) -> None:
    assert min(seconds_asked(f" {seconds} ", NOW), DAY) == min(seconds, DAY)


@given(st.integers(-(10**6), 10**6))
def test_retry_after_as_a_date_is_read_and_the_past_is_now(seconds: int) -> None:
    at = NOW + timedelta(seconds=seconds)
    assert seconds_asked(format_datetime(at, usegmt=True), NOW) == max(0, seconds)


@pytest.mark.parametrize(
    "text", [None, "", "soon", "-5", "1.5", "\u0661", "1e9", "Mon, 32 Foo 2026 25:61:61 GMT", "(", "Sun, 1 Mar 0 0:0:0"]
)
def test_an_unreadable_retry_after_asks_for_nothing(text: str | None) -> None:
    assert seconds_asked(text, NOW) == 0


def test_a_retry_after_of_thousands_of_digits_is_a_day() -> None:
    assert seconds_asked("9" * 60_000, NOW) == DAY


@given(st.text(max_size=60))
def test_no_retry_after_breaks_the_reading(text: str) -> None:
    assert seconds_asked(text, NOW) >= 0

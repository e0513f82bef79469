"""The steady clock tells the time and is not impressed when somebody sets it."""

import time

import pytest

from gateway.store.clock import steady_clock


def test_it_tells_the_wall_s_time() -> None:
    before = time.time_ns() // 1_000_000
    assert before <= steady_clock()() <= time.time_ns() // 1_000_000 + 1


def test_it_goes_on_when_the_wall_clock_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = steady_clock()
    before = clock()
    monkeypatch.setattr(time, "time_ns", lambda: 0)

    assert before <= clock() < before + 60_000

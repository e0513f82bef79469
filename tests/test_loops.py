"""Loops go on through their failures, say how they are, and a process that stands still ends."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from gateway import loops as module
from gateway.contract.errors import StoreUnavailable
from gateway.loops import Loops, Watchdog, tick

SECRET = "jo@example.com"
"""What a failure may quote."""


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACK_OFF_SECONDS", (0.001, 0.02))
    monkeypatch.setattr(module, "TICK_SECONDS", 0.01)


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


class Failing:
    """A loop that fails `times` times, then works until cancelled."""

    def __init__(self, times: int, error: Exception) -> None:
        self.left = times
        self.error = error
        self.well = asyncio.Event()

    async def __call__(self) -> None:
        if self.left:
            self.left -= 1
            raise self.error
        self.well.set()
        await asyncio.Event().wait()


@pytest.mark.parametrize("error", [StoreUnavailable("disk full"), RuntimeError(SECRET)])
async def test_a_loop_runs_again_however_often_it_fails(logged: list[Any], error: Exception) -> None:
    loops, failing, other = Loops(), Failing(30, error), Failing(0, error)
    loops.start("failing", failing)
    loops.start("other", other)
    async with asyncio.timeout(20):
        await failing.well.wait()
        await other.well.wait()
    await loops.stop()
    assert failing.left == 0
    assert {line["loop"] for line in logged if line["event"] == "loop failed"} == {"failing"}


async def test_what_failed_within_a_group_is_named_and_so_is_that_it_works_again(logged: list[Any]) -> None:
    loops = Loops()
    failing = Failing(1, ExceptionGroup("several", [ExceptionGroup("one", [StoreUnavailable("the disk is full")])]))
    loops.start("store", failing)
    await failing.well.wait()
    loops.beat("store")
    loops.beat("store")
    await loops.stop()
    told = [(line["event"], line.get("reason")) for line in logged]
    assert told == [("loop failed", "the disk is full"), ("loop works again", None)]


async def test_a_loop_that_comes_to_its_end_is_not_started_again() -> None:
    loops, runs = Loops(), 0

    async def once() -> None:
        nonlocal runs
        runs += 1

    await loops.keep("once", once)
    assert (runs, loops.failing) == (1, {})


async def test_a_failing_loop_says_why_and_a_moving_one_says_nothing(logged: list[Any]) -> None:
    loops = Loops()
    failing = Failing(1, StoreUnavailable("the disk is nearly full"))
    loops.start("upkeep", failing)
    await failing.well.wait()
    assert loops.failing == {"upkeep": "the disk is nearly full"}
    loops.beat("upkeep")
    assert loops.failing == {}
    await loops.stop()
    assert [line["event"] for line in logged] == ["loop failed", "loop works again"]


async def test_a_loop_that_ran_long_enough_counts_as_well(logged: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEADY_SECONDS", -1.0)
    loops = Loops()
    failing = Failing(1, RuntimeError())
    loops.start("upkeep", failing)
    await failing.well.wait()
    assert loops.failing == {}
    await loops.stop()
    assert logged


async def test_what_an_unforeseen_error_says_is_neither_logged_nor_shown(logged: list[Any]) -> None:
    loops = Loops()
    failing = Failing(2, ValueError(SECRET))
    loops.start("removals", failing)
    await failing.well.wait()
    assert SECRET not in str(logged)
    assert SECRET not in str(loops.failing)
    assert "ValueError at " in logged[0]["reason"]
    assert "test_loops.py:" in logged[0]["reason"]
    await loops.stop()


async def test_the_same_failure_is_not_logged_each_time(logged: list[Any]) -> None:
    loops = Loops()
    failing = Failing(20, StoreUnavailable("disk full"))
    loops.start("store", failing)
    await failing.well.wait()
    await loops.stop()
    assert len(logged) == 1


async def test_stopping_cancels_also_a_loop_that_waits_for_its_next_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACK_OFF_SECONDS", (3600.0, 3600.0))
    loops = Loops()
    with structlog.testing.capture_logs():
        loops.start("failing", Failing(1, RuntimeError()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert loops.failing
    async with asyncio.timeout(5):
        await loops.stop()


# --- the watchdog --------------------------------------------------------------------------------------------------


class End:
    """Where a process would end."""

    def __init__(self) -> None:
        self.words = ""
        self.came = threading.Event()

    def __call__(self, words: str) -> None:
        self.words = words
        self.came.set()


async def test_a_loop_that_stands_still_ends_the_process_although_the_event_loop_moves() -> None:
    loops, end = Loops(), End()
    watchdog = Watchdog(loops, {"event loop": 1000, "dispatcher": 3}, end)
    loops.start("event loop", lambda: tick(lambda: loops.beat("event loop")))
    watchdog.start()
    assert await asyncio.to_thread(end.came.wait, 20)
    assert end.words.startswith("the dispatcher has stood still for 3 s")
    await loops.stop()


async def test_an_event_loop_that_is_stuck_ends_the_process_and_the_line_says_where() -> None:
    loops, end = Loops(), End()
    watchdog = Watchdog(loops, {"event loop": 3}, end)
    watchdog.start()
    assert end.came.wait(20)  # here: nothing else runs while this thread waits
    assert end.words.startswith("the event loop has stood still for 3 s (the event loop is at threading.py:")


async def test_what_moves_is_left_alone() -> None:
    loops, end = Loops(), End()
    watchdog = Watchdog(loops, {"event loop": 5, "store": 5}, end)
    watchdog.start()
    for _ in range(30):
        loops.beat("event loop")
        loops.beat("store")
        await asyncio.sleep(0.01)
    watchdog.stop()
    assert not end.came.is_set()


async def test_a_loop_that_fails_again_and_again_is_not_stuck(logged: list[Any]) -> None:
    loops, end = Loops(), End()
    watchdog = Watchdog(loops, {"store": 20}, end)
    failing = Failing(40, StoreUnavailable("locked"))
    loops.start("store", failing)
    watchdog.start()
    await failing.well.wait()
    watchdog.stop()
    await loops.stop()
    assert not end.came.is_set()
    assert logged


async def test_a_stop_that_comes_to_no_end_ends_the_process() -> None:
    loops, end = Loops(), End()
    watchdog = Watchdog(loops, {"store": 1000}, end)
    watchdog.start()
    watchdog.hurry(2)
    assert await asyncio.to_thread(end.came.wait, 20)
    assert end.words.startswith("stopping took too long")


async def test_a_watchdog_that_was_stopped_ends_nothing() -> None:
    loops, end = Loops(), End()
    watchdog = Watchdog(loops, {"store": 2}, end)
    watchdog.stop()
    watchdog.start()
    watchdog._thread.join(5)
    assert not end.came.is_set()

"""The wall clock jumps, and the process is stopped: waits are about time that passed, and leases end."""

import asyncio
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.faults.consumer import Got
from tests.faults.machine import Machine
from tests.faults.world import World

SECOND = 1_000_000_000
HOUR = 3600
LEASE = 45.0
"""Seconds: the default timeout of a delivery, and the margin."""


def jumps() -> dict[str, int]:
    """Seconds by which the wall clock is moved."""
    now = int(time.time())
    return {
        "5 hours on": 5 * HOUR,
        "5 hours back": -5 * HOUR,
        "1970": 86_400 - now,
        "2040": 2_208_988_800 - now,
        "as before": 0,
    }


class Fickle:
    """Answers every third delivery 503 at first, so that there is always something that waits for its retry."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self.down = False

    def __call__(self, got: Got) -> tuple[int, float]:
        new = got.id not in self._seen
        self._seen.add(got.id)
        return (503 if self.down or (new and len(self._seen) % 3 == 0) else 200), 0.0


async def clock_jumps_while_it_runs(folder: Path, moves: Mapping[str, int], calls: int) -> dict[str, object]:
    """Move the wall clock under load: calls are kept and delivered as if nothing had happened."""
    machine = on(folder)
    async with World(folder, machine=machine, GATEWAY_RETRY_SCHEDULE="1,1,1,1,1,1,1,1") as world:
        world.consumer.answer = Fickle()
        world.provider.start()
        for seconds in moves.values():
            machine.set(wall_ns=seconds * SECOND)
            await world.provider.until(len(world.provider.told.kept) + calls)
        await world.provider.stop()
        stopped = time.monotonic()
        await world.drained(30)
        took = time.monotonic() - stopped
        machine.set(wall_ns=0)
        verdict = await world.judge(any_time=True, again=True)
    assert verdict.good, verdict
    return verdict.counts | {"jumps": ", ".join(moves), "all delivered after": f"{took:.1f} s (retries after 1 s)"}


async def clock_jumps_between_starts(folder: Path, moves: Mapping[str, int]) -> dict[str, object]:
    """Move the wall clock while it is down, with retries waiting: they come when they are due, not hours later."""
    machine = on(folder)
    waits: dict[str, object] = {}
    async with World(folder, machine=machine, destinations=1, GATEWAY_RETRY_SCHEDULE=",".join(["1"] * 50)) as world:
        consumer = world.consumer.answer = Fickle()
        for name, seconds in moves.items():
            consumer.down = True
            kept = len(world.provider.told.kept)
            world.provider.start()
            await world.provider.until(kept + 10)
            await world.provider.stop()
            await world.consumer.quiet()
            assert await world.kill(signal.SIGTERM) == 0
            machine.set(wall_ns=seconds * SECOND)
            consumer.down = False
            await world.start()
            began = time.monotonic()
            await world.drained(30)
            waits[f"restarted at {name}, all delivered after"] = f"{time.monotonic() - began:.1f} s (retries after 1 s)"
        machine.set(wall_ns=0)
        verdict = await world.judge(any_time=True, again=True)
    assert verdict.good, verdict
    return waits


async def stopped_past_a_lease(folder: Path, stops: int, seconds: Sequence[float] = ()) -> dict[str, object]:
    """SIGSTOP it with deliveries under way until their leases have ended; their late answers change nothing.

    `seconds`: how long it really stands still, for each stop; otherwise its clocks are told that a lease went by.
    """
    machine = on(folder)
    timeout = "1" if seconds else "15"
    async with World(
        folder, machine=machine, destinations=1, GATEWAY_RETRY_SCHEDULE="1,1,1,1,1", GATEWAY_DELIVERY_TIMEOUT=timeout
    ) as world:
        held: asyncio.Event = asyncio.Event()
        world.consumer.answer = lambda _: (200, 0.0 if held.is_set() else 0.5)
        world.provider.start()
        for number in range(stops):
            held.clear()
            await world.provider.until(len(world.provider.told.kept) + 30)
            process = world.gateway.process
            assert process is not None
            process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(0.7)  # the answers to what is under way come while it stands still
            world.consumer.life += 1
            if seconds:
                await asyncio.sleep(seconds[number % len(seconds)])
            else:
                machine.set(passed_ns=machine.count("passed_ns") + int(2 * LEASE * SECOND))
            held.set()
            process.send_signal(signal.SIGCONT)
            await world.provider.until(len(world.provider.told.kept) + 30)
        verdict = await world.judge(any_time=True, again=True)
        tries = await attempts(world)
    assert verdict.good, verdict
    return {**verdict.counts, "stops": stops, "deliveries tried more than once": tries}


async def attempts(world: World) -> int:
    """Look at every delivery that was tried again: each try is written once, and exactly one of them delivered it."""
    again = [each["id"] for each in (await world.answers()).deliveries if each["attempt"] > 1]
    for delivery in again:
        one = await world.call("GET", f"/v1/deliveries/{delivery}")
        numbers = [each["number"] for each in one["attempts"]]
        assert len(numbers) == len(set(numbers)), one
        assert [each["status"] for each in one["attempts"]].count(200) == 1, one
        assert max(numbers) == one["attempt"], one
    return len(again)


def on(folder: Path) -> Machine:
    folder.mkdir(parents=True)
    return Machine(folder)

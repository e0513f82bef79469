"""A power cut at any moment: what is left on the disk is what was fsynced, and sometimes more."""

import asyncio
import contextlib
import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from tests.e2e.running import Gateway
from tests.faults.checker import Verdict
from tests.faults.consumer import Got
from tests.faults.machine import Machine
from tests.faults.provider import Call
from tests.faults.trace import SYNC, WRITE, Disk, Record, read
from tests.faults.world import SERVE, World


async def power_cuts(
    folder: Path, cuts: int, calls: int, command: Sequence[str] = SERVE, *, failing: bool = False
) -> dict[str, object]:
    """Run once with a recording disk, cut the power at so many moments of it, and start on each of what is left.

    `failing`: the disk also fails an fsync now and then.
    """
    disk = folder / "disk"
    disk.mkdir(parents=True)
    rng = random.Random(cuts)  # noqa: S311 -- a repeatable choice of moments
    machine = Machine(disk, traced=True)
    async with World(disk, machine=machine, command=command) as world:
        set_up = machine.moment()
        world.provider.start()
        async with contextlib.AsyncExitStack() as stack:
            if failing:
                stack.enter_context(cancelled(asyncio.create_task(fail_now_and_then(machine, rng))))
            await world.provider.until(calls)
        await world.kill()
        made = list((await world.provider.stop()).calls)
        arrived = list(world.consumer.got)
        assert machine.trace is not None
        records = list(read(machine.trace))
        first = next(place for place, record in enumerate(records) if record.end >= set_up)
        kept = repeats = 0
        for number, moment, left in cut(records, sorted(rng.sample(range(first, len(records)), cuts)), folder):
            verdict = await start_on(world, left, records[moment], made, arrived)
            assert verdict.good, f"cut {number} at record {moment} of {len(records)}:\n{verdict}"
            kept += verdict.counts["kept"]
            repeats += verdict.counts["repeats"]
    return {
        "cuts": cuts,
        "things done to the disk": len(records),
        "fsyncs that failed": machine.count("failed"),
        "kept calls looked for": kept,
        "repeats": repeats,
        "answers before their fsync": answered_early(records, made),
    }


async def first_start(folder: Path, cuts: int) -> dict[str, object]:
    """Cut the power while the very first start makes everything: the next start finds or makes it, and can be used."""
    disk = folder / "disk"
    disk.mkdir(parents=True)
    machine = Machine(disk, traced=True)
    gateway = Gateway(disk / "data", machine.environment)
    await asyncio.to_thread(gateway.start)
    announced, said = machine.moment(), inbound_url_path(gateway)
    await asyncio.to_thread(gateway.kill)
    assert machine.trace is not None
    records = [record for record in read(machine.trace) if record.end <= announced]
    moments = sorted({round(number * (len(records) - 1) / (cuts - 1)) for number in range(cuts)})
    for number, moment, left in cut(records, moments, folder):
        again = Gateway(left / "data")
        await asyncio.to_thread(again.start)
        assert again.call("GET", "/v1/stats")["events"] == 0
        after = inbound_url_path(again)
        await asyncio.to_thread(again.kill)
        assert moment < len(records) - 1 or after == said, f"cut {number}: the announced URL is gone"
    return {"cuts": len(moments), "things done to the disk": len(records)}


def inbound_url_path(gateway: Gateway) -> str:
    """Read what it announced."""
    (line,) = [line for line in gateway.said if "inbound URL" in line]
    return line[line.index("/in/") :].strip()


def cut(records: Sequence[Record], moments: Sequence[int], folder: Path) -> Iterator[tuple[int, int, Path]]:
    """Write what is left at each moment, at worst and with luck in turn; the moments rise."""
    played, done = Disk((folder / "disk").resolve()), 0
    for number, moment in enumerate(moments):
        for record in records[done : moment + 1]:
            played.play(record)
        done = moment + 1
        left = folder / f"left-{number}"
        played.leave(left, random.Random(number) if number % 2 else None)  # noqa: S311 -- repeatable
        yield number, moment, left


def answered_early(records: Sequence[Record], calls: Sequence[Call]) -> int:
    """Count calls between whose first byte and whose answer no fsync began after a write and held."""
    syncs = [record for record in records if record.op == SYNC]
    writes = [record for record in records if record.op == WRITE]
    ends = [record.end for record in syncs]
    early = 0
    for call in calls:
        if call.status == 200 and call.said["status"] == "accepted":
            during = syncs[bisect_right(ends, call.began) : bisect_right(ends, call.ended)]
            after = writes[bisect_right(writes, call.began, key=lambda write: write.at) :][:1]
            early += not any(after and sync.offset > after[0].at for sync in during)
    return early


async def fail_now_and_then(machine: Machine, rng: random.Random) -> None:
    """Let an fsync fail every so often."""
    while True:
        await asyncio.sleep(rng.uniform(0.02, 0.2))
        machine.set(sync_fails=rng.randint(1, 3))


@contextlib.contextmanager
def cancelled(task: asyncio.Task[None]) -> Iterator[None]:
    try:
        yield
    finally:
        task.cancel()


async def start_on(world: World, left: Path, last: Record, calls: Sequence[Call], arrived: Sequence[Got]) -> Verdict:
    """Start on what is left after `last`, and judge by what had been said until then."""
    world.gateway = Gateway(left / "data", without_machine(world.gateway.environment))
    world.consumer.got = [got for got in arrived if got.moment <= last.at]
    world.provider.told.calls = [as_it_was(call, last.at) for call in calls if call.began <= last.end]
    await world.start()
    verdict = await world.judge()
    await world.kill()
    return verdict


def as_it_was(call: Call, moment: int) -> Call:
    """What the provider knew of a call then: one that is answered later may or may not be kept."""
    return call if call.ended <= moment else replace(call, status=None, said={})


def without_machine(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(("FAULTS_", "LD_"))}

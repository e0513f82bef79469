"""A disk that is slow, that fails, that is full, and a database that somebody else holds."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.faults.machine import Machine
from tests.faults.world import World

PATIENCE = 60.0
"""Seconds after which whatever does not happen is taken for something that never will."""

ALL = 4
"""So many failing fsyncs stand for all of them."""


async def slow_fsync(folder: Path, delays_ms: Sequence[int], calls: int) -> dict[str, object]:
    """Make every fsync slow: answers wait for it, and calls share it. Fewer calls where it takes seconds."""
    figures: dict[str, object] = {}
    machine = on(folder)
    async with World(folder, machine=machine, destinations=1) as world:
        for delay in delays_ms:
            machine.set(sync_us=1000 * delay)
            await asyncio.sleep(0.1)
            world.provider.told.calls.clear()
            syncs, began = machine.count("syncs"), time.monotonic()
            world.provider.start()
            await world.provider.until(min(calls, 20_000 // delay))
            took, syncs = time.monotonic() - began, machine.count("syncs") - syncs
            kept = (await world.provider.stop()).kept
            least = min(call.seconds for call in kept)
            assert least >= delay / 1000, f"answered after {least} s with an fsync of {delay} ms"
            figures[f"fsync of {delay} ms"] = (
                f"{len(kept) / took:.0f} calls/s, {len(kept) / syncs:.1f} a fsync, first after {1000 * least:.0f} ms"
            )
            machine.set(sync_us=0)
    return figures


async def failing_fsync(folder: Path, times: int) -> dict[str, object]:
    """Let fsyncs fail, one and several at once, and for a while; then kill it: nothing that was kept is gone."""
    machine = on(folder)
    async with World(folder, machine=machine) as world:
        world.provider.start()
        recovered: list[float] = []
        for number in range(times):
            kept = len(world.provider.told.kept)
            await world.provider.until(kept + 50)
            refused, failed = world.provider.told.refused, machine.count("failed")
            few = 1 + number % 4
            machine.set(sync_fails=-1 if few == ALL else few)
            async with asyncio.timeout(30):  # a few may all be a checkpoint's, which refuses nobody
                while world.provider.told.refused == refused and (few == ALL or machine.count("failed") < failed + few):
                    await asyncio.sleep(0.01)
            machine.set(sync_fails=0)
            recovered.append(await until_kept(world))
        await world.kill()
        await world.start()
        verdict = await world.judge()
    assert verdict.good, verdict
    return verdict.counts | {
        "fsyncs that failed": machine.count("failed"),
        "answers 503": world.provider.told.refused,
        "kept again after, longest": f"{max(recovered):.2f} s",
    }


async def full_disk(folder: Path) -> dict[str, object]:
    """Let no file grow: 503 and not ready meanwhile, then by itself as before."""
    machine = on(folder)
    async with World(folder, machine=machine) as world:
        world.provider.start()
        await world.provider.until(200)
        machine.set(full=1)
        await until_refused(world, 20)
        kept_until = len(world.provider.told.kept)
        assert await until_ready_is(world, 503)
        machine.set(full=0)
        recovered = await until_kept(world)
        assert await until_ready_is(world, 200)
        await world.provider.until(kept_until + 200)
        verdict = await world.judge()
    assert verdict.good, verdict
    return verdict.counts | {
        "writes without room": machine.count("refused"),
        "answers 503": world.provider.told.refused,
        "kept again after": f"{recovered:.2f} s",
    }


async def nearly_full_disk(folder: Path) -> dict[str, object]:
    """Leave only the reserve: calls are refused, and what was kept before is delivered."""
    machine = on(folder)
    async with World(folder, machine=machine, destinations=1) as world:
        await world.call("POST", f"/v1/destinations/{world.destinations[0]}/pause")
        world.provider.start()
        await world.provider.until(200)
        machine.set(looks_full=1)
        await until_refused(world, 20)
        assert await until_ready_is(world, 503)
        await world.call("POST", f"/v1/destinations/{world.destinations[0]}/resume")
        await world.drained()
        delivered = len(world.consumer.got)
        machine.set(looks_full=0)
        recovered = await until_kept(world)
        verdict = await world.judge()
    assert verdict.good, verdict
    return verdict.counts | {
        "delivered meanwhile": delivered,
        "answers 503": world.provider.told.refused,
        "kept again after": f"{recovered:.2f} s",
    }


async def small_disk(folder: Path, mebibytes: int = 48) -> dict[str, object]:
    """Fill a real file system to the brim, deliver from it, and make room again. Needs the right to mount one."""
    folder.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", folder], check=False)
    if mounted.returncode:
        return {"not shown": "this user may not mount a file system"}
    try:
        ballast = folder / "ballast"
        ballast.write_bytes(bytes(8 << 20))
        return await fill(folder / "gateway", ballast)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


async def fill(folder: Path, ballast: Path) -> dict[str, object]:
    async with World(folder, destinations=1) as world:
        await world.call("POST", f"/v1/destinations/{world.destinations[0]}/pause")
        world.provider.start()
        await until_refused(world, 50, seconds=100)
        disk = os.statvfs(folder)
        await world.call("POST", f"/v1/destinations/{world.destinations[0]}/resume")
        await world.drained()
        delivered = len(world.consumer.got)
        ballast.unlink()
        recovered = await until_kept(world)
        verdict = await world.judge()
    assert verdict.good, verdict
    return verdict.counts | {
        "left when refused": f"{disk.f_bavail * disk.f_frsize >> 20} MiB",
        "delivered meanwhile": delivered,
        "answers 503": world.provider.told.refused,
        "kept again after": f"{recovered:.2f} s",
    }


_HOLD = """
import sys, apsw
db = apsw.Connection(sys.argv[1])
db.set_busy_timeout(10000)
db.execute("BEGIN IMMEDIATE; UPDATE head SET clock = clock")
print("held", flush=True)
sys.stdin.read()
db.execute("ROLLBACK")
"""


async def locked_database(folder: Path) -> dict[str, object]:
    """Let another process hold the database: 503 meanwhile, then by itself as before."""
    async with World(folder) as world:
        world.provider.start()
        await world.provider.until(100)
        hold = [sys.executable, "-c", _HOLD, str(world.gateway.directory / "gateway.db")]
        with subprocess.Popen(hold, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            assert await asyncio.to_thread(other.stdout.readline) == b"held\n"
            await until_refused(world, 20)
            other.communicate()
        recovered = await until_kept(world)
        verdict = await world.judge()
    assert verdict.good, verdict
    return verdict.counts | {
        "answers 503": world.provider.told.refused,
        "kept again after": f"{recovered:.2f} s",
    }


def on(folder: Path) -> Machine:
    folder.mkdir(parents=True)
    return Machine(folder)


async def until_refused(world: World, more: int, seconds: float = PATIENCE) -> None:
    """Wait until so many calls more are answered 503."""
    before = world.provider.told.refused
    async with asyncio.timeout(seconds):
        while world.provider.told.refused < before + more:
            await asyncio.sleep(0.01)


async def until_kept(world: World) -> float:
    """Wait until a call is kept again, and say how long that took."""
    began = time.monotonic()
    await world.provider.until(len(world.provider.told.kept) + 1, PATIENCE)
    return time.monotonic() - began


async def until_ready_is(world: World, status: int, seconds: float = PATIENCE) -> bool:
    """Wait until /ready answers so."""
    async with asyncio.timeout(seconds):
        while await asyncio.to_thread(world.ask, "/ready") != status:
            await asyncio.sleep(0.05)
    return True

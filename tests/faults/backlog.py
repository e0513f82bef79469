"""Long life: what waits costs little, and what is too old makes room for what is new."""

import asyncio
import signal
from pathlib import Path

from tests.faults.machine import Machine
from tests.faults.world import World

MONTH_NS = 31 * 86_400 * 1_000_000_000
SLACK = 1.6
"""So much larger than after the first month may the file be after the last: ids and digests stay for 400 days."""


async def months(folder: Path, count: int, calls: int) -> dict[str, object]:
    """Let months go by with as many calls in each: what is older than the retention makes room for the next."""
    folder.mkdir(parents=True)
    machine = Machine(folder)
    sizes: list[int] = []
    async with World(folder, machine=machine, destinations=1, GATEWAY_RETENTION_DAYS="30") as world:
        for _ in range(count):
            kept = len(world.provider.told.kept)
            world.provider.start()
            await world.provider.until(kept + calls)
            await world.provider.stop()
            await world.drained()
            assert await world.kill(signal.SIGTERM) == 0  # its log is then in the database
            sizes.append((world.gateway.directory / "gateway.db").stat().st_size)
            machine.set(passed_ns=machine.count("passed_ns") + MONTH_NS)
            await world.start()
            await expired(world)
        stats = await world.call("GET", "/v1/stats")
    assert sizes[-1] <= SLACK * sizes[0], sizes
    figures = ", ".join(f"{each / 2**20:.1f}" for each in sizes)
    return {"months": count, "calls": stats["receipts"]["understood"], "MiB, month by month": figures}


async def expired(world: World, seconds: float = 60.0) -> None:
    """Wait until the log holds nothing that a provider caused; raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while (await world.call("GET", "/v1/events?limit=1&provider=harmonizely"))["items"]:
            await asyncio.sleep(0.1)

"""kill -9 at any moment under load: while it works, in bursts, and while it starts."""

import asyncio
import random
from pathlib import Path

from tests.faults.world import SERVE, World

READY_WITHIN = 3.0
"""Seconds that a start is to take at most after a kill."""
MOST_BETWEEN = 300
"""Calls kept between two kills, at most."""


async def kill_loop(folder: Path, kills: int, command: tuple[str, ...] = SERVE) -> dict[str, object]:
    """Kill it so often, judge what is left, and say the figures; raises AssertionError."""
    rng = random.Random(kills)  # noqa: S311 -- a repeatable choice of moments
    at_start = looks = 0
    async with World(folder, command=command) as world:
        world.provider.start()
        for _ in range(kills):
            await world.provider.until(len(world.provider.told.kept) + rng.randint(1, MOST_BETWEEN))
            await world.kill()
            if rng.random() < 0.4:
                at_start += await kill_while_it_starts(world, rng)
            await world.start()
            looks += await sums_hold(world)
        verdict = await world.judge()
    assert verdict.good, verdict
    told, ready = world.provider.told, world.gateway.ready_in[1:]
    return verdict.counts | {
        "kills": kills,
        "kills while starting": at_start,
        "sums looked at under load": looks,
        "calls cut off": told.hung_up,
        "ready in, longest": f"{max(ready):.2f} s",
        "ready within 3 s": f"{sum(each <= READY_WITHIN for each in ready)} of {len(ready)}",
    }


async def sums_hold(world: World, looks: int = 3) -> int:
    """Hold /v1/stats to its sums while calls and deliveries go on; say how often."""
    for _ in range(looks):
        stats = await world.call("GET", "/v1/stats")
        for amounts in stats["deliveries"].values():
            assert sum(amounts.values()) == stats["events"], stats
        await asyncio.sleep(0.02)
    return looks


async def kill_while_it_starts(world: World, rng: random.Random) -> int:
    """Start it and kill it before it can be ready, up to three times in a row."""
    times = rng.randint(1, 3)
    for _ in range(times):
        world.gateway.launch()
        await asyncio.sleep(rng.uniform(0.0, 0.9))
        await world.kill()
    return times

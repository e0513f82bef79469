"""What the system does to the process: too few file descriptors, and SIGTERM in the middle of everything."""

import asyncio
import contextlib
import signal
import sys
import time
from pathlib import Path

from tests.faults.world import World

TERM_WITHIN = 15.0
"""Seconds after SIGTERM within which the process is to have ended."""


async def few_descriptors(folder: Path, limit: int, flood: int) -> dict[str, object]:
    """Give it `limit` descriptors, and let so many idle connections stand around."""
    command = ("sh", "-c", f'ulimit -n {limit}; exec "{sys.executable}" -m gateway serve')
    async with World(
        folder, command=command, workers=4, patient=1.0, rest=0.005, GATEWAY_RETRY_SCHEDULE="1,1,1"
    ) as world:
        world.provider.start()
        await world.provider.until(50)
        kept = len(world.provider.told.kept)
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(flood):
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", world.provider.port)
                    stack.callback(writer.close)
            await asyncio.sleep(2.0)
            meanwhile = len(world.provider.told.kept) - kept
        began = time.monotonic()
        await world.fresh_call()
        recovered = time.monotonic() - began
        verdict = await world.judge()
    assert verdict.good, verdict
    return verdict.counts | {
        "descriptors": limit,
        "idle connections": flood,
        "kept meanwhile": meanwhile,
        "answers 503": world.provider.told.refused,
        "a new connection is served after": f"{recovered:.2f} s",
    }


async def terminated(folder: Path, times: int) -> dict[str, object]:
    """SIGTERM it under load, with slow and with silent consumers: exit 0, and what it gave back goes out at once."""
    took: list[float] = []
    again: list[float] = []
    async with World(folder) as world:
        silent = asyncio.Event()
        world.consumer.answer = lambda got: (200, 0.05) if got.path == "/0" else (200, 0.0) if silent.is_set() else None
        for _ in range(times):
            silent.clear()
            world.provider.start()
            await world.provider.until(len(world.provider.told.kept) + 200)
            await asyncio.sleep(0.2)
            began = time.monotonic()
            assert await world.kill(signal.SIGTERM) == 0
            took.append(time.monotonic() - began)
            silent.set()
            before = len(world.consumer.got)
            await world.start()
            began = time.monotonic()
            await world.consumer.until(lambda got, before=before: any(g.path == "/1" for g in got[before:]))  # type: ignore[misc] # mypy cannot infer a lambda with a default
            again.append(time.monotonic() - began)
            await world.provider.stop()
            await world.drained()
        verdict = await world.judge()
    assert verdict.good, verdict
    return verdict.counts | {
        "SIGTERMs": times,
        "exit 0 after, longest": f"{max(took):.1f} s",
        "exit 0 within 15 s": f"{sum(each <= TERM_WITHIN for each in took)} of {times}",
        "given back goes out after the start, longest": f"{max(again):.2f} s",
    }

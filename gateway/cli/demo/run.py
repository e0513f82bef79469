"""Who plays, and the play run from beginning to end."""

import asyncio
import contextlib
import signal
from collections.abc import Sequence

from gateway.cli.demo.consumer import Consumer
from gateway.cli.demo.play import Actor, Outcome, perform
from gateway.cli.reach import Failed
from gateway.registry import load_providers, load_simulator


def actors() -> list[Actor]:
    """Make one vendor for each installed provider. Raises ConfigurationError when one has no simulator."""
    return [Actor(provider, load_simulator(provider)()) for provider in load_providers().values()]


def run(cast: Sequence[Actor], consumer: Consumer) -> Outcome:
    """Perform, and leave no process and no directory behind, also on Ctrl-C and SIGTERM. Raises Failed."""
    try:
        return asyncio.run(_performed(cast, consumer))
    except asyncio.CancelledError:
        raise Failed("stopped") from None


async def _performed(cast: Sequence[Actor], consumer: Consumer) -> Outcome:
    performance = asyncio.ensure_future(perform(cast, consumer))
    with contextlib.suppress(NotImplementedError):  # Windows has no such signals
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, performance.cancel)
    return await performance

"""Who plays, and the play run from beginning to end."""

import asyncio
import contextlib
import signal
from collections.abc import Sequence

from gateway.cli.demo.consumer import Consumer
from gateway.cli.demo.play import Actor, Outcome, perform
from gateway.cli.reach import Failed
from gateway.contract.provider import Provider
from gateway.contract.simulator import Simulator
from gateway.registry import NoSimulator, load_providers, load_simulator


def actors() -> list[Actor]:
    """Make one vendor for each provider that has a simulator. Raises ConfigurationError when one is broken."""
    found = ((provider, _simulation(provider)) for provider in load_providers().values())
    return [Actor(provider, simulation()) for provider, simulation in found if simulation]


def left_out() -> list[str]:
    """Name the providers that have no simulator."""
    return [provider.name for provider in load_providers().values() if _simulation(provider) is None]


def _simulation(provider: Provider) -> type[Simulator] | None:
    try:
        return load_simulator(provider)
    except NoSimulator:
        return None


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

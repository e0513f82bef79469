"""The one place that knows which providers are installed: those of this repository, and those of entry points."""

import re
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec

from gateway.contract.errors import ConfigurationError
from gateway.contract.events import GATEWAY
from gateway.contract.provider import Provider
from gateway.contract.simulator import Simulator
from providers import PROVIDERS

GROUP = "gateway.providers"
NAME = re.compile(r"[a-z0-9]+")


class NoSimulator(ConfigurationError):
    """Say that a plugin brings no simulator, which none has to."""


def load_providers() -> dict[str, Provider]:
    """Make every installed plugin, by name: the repository's own first, then entry points of the group in their order.

    Raises ConfigurationError, naming the plugin, when one cannot be imported, is no Provider, or takes another's name.
    """
    found: dict[str, Provider] = {}
    for where, provider in _plugins():
        if not NAME.fullmatch(provider.name):
            raise ConfigurationError(f"{where}: name {provider.name!r}: use lower-case letters and digits only")
        if provider.name == GATEWAY:
            raise ConfigurationError(
                f"{where}: {GATEWAY!r} is what events about the gateway itself come from: rename it"
            )
        if provider.name in found:
            raise ConfigurationError(f"{where}: a provider named {provider.name!r} is installed already: uninstall one")
        found[provider.name] = provider
    return found


def load_simulator(provider: Provider) -> type[Simulator]:
    """Find the class `Simulation` in the module `simulator` beside a plugin.

    Raises NoSimulator when there is no such module, ConfigurationError when it cannot be used.
    """
    module = import_module(type(provider).__module__)
    package = module.__name__ if hasattr(module, "__path__") else module.__name__.rpartition(".")[0]
    if not package or find_spec(f"{package}.simulator") is None:
        raise NoSimulator(f"{provider.name}: no class Simulation in a module `simulator` beside {module.__name__}")
    try:
        simulation = import_module(f"{package}.simulator").Simulation
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"{provider.name}: no class Simulation in {package}.simulator: {error}") from error
    if not (isinstance(simulation, type) and issubclass(simulation, Simulator)):
        raise ConfigurationError(f"{provider.name}: Simulation in {package}.simulator is not a Simulator")
    return simulation


def _plugins() -> Iterator[tuple[str, Provider]]:
    yield from ((f"providers.{type(provider).__name__}", provider) for provider in PROVIDERS)
    for point in entry_points(group=GROUP):
        where = f"{GROUP}: {point.name} = {point.value}"
        yield where, _loaded(where, point)


def _loaded(where: str, point: EntryPoint) -> Provider:
    """Import one plugin; its own code runs here, so that whatever it raises is told under its name."""
    try:
        plugin = point.load()
        provider = plugin() if isinstance(plugin, type) else plugin
    except Exception as error:
        raise ConfigurationError(f"{where}: cannot be imported: {type(error).__name__}: {error}") from error
    if not isinstance(provider, Provider):
        raise ConfigurationError(f"{where}: name a class that inherits Provider from gateway.contract.provider")
    return provider

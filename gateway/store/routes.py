"""Which destinations want an event: asked for every event, so answers are kept until the configuration changes."""

from collections.abc import Callable, Sequence

from gateway.contract.events import EVENT_TYPES, GATEWAY
from gateway.store.engines.engine import Tx
from gateway.store.model import Destination

Numbers = tuple[int, ...]


class Routes:
    """The destinations as of one version of the configuration. Used by the writer alone."""

    def __init__(self, destinations: Callable[[Tx], list[Destination]]) -> None:
        self._read = destinations
        self._version = -1
        self._destinations: list[Destination] = []
        self._known: dict[tuple[str, str, str], Numbers] = {}

    def refresh(self, tx: Tx, version: int) -> bool:
        """Read the destinations again if these are older than `version`; say whether that was so."""
        if version == self._version:
            return False
        self._destinations = self._read(tx)
        self._known = {}
        self._version = version
        return True

    def keep(self) -> None:
        """Nothing to do: these are of a version that is there."""

    def forget(self) -> None:
        """Read the destinations again next time: the version that these are of may never have been committed."""
        self._version = -1

    undo = forget

    def of(self, kind: str, provider: str, connection: str) -> Numbers:
        """Name the destinations for an event of this type; paused ones too."""
        asked = (kind, provider, connection)
        found = self._known.get(asked)
        if found is None:
            found = tuple(d.number for d in self._destinations if wants(d, *asked))
            self._known[asked] = found
        return found

    def numbers(self, ids: Sequence[str]) -> Numbers:
        """Name destinations by their ids, as far as they are in use."""
        return tuple(d.number for d in self._destinations if d.id in ids)


def wants(destination: Destination, kind: str, provider: str, connection: str) -> bool:
    """Tell whether a destination subscribed to this: None is all, a pattern is exact, `prefix.*` or `*`.

    `*` is every event that a provider caused. One about the gateway itself goes to who asked for it by its name or by
    `gateway.*`, whatever providers and connections the other events are narrowed to: an alarm must not be lost to a
    filter.
    """
    if provider == GATEWAY:
        return any(pattern != "*" and matches(pattern, kind) for pattern in destination.types)
    return (
        any(matches(pattern, kind) for pattern in destination.types)
        and (destination.providers is None or provider in destination.providers)
        and (destination.connections is None or connection in destination.connections)
    )


def named(patterns: Sequence[str]) -> list[str]:
    """Name the types of events that patterns mean."""
    return [kind for kind in EVENT_TYPES if any(matches(pattern, kind) for pattern in patterns)]


def matches(pattern: str, kind: str) -> bool:
    """Match an event type against `booking.scheduled`, `booking.*` or `*`."""
    return pattern in ("*", kind) or (pattern.endswith(".*") and kind.startswith(pattern[:-1]))

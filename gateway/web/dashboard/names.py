"""What ids are called: pages show names, and link to what they stand for."""

from collections.abc import Mapping
from typing import Self

from msgspec import Struct

from gateway.store.model import Connection, Destination
from gateway.web.services import Services


class Names(Struct, frozen=True):
    """Connections, destinations and providers by id."""

    connections: Mapping[str, Connection]
    destinations: Mapping[str, Destination]
    providers: Mapping[str, str]

    @classmethod
    async def read(cls, services: Services) -> Self:
        """Read them as they are now."""
        return cls(
            {row.id: row for row in await services.store.connections()},
            {row.id: row for row in await services.store.destinations()},
            {name: provider.title for name, provider in services.providers.items()},
        )

    def connection(self, connection_id: str | None) -> str:
        """Name a connection, also one that is gone."""
        if connection_id is None:
            return "nobody known"
        row = self.connections.get(connection_id)
        return row.name if row else connection_id

    def destination(self, destination_id: str) -> str:
        """Name a destination, also one that is gone."""
        row = self.destinations.get(destination_id)
        return row.name if row else f"{destination_id} (removed)"

    def paused(self, destination_id: str) -> bool:
        """Say whether nothing is sent to a destination for now."""
        row = self.destinations.get(destination_id)
        return row is not None and row.paused

    def provider(self, name: str) -> str:
        """Name a provider, also one whose plugin is gone."""
        return self.providers.get(name, name)

    def keys(self, booking: str) -> list[str]:
        """List the keys that a booking may have, of which somebody gave the key or the provider's id."""
        return [booking, *(f"{row.provider}:{row.id}:{booking}" for row in self.connections.values())]

"""What the operator set up, as the store keeps it: connections, destinations, keys, tokens, and their version."""

import asyncio
from typing import Any

from gateway.store import listing
from gateway.store.configuration import Changed, Configuration, config_version
from gateway.store.emitting import Emitter
from gateway.store.engines.engine import A, Engine, Job
from gateway.store.model import Connection, Damaged, Destination, Key, NewEvent, Token
from gateway.store.queue import Queue, Skip

SLICE = 500
"""Rows of a large job in one transaction, so that nobody waits long behind it."""


class SetUp:
    """The part of `Store` that is about the configuration: few rows, each read and written whole.

    Lists leave out what cannot be opened (see `damaged`). Every method raises StoreUnavailable; a change is durable,
    and seen by whoever reads next, when its method returns. Times are epoch milliseconds (UTC).
    """

    def __init__(self, engine: Engine, configuration: Configuration, emitter: Emitter, queue: Queue) -> None:
        self._engine = engine
        self._configuration = configuration
        self._queue = queue
        self._tell_of_connection = emitter.telling(configuration.put_connection)
        self._tell_of_destination = emitter.telling(configuration.put_destination)
        self._version = 0

    async def look_at_version(self) -> int:
        """Tell the version of the configuration as it is now, whoever changed it.

        It grows with every change of connections, destinations, keys, tokens.
        """
        if not self._engine.alone:
            found = await self._engine.read(config_version)  # a change of our own may be told of meanwhile
            self._version = max(self._version, found)
        return self._version

    async def connections(self) -> list[Connection]:
        """List all, those that are being removed included, by id."""
        return await self._engine.read(self._configuration.connections)

    async def activity(self) -> dict[str, int]:
        """Tell when each connection was last heard of; one that never was is not among them."""
        return await self._engine.read(listing.activity)

    async def destinations(self) -> list[Destination]:
        """List those in use, paused ones too, by number."""
        return await self._engine.read(self._configuration.destinations)

    async def keys(self) -> list[Key]:
        """List the API keys, by id. They hold a digest, never the key."""
        return await self._engine.read(self._configuration.keys)

    async def tokens(self) -> list[Token]:
        """List the shared URL's tokens, newest first."""
        return await self._engine.read(self._configuration.tokens)

    async def damaged(self) -> list[Damaged]:
        """Name what cannot be opened and is therefore in none of these lists; it can still be removed."""
        return await self._engine.read(self._configuration.damaged)

    async def put_connection(self, connection: Connection, *telling: NewEvent) -> Connection:
        """Add (version 0) or change; the answer has the new version. Raises VersionConflict.

        `telling`: events about the change, kept in the same transaction.
        """
        changed: Connection = await self._change(self._tell_of_connection, (connection, telling))
        return changed

    async def put_destination(self, destination: Destination, *telling: NewEvent) -> Destination:
        """Add (version 0) or change, as `put_connection` does; the answer has number and version."""
        changed: Destination = await self._change(self._tell_of_destination, (destination, telling))
        return changed

    async def put_key(self, key: Key) -> None:
        """Add, or replace the one of this id."""
        await self._change(self._configuration.put_key, key)

    async def put_token(self, token: Token) -> None:
        """Add, or replace the one of this id."""
        await self._change(self._configuration.put_token, token)

    async def remove_connection(self, connection_id: str) -> bool:
        """Forget the row; its events and receipts stay. False when there was none."""
        return await self._change(self._configuration.remove_connection, connection_id) is not None

    async def remove_destination(self, destination_id: str) -> bool:
        """Take a destination out of use; what waits for it is skipped when this returns. False when there was none."""
        number = await self._change(self._configuration.remove_destination, (destination_id, self._engine.now()))
        if number is None:
            return False
        await self._skip_all(number)
        return True

    async def remove_key(self, key_id: str) -> bool:
        """Revoke a key; False when there was none."""
        return await self._change(self._configuration.remove_key, key_id) is not None

    async def remove_token(self, token_id: str) -> bool:
        """Close a URL to calls; False when there was none."""
        return await self._change(self._configuration.remove_token, token_id) is not None

    async def _change(self, job: Job[A, Changed], item: A) -> Any:
        return (await asyncio.shield(asyncio.ensure_future(self._changed(job, item)))).answer

    async def _changed(self, job: Job[A, Changed], item: A) -> Changed:
        """Change it; who looks at the version hears of it even when the caller has gone meanwhile."""
        changed = await self._engine.write(job, item)
        self._version = max(self._version, changed.version)
        return changed

    async def _skip_all(self, number: int) -> None:
        while await self._engine.write(self._queue.skip, Skip(number, SLICE, self._engine.now())):
            pass

"""Connections as rows: read, written against what others write meanwhile, and repaired one at a time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from weakref import WeakValueDictionary

import structlog

from gateway.pipeline.announce import connection_changed
from gateway.registration.rules import Conflict
from gateway.store.model import Connection, ConnectionStatus, NewEvent, Token, VersionConflict

TROUBLE: frozenset[ConnectionStatus] = frozenset({"needs_repair", "broken"})
"""Statuses that an operator is told of: coming into one, and out of it."""

_TRIES = 5
_log = structlog.get_logger(__name__)


class ConnectionStore(Protocol):
    """What registration asks of the store. `put_connection` raises VersionConflict when the row has changed."""

    async def connections(self) -> list[Connection]: ...
    async def put_connection(self, connection: Connection, /, *telling: NewEvent) -> Connection: ...
    async def remove_connection(self, connection_id: str, /) -> bool: ...
    async def activity(self) -> dict[str, int]: ...
    async def emit(self, *events: NewEvent) -> tuple[str, ...]: ...
    async def tokens(self) -> list[Token]: ...
    async def put_token(self, token: Token, /) -> None: ...
    async def remove_token(self, token_id: str, /) -> bool: ...
    def now(self) -> int: ...
    def turn(self, name: str, /) -> AbstractAsyncContextManager[None]: ...


class Urls(Protocol):
    """Which URLs lead to a connection: pipeline.inboxes.Inboxes. `given`: the shared URL's tokens are settings."""

    @property
    def given(self) -> bool: ...
    def url_of(self, connection: Connection, /) -> str: ...
    def urls_of(self, connection: Connection, /) -> tuple[str, ...]: ...
    async def refresh(self) -> None: ...


class Gone(Conflict):
    """Say that a connection went away while something was done about it."""


class Rows:
    """The connections of one gateway."""

    def __init__(self, store: ConnectionStore, urls: Urls) -> None:
        self.store = store
        self.urls = urls
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def turn(self, connection_id: str) -> AsyncIterator[None]:
        """Hold the lock that whoever asks a connection's provider to change something must hold, here or elsewhere."""
        async with self._turns.setdefault(connection_id, asyncio.Lock()), self.store.turn(connection_id):
            yield

    async def find(self, connection_id: str) -> Connection | None:
        return next((c for c in await self.store.connections() if c.id == connection_id), None)

    async def others(self, connection_id: str) -> list[Connection]:
        return [c for c in await self.store.connections() if c.id != connection_id]

    async def update(
        self, connection_id: str, change: Callable[[Connection], Connection], repaired: str | None = None
    ) -> Connection:
        """Write a change to the row as it is now: a call that arrives meanwhile changes its status.

        The event that tells of it goes with it, in one commit. `repaired`: in words, what was wrong and is not any
        more, though no status ever said so. Raises Gone, Conflict, StoreUnavailable.
        """
        for _ in range(_TRIES):
            row = await self.find(connection_id)
            if row is None:
                raise Gone("It was removed meanwhile.")
            changed = change(row)
            if changed == row:
                return row
            try:
                written = await self.store.put_connection(changed, *told(row, changed, self.store.now(), repaired))
            except VersionConflict:
                continue
            if written.status != row.status:
                _log.info("connection_changed", connection=row.id, status=written.status, previous=row.status)
            await self.urls.refresh()
            return written
        raise Conflict("It keeps being changed by others: try again.")

    async def forget(self, connection_id: str) -> None:
        await self.store.remove_connection(connection_id)
        await self.urls.refresh()


def told(before: Connection, after: Connection, now: int, repaired: str | None = None) -> tuple[NewEvent, ...]:
    """Make the event that tells an operator of a change; none for one that is no news. `now` in epoch milliseconds."""
    silent = after.silent_since is not None
    turned = after.status != before.status and {after.status, before.status} & TROUBLE and after.status != "removing"
    found = after.status in TROUBLE and before.problem is None and after.problem is not None  # restored from a backup
    if turned or found:
        return (connection_changed(after, before.status, now, silent=silent, reason=after.problem or repaired),)
    if silent != (before.silent_since is not None):
        return (connection_changed(after, before.status, now, silent=silent),)
    if repaired is not None:
        return (connection_changed(after, "needs_repair", now, silent=silent, reason=repaired),)
    return ()

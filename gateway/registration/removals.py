"""Delete at providers what was disconnected here. Rows say what is left to do, so a restart goes on with it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Protocol

import structlog
from msgspec.structs import replace

from gateway.contract.errors import GatewayError, StoreUnavailable
from gateway.registration.remote import Remote
from gateway.store.model import Connection, VersionConflict

RETRY_SECONDS = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0)
"""Waits between attempts to delete one webhook; the last one repeats."""

LOOK_SECONDS = 60.0
"""Rows are looked at this often, for those that another process left behind."""

ABANDONED_MS = 5 * 60 * 1000
"""A row that is `registering` for longer than any create call takes belongs to a process that died."""

DOUBTFUL_MS = 24 * 60 * 60 * 1000
"""So long a provider is asked about a webhook that was perhaps never made."""

_log = structlog.get_logger(__name__)


class ConnectionStore(Protocol):
    """What registration asks of the store. `put_connection` raises VersionConflict when the row has changed."""

    async def connections(self) -> list[Connection]: ...
    async def put_connection(self, connection: Connection, /) -> Connection: ...
    async def remove_connection(self, connection_id: str, /) -> bool: ...
    def now(self) -> int: ...


class Removals:
    """Finish what `removing` rows ask for.

    `remote`: makes the way to a row's provider; None when there is none any more. `changed`: awaited after each row
    that is gone.
    """

    def __init__(
        self,
        store: ConnectionStore,
        remote: Callable[[Connection], Remote | None],
        changed: Callable[[], Awaitable[None]],
        delays: Sequence[float] = RETRY_SECONDS,
    ) -> None:
        self._store = store
        self._remote = remote
        self._changed = changed
        self._delays = delays
        self._failures: dict[str, tuple[int, float]] = {}
        self._busy: set[str] = set()
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            seconds = await self._round()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), seconds)
            self._wake.clear()

    def wake(self, connection_id: str) -> None:
        """Try a row again now: something about it was changed."""
        self._failures.pop(connection_id, None)
        self._wake.set()

    async def attempt(self, connection_id: str, within: float | None = None) -> bool:
        """Try once, for `within` seconds at most; True when nothing is left of it. Raises StoreUnavailable."""
        if connection_id in self._busy:
            return False
        self._busy.add(connection_id)
        try:
            async with asyncio.timeout(within):
                return await self._attempt(connection_id)
        except TimeoutError:
            self._wake.set()
            return False
        finally:
            self._busy.discard(connection_id)

    async def _attempt(self, connection_id: str) -> bool:
        connections = await self._store.connections()
        row = next((c for c in connections if c.id == connection_id), None)
        if row is None:
            return True
        try:
            remote = self._remote(row)
            if remote is not None:
                await remote.remove([c for c in connections if c.id != row.id])
        except GatewayError as error:
            if row.remote is not None or self._store.now() - row.created_at < DOUBTFUL_MS:
                self._failed(row, error)
                return False
            _log.warning("removal_given_up", connection=row.id, provider=row.provider)
        await self._forget(row.id)
        return True

    async def _forget(self, connection_id: str) -> None:
        self._failures.pop(connection_id, None)
        await self._store.remove_connection(connection_id)
        await self._changed()

    def _failed(self, row: Connection, error: GatewayError) -> None:
        failures = self._failures.get(row.id, (0, 0.0))[0]
        delay = self._delays[min(failures, len(self._delays) - 1)]
        self._failures[row.id] = (failures + 1, asyncio.get_running_loop().time() + delay)
        self._wake.set()
        # not the words: a provider may repeat in them what it was sent
        _log.warning("removal_failed", connection=row.id, provider=row.provider, error=type(error).__name__)

    async def _round(self) -> float:
        """Try every row that is due; returns the seconds until the next one is."""
        try:
            for row in await self._rows():
                if self._wait(row) <= 0:
                    await self.attempt(row.id)
            return min([self._wait(row) for row in await self._rows()], default=LOOK_SECONDS)
        except StoreUnavailable as error:
            return float(error.retry_after)

    def _wait(self, row: Connection) -> float:
        if row.id in self._busy:  # whoever is at it wakes this loop if it fails
            return LOOK_SECONDS
        due = self._failures.get(row.id, (0, 0.0))[1]
        return min(max(due - asyncio.get_running_loop().time(), 0.0), LOOK_SECONDS)

    async def _rows(self) -> list[Connection]:
        """Find the rows to remove, and turn those that a dead process left `registering` into such."""
        rows = await self._store.connections()
        for row in rows:
            if row.status == "registering" and self._store.now() - row.created_at > ABANDONED_MS:
                with suppress(VersionConflict):
                    await self._store.put_connection(replace(row, status="removing"))
        return [row for row in await self._store.connections() if row.status == "removing"]

"""Delete at providers what was disconnected here. Rows say what is left to do, so a restart goes on with it."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import structlog
from msgspec.structs import replace

from gateway.contract.errors import GatewayError, StoreUnavailable
from gateway.registration.rows import Rows
from gateway.registration.rules import Conflict
from gateway.registration.ways import Ways
from gateway.store.model import Connection

RETRY_SECONDS = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0)
"""Waits between attempts to delete one webhook; the last one repeats."""

LOOK_SECONDS = 60.0
"""Rows are looked at this often, for those that another process left behind."""

ABANDONED_MS = 5 * 60 * 1000
"""A row that is `registering` for longer than any create call takes belongs to a process that died."""

DOUBTFUL_MS = 24 * 60 * 60 * 1000
"""So long a provider is asked about a webhook that was perhaps never made."""

_log = structlog.get_logger(__name__)


class Removals:
    """Finish what `removing` rows ask for."""

    def __init__(self, rows: Rows, ways: Ways, delays: Sequence[float] = RETRY_SECONDS) -> None:
        self._rows = rows
        self._ways = ways
        self._delays = delays
        self._failures: dict[str, tuple[int, float]] = {}
        self._busy: set[str] = set()
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            seconds = await self._round()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):  # wait_for would swallow a cancellation that comes with the wake
                    await self._wake.wait()
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
            async with asyncio.timeout(within), self._rows.turn(connection_id):
                return await self._attempt(connection_id)
        except TimeoutError:
            self._wake.set()
            return False
        finally:
            self._busy.discard(connection_id)

    async def forget(self, connection_id: str) -> None:
        """Remove a row whatever is left of it at its provider."""
        self._failures.pop(connection_id, None)
        await self._rows.forget(connection_id)

    async def _attempt(self, connection_id: str) -> bool:
        row = await self._rows.find(connection_id)
        if row is None:
            return True
        try:
            remote = self._ways.to(row, await self._rows.others(row.id))
            if remote is not None:
                await remote.remove()
        except GatewayError as error:
            if row.webhook_ids or self._rows.store.now() - row.created_at < DOUBTFUL_MS:
                self._failed(row, error)
                return False
            _log.warning("removal_given_up", connection=row.id, provider=row.provider)
        await self.forget(row.id)
        return True

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
            for row in await self._due():
                if self._wait(row) <= 0:
                    await self.attempt(row.id)
            return min([self._wait(row) for row in await self._due()], default=LOOK_SECONDS)
        except StoreUnavailable as error:
            return float(error.retry_after)

    def _wait(self, row: Connection) -> float:
        if row.id in self._busy:  # whoever is at it wakes this loop if it fails
            return LOOK_SECONDS
        due = self._failures.get(row.id, (0, 0.0))[1]
        return min(max(due - asyncio.get_running_loop().time(), 0.0), LOOK_SECONDS)

    async def _due(self) -> list[Connection]:
        """Find the rows to remove, and turn those that a dead process left `registering` into such."""
        for row in await self._rows.store.connections():
            if row.status == "registering" and self._rows.store.now() - row.created_at > ABANDONED_MS:
                with suppress(Conflict):
                    await self._rows.update(row.id, _abandoned)
        return [row for row in await self._rows.store.connections() if row.status == "removing"]


def _abandoned(row: Connection) -> Connection:
    return replace(row, status="removing") if row.status == "registering" else row

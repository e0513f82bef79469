"""Look at every provider now and then: find what drifted, put it right, and say what a person has to know.

Nothing here decides: `repair` knows what may be put right without a person, `silence` what is unusual, `rotate` what
has had its time. This is the clock behind them, kind to providers that fail.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Protocol

import structlog
from msgspec.structs import replace

from gateway.contract.errors import GatewayError, ProviderApiError, StoreUnavailable
from gateway.registration.registrar import Registrar
from gateway.registration.repair import missing
from gateway.registration.rules import Conflict
from gateway.registration.silence import HOUR_MS, LOOK_BACK_MS, quiet_limit
from gateway.store.model import Connection
from gateway.store.rhythms import Rhythm

AT_ONCE = 8
"""So many providers are asked at the same time: one that hangs does not keep the others waiting."""
LONGEST_WAIT = 3600.0
"""Seconds after which a provider that failed is asked again at the latest."""
JITTER = 0.1

_log = structlog.get_logger(__name__)


class RefusedCalls(Protocol):
    """Counts the calls that were refused: gateway.web.services.Refusals."""

    def pending(self) -> Mapping[str, tuple[int, datetime]]: ...
    def noted(self, connection: str, count: int, /) -> None: ...


class Watch:
    """Watch over connections. `interval` in seconds; `silent_after` in seconds, None: learned from the history.

    `rhythm`: measures the calls of a connection since a time (epoch milliseconds). `heard`: names the older URL tokens
    that calls came with since it was asked last.
    """

    def __init__(
        self,
        registrar: Registrar,
        rhythm: Callable[[str, int], Awaitable[Rhythm]],
        heard: Callable[[], frozenset[str]],
        refused: RefusedCalls,
        *,
        interval: float,
        silent_after: float | None = None,
    ) -> None:
        self._rows = registrar.rows
        self._store = registrar.rows.store
        self._ways = registrar.ways
        self._repairs = registrar.repairs
        self._rotation = registrar.rotation
        self._rhythm = rhythm
        self._heard = heard
        self._refused = refused
        self._interval = interval
        self._silent_after = silent_after
        self._failures: dict[str, tuple[int, float]] = {}
        self._limits: dict[str, tuple[int, int | None]] = {}
        self._wake = asyncio.Event()
        self._begun = False
        registrar.wake = self.wake

    async def run(self) -> None:
        """Look and put right until cancelled, at once for the first time: what a dead process left is finished."""
        try:
            await self._go_on()
        finally:
            with suppress(GatewayError):
                await self.note()

    async def run_notes(self) -> None:
        """Note what only this process knows until cancelled: for one beside the process that watches."""
        while True:
            await asyncio.sleep(self._interval)
            await self.note()

    async def _go_on(self) -> None:
        while True:
            self._wake.clear()
            if not self._begun:
                await self._begin()
            await self.round()
            wait = self._interval * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 -- spreads load, hides nothing
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):  # wait_for would swallow a cancellation that comes with the wake
                    await self._wake.wait()

    def wake(self, connection_id: str | None = None) -> None:
        """Look now: something about a connection, or about all, was changed."""
        if connection_id is None:
            self._failures.clear()
        else:
            self._failures.pop(connection_id, None)
        self._wake.set()

    async def round(self) -> None:
        """Look at all that is due. Raises StoreUnavailable."""
        rows = [row for row in await self._store.connections() if row.status not in ("registering", "removing")]
        turns = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(self._look(row, turns) for row in rows if row.webhook_ids and self._due(row)))
        await self._listen(rows)
        await self.note()
        await self._rotation.retire()

    async def _begin(self) -> None:
        """Note that the process was down: providers that never send again may have tried meanwhile."""
        activity = await self._store.activity()
        for row in await self._store.connections():
            if self._ways.bookings(row) is not None and row.status not in ("registering", "removing"):
                with suppress(Conflict):
                    await self._rows.update(row.id, lambda c: missing(c, activity.get(c.id, 0)))
                    await self._repairs.missed(row.id)
        self._begun = True

    # --- drift -----------------------------------------------------------------------------------------------------

    async def _look(self, row: Connection, turns: asyncio.Semaphore) -> None:
        async with turns:
            try:
                await self._repairs.watch(row.id)
            except (StoreUnavailable, Conflict) as error:  # Conflict: it is being removed just now
                if isinstance(error, StoreUnavailable):
                    raise
            except GatewayError as error:
                self._failed(row, error)
            else:
                self._failures.pop(row.id, None)

    def _due(self, row: Connection) -> bool:
        return self._failures.get(row.id, (0, 0.0))[1] <= asyncio.get_running_loop().time()

    def _failed(self, row: Connection, error: GatewayError) -> None:
        """Ask again after a time that doubles, and not before the provider wants to be."""
        failures = self._failures.get(row.id, (0, 0.0))[0]
        wait = min(self._interval * 2**failures, max(LONGEST_WAIT, self._interval)) * (1 - JITTER)
        asked = (error.retry_after or 0.0) if isinstance(error, ProviderApiError) else 0.0
        due = asyncio.get_running_loop().time() + max(wait, min(asked, LONGEST_WAIT))
        self._failures[row.id] = (failures + 1, due)
        # not the words: they are in the row, without what a provider may repeat in them
        _log.warning("connection_not_checked", connection=row.id, provider=row.provider, error=type(error).__name__)

    async def note(self) -> None:
        """Note in the rows which older tokens calls came with, and how many calls were refused, since the last time:
        they must not cost a write each."""
        await self._rotation.hear(self._heard())
        for connection_id, (count, last) in self._refused.pending().items():
            with suppress(Conflict):  # it is gone, and so is what was counted
                await self._rows.update(connection_id, partial(_refused, count=count, last=last))
            self._refused.noted(connection_id, count)

    # --- silence ---------------------------------------------------------------------------------------------------

    async def _listen(self, rows: list[Connection]) -> None:
        """Note which connections are silent, and which are not any more."""
        activity, now = await self._store.activity(), self._store.now()
        for row in rows:
            last = activity.get(row.id, now)
            limit = None
            if self._silent_after is not None or now - last > HOUR_MS:  # nothing learned is shorter
                limit = await self._limit(row.id, last)
            silent = limit is not None and now - last > limit
            since = last if silent else None
            if (row.silent_since is None) == silent:
                with suppress(Conflict):
                    await self._rows.update(row.id, partial(_quiet, since=since))

    async def _limit(self, connection_id: str, last: int) -> int | None:
        """Say how long this connection may be quiet; its history is read once after each call."""
        known = self._limits.get(connection_id)
        if known is None or known[0] != last:
            rhythm = await self._rhythm(connection_id, last - LOOK_BACK_MS)
            known = self._limits[connection_id] = (last, quiet_limit(rhythm, self._silent_after))
        return known[1]


def _refused(row: Connection, count: int, last: datetime) -> Connection:
    return replace(row, rejected=row.rejected + count, last_rejected_at=round(last.timestamp() * 1000))


def _quiet(row: Connection, since: int | None) -> Connection:
    return replace(row, silent_since=since)

"""Upkeep: what nobody waits for, a little at a time: retention, erasure, the change of encryption keys.

One loop does all of it in slices of some milliseconds, and rests as long as it worked: whoever brings or takes events
has the writer at least half of the time.
"""

import asyncio
import time

import structlog

from gateway.store.retention import Pruned, Too
from gateway.store.store import Store

LOOK_SECONDS = 60.0
"""How often is looked for what became too old."""
KEYS_KEPT_DAYS = 400
"""How long ids and digests stay: so long a repeated call is known."""
DOUBT_DAYS = 400
"""What is so much older than anything can be here makes the clock doubtful, and nothing is deleted for it..."""
DOUBT_SECONDS = 86_400.0
"""...until the process has run for so long: then somebody would have set a wrong clock right."""
LOOK_AGAIN = 0.5
"""Seconds after which is looked whether a request is done, even if nobody told that something was committed."""
DAY = 86_400_000

_log = structlog.get_logger(__name__)


class Upkeep:
    """Make it in the event loop; `days`: how old bodies and events get."""

    def __init__(self, store: Store, days: int) -> None:
        self._store = store
        self._days = days
        self._began = time.monotonic()
        self._looked = 0.0
        self._doubted = False
        self._bell = asyncio.Event()
        self.turn = asyncio.Lock()
        """Held by who decides whether something is to begin."""

    def wake(self) -> None:
        """Say that there is work."""
        self._bell.set()

    async def run(self) -> None:
        """Work until cancelled. Raises StoreUnavailable; can be called again, nothing is lost."""
        while True:
            self._bell.clear()
            began = time.monotonic()
            if await self._round():
                await asyncio.sleep(time.monotonic() - began)
            else:
                await self._rest()

    async def erased(self, erasure: str, seconds: float) -> None:
        """Wait until a request is done, but not longer than so many seconds."""
        self.wake()
        until = time.monotonic() + seconds
        while erasure in await self._store.erasing.unfinished() and (left := until - time.monotonic()) > 0:
            await self._store.changed(min(left, LOOK_AGAIN))

    async def _round(self) -> bool:
        """Do a slice of everything; False when there was nothing to do."""
        return any([await self._prune(), await self._store.resealing.step(), await self._erase()])

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._bell.wait()
        except TimeoutError:
            return

    async def _erase(self) -> bool:
        return any([await self._store.erasing.step(erasure) for erasure in await self._store.erasing.unfinished()])

    async def _prune(self) -> bool:
        """Let go of what is too old; once that is done, not before the next look."""
        if self._looked and time.monotonic() - self._looked < LOOK_SECONDS:
            return False
        expired = await self._store.retention.expire(self._older_than(self._days))
        forgotten = await self._store.retention.forget(self._older_than(max(self._days, KEYS_KEPT_DAYS)))
        self._say_doubt(expired, forgotten)
        if expired.rows or forgotten.rows:
            return True
        self._looked = time.monotonic()
        return False

    def _older_than(self, days: int) -> Too:
        before = self._store.now() - days * DAY
        believed = time.monotonic() - self._began >= DOUBT_SECONDS
        return Too(before, 0 if believed else before - DOUBT_DAYS * DAY)

    def _say_doubt(self, *pruned: Pruned) -> None:
        doubtful = any(each.doubtful for each in pruned)
        if doubtful and not self._doubted:
            _log.error(
                "clock_doubtful",
                reason="by the clock, what is kept is years too old: nothing is deleted before a day has passed",
            )
        self._doubted = doubtful

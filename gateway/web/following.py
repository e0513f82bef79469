"""What other processes change in the configuration, taken up here: at once when the database's bell rings."""

import asyncio

from gateway.contract.errors import StoreUnavailable
from gateway.pipeline.inboxes import Inboxes
from gateway.store.store import Store

LOOK_SECONDS, BREATH_SECONDS = 1.0, 0.05
"""How soon a change is seen although no bell rang, and the least time between two looks that nobody waits for."""


class Following:
    """One loop that looks, and a way to wait for its next look.

    A look answers all who asked before it began. Who asks after it has begun waits for the next, which comes when as
    much time has gone by as the last one took: however many calls are refused, half of the time nobody looks.
    """

    def __init__(self, store: Store, inboxes: Inboxes) -> None:
        self._store = store
        self._inboxes = inboxes
        self._asked = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._seen = 0

    def latest(self) -> "asyncio.Future[None]":
        """Be done when everything is known here that was changed anywhere before. Raises StoreUnavailable."""
        known = asyncio.get_running_loop().create_future()
        self._waiting.append(known)
        self._asked.set()
        return known

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            changed = asyncio.ensure_future(self._store.changed(LOOK_SECONDS))  # heard from the look's beginning on
            try:
                await self._rest(await self._look(), changed)
            finally:
                changed.cancel()

    async def _look(self) -> float:
        """Take up what was changed, and tell those who wait for it. Says how many seconds it took."""
        self._asked.clear()
        waiting, self._waiting = self._waiting, []
        began = asyncio.get_running_loop().time()
        failed: StoreUnavailable | None = StoreUnavailable("the configuration cannot be read")
        try:
            version = await self._store.look_at_version()
            if version != self._seen:
                await self._inboxes.refresh()
                self._seen = version
            failed = None
        except StoreUnavailable as error:
            failed = error
            raise
        finally:
            _tell(waiting, failed)
        return asyncio.get_running_loop().time() - began

    async def _rest(self, took: float, changed: "asyncio.Future[bool]") -> None:
        await asyncio.sleep(took)
        asked: asyncio.Future[bool] = asyncio.ensure_future(self._asked.wait())
        try:
            await asyncio.wait({changed, asked}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({asked}, timeout=BREATH_SECONDS)
        finally:
            asked.cancel()


def _tell(waiting: "list[asyncio.Future[None]]", error: StoreUnavailable | None) -> None:
    for each in waiting:
        if each.done():
            continue
        if error is None:
            each.set_result(None)
        else:
            each.set_exception(error)

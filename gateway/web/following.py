"""What other processes change in the configuration, taken up here: at once when the database's bell rings."""

import asyncio

from gateway.contract.errors import StoreUnavailable
from gateway.pipeline.inboxes import Inboxes
from gateway.store.store import Store

LOOK_SECONDS, BREATH_SECONDS = 1.0, 0.05
"""How soon a change is seen although no bell rang, and the least time between two looks."""


class Following:
    """One loop that looks, and a way to wait for its next look."""

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
            self._asked.clear()
            waiting, self._waiting = self._waiting, []
            try:
                await self._look()
            except StoreUnavailable as error:
                _tell(waiting, error)
                raise
            _tell(waiting, None)
            await self._rest()

    async def _look(self) -> None:
        version = await self._store.look_at_version()
        if version != self._seen:
            await self._inboxes.refresh()
            self._seen = version

    async def _rest(self) -> None:
        changed = asyncio.ensure_future(self._store.changed(LOOK_SECONDS))
        asked = asyncio.ensure_future(self._asked.wait())
        try:
            await asyncio.wait({changed, asked}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
            asked.cancel()
        await asyncio.sleep(BREATH_SECONDS)


def _tell(waiting: "list[asyncio.Future[None]]", error: StoreUnavailable | None) -> None:
    for each in waiting:
        if each.done():
            continue
        if error is None:
            each.set_result(None)
        else:
            each.set_exception(error)

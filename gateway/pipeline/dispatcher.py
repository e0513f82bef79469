"""Feed step 3 with what is due: a lane for each destination, woken when anything changed or fell due."""

import asyncio
from typing import Protocol

import structlog
from msgspec.structs import replace

from gateway.loops import Loops
from gateway.pipeline.announce import destination_paused
from gateway.pipeline.deliver import Door, Terms
from gateway.pipeline.lane import Lane, Queue
from gateway.store.model import Destination, NewEvent, VersionConflict, Work

LOOK_SECONDS = 60.0
"""The queue is looked at this often even if nobody says that it changed."""
BREATH_SECONDS = 0.01
"""The least time between two looks: busy lanes feed themselves, and our own commits ring the doorbell too. It counts
from the last look, so that nothing wakes in the middle of a commit to look again at what that commit changes."""
NAME = "dispatcher"
"""The name that it beats under."""
PLACES = 340
"""A third of the descriptors that a process has where nobody set more."""
SETTLE_SECONDS = 2.0
"""How long, beyond the grace, the last results may take to be written."""

_log = structlog.get_logger(__name__)


class Store(Queue, Protocol):
    """What the dispatcher asks of the store."""

    async def look_at_version(self) -> int: ...
    async def due(self) -> Work: ...
    async def changed(self, timeout: float) -> bool: ...  # noqa: ASYNC109 -- the store's own signature
    async def destinations(self) -> list[Destination]: ...
    async def put_destination(self, d: Destination, /, *telling: NewEvent) -> Destination: ...
    def now(self) -> int: ...


class Dispatcher:
    """Deliver what is due, until stopped.

    `loops` is told how it goes. `places`: connections that all destinations together may hold; each gets its share.
    """

    def __init__(
        self, store: Store, door: Door, terms: Terms, loops: Loops | None = None, *, places: int = PLACES
    ) -> None:
        self._store = store
        self._door = door
        self._terms = terms
        self._places = places
        self._lanes: dict[int, Lane] = {}
        self._running: dict[asyncio.Task[None], Lane] = {}
        self._version: int | None = None
        self._known: dict[int, Destination] = {}
        self._stopping = asyncio.Event()
        self._loops = loops or Loops()

    async def run(self) -> None:
        """Work until `stop`. Outlives a store that is unavailable and errors of its own."""
        try:
            await self._loops.keep(NAME, self._look_out)
        finally:
            if not self._stopping.is_set():  # cancelled: nobody is left to settle what the lanes have in flight
                for task, lane in self._running.items():
                    lane.interrupt()
                    task.cancel()

    async def stop(self, grace: float) -> None:
        """Claim nothing more, wait up to `grace` seconds for what is in flight, give the rest back, settle all."""
        self._stopping.set()
        for lane in self._running.values():
            lane.close()
        await self._ended(grace)
        for lane in self._running.values():
            lane.interrupt()
        await self._ended(SETTLE_SECONDS)
        for task in self._running:
            task.cancel()
        await self._ended(None)

    async def _ended(self, timeout: float | None) -> None:  # noqa: ASYNC109 -- passed on to asyncio.wait
        if self._running:
            await asyncio.wait(self._running, timeout=timeout)

    # --- looking out for work ---

    async def _look_out(self) -> None:
        stopping = asyncio.create_task(self._stopped())
        try:
            while not self._stopping.is_set():
                await self._look(stopping)
        finally:
            stopping.cancel()

    async def _stopped(self) -> bool:
        return await self._stopping.wait()

    async def _look(self, stopping: asyncio.Future[bool]) -> None:
        """Wake the lanes that have work, then wait for the doorbell, the next due time or the end."""
        clock = asyncio.get_running_loop().time
        changed: asyncio.Future[bool] = asyncio.ensure_future(self._store.changed(LOOK_SECONDS))
        try:
            await asyncio.sleep(0)  # it listens before we look, so that no change falls between the two
            wait = await self._wake_lanes()
            self._loops.beat(NAME)
            looked = clock()
            await asyncio.wait({changed, stopping}, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            if changed.done():
                changed.result()
        finally:
            changed.cancel()
        await asyncio.sleep(max(0.0, looked + BREATH_SECONDS - clock()))

    async def _wake_lanes(self) -> float | None:
        """Wake who has work; seconds until somebody else has."""
        await self._refresh()
        if not self._known:
            return None  # nobody wants anything: there is nothing to look at after each commit
        work = await self._store.due()
        if self._stopping.is_set():
            return None  # a lane that begins now would not be seen by `stop`
        for number in work.destinations:
            if number in self._known:
                self._lane(number).wake()
        return work.wait

    async def _refresh(self) -> None:
        version = await self._store.look_at_version()
        if version == self._version:
            return
        self._known = {each.number: each for each in await self._store.destinations()}
        self._version = version
        for number, lane in list(self._lanes.items()):
            if number in self._known:
                lane.update(self._known[number])
            else:
                self._lanes.pop(number).close()
                self._share_out()

    # --- lanes ---

    def _lane(self, number: int) -> Lane:
        lane = self._lanes.get(number)
        if lane is None:
            lane = Lane(self._known[number], self._store, self._door, self._terms, self._pause)
            self._lanes[number] = lane
            task = asyncio.create_task(self._loops.keep("deliveries", lane.run))
            self._running[task] = lane
            task.add_done_callback(self._ended_lane)
            self._share_out()
        return lane

    def _ended_lane(self, task: asyncio.Task[None]) -> None:
        lane = self._running.pop(task)
        if lane.destination.number not in self._known:
            self._terms.metrics.forget(lane.destination.id)

    def _share_out(self) -> None:
        """Give every lane the same number of connections, one at least."""
        most = max(1, self._places // max(1, len(self._lanes)))
        for lane in self._lanes.values():
            lane.share(most)

    async def _pause(self, failed: Destination, reason: str) -> None:
        """Pause a destination and tell so, unless it was changed since: then the answers were not about it."""
        while True:
            current = {each.id: each for each in await self._store.destinations()}.get(failed.id)
            if current is None or current.paused or current.url != failed.url:
                return
            paused = replace(current, paused=True, paused_reason=reason)
            try:
                await self._store.put_destination(paused, destination_paused(paused, self._store.now()))
            except VersionConflict:
                continue
            _log.warning("destination paused", destination=failed.id, reason=reason)
            return

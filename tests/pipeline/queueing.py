"""A store with a queue, a dispatcher at work on it, and ways to wait for what they do."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec

from gateway import sealing
from gateway.egress import Egress
from gateway.pipeline.deliver import Terms
from gateway.pipeline.dispatcher import Dispatcher
from gateway.store.model import (
    Delivery,
    Destination,
    NewEvent,
    NewReceipt,
    SigningSecret,
)
from gateway.store.store import Store
from tests.egress.sinks import Seen, answer
from tests.pipeline.test_deliver import SECRET
from tests.pipeline.test_render import scheduled

SOON = (0.02, 0.02, 0.02)
"""A schedule for tests: three retries."""


@contextlib.asynccontextmanager
async def dispatching(
    store: Any, egress: Egress, *, schedule: Sequence[float] = SOON, within: float = 10.0, terms: Terms | None = None
) -> AsyncIterator[Dispatcher]:
    """Run a dispatcher; stop it and see it end."""
    dispatcher = Dispatcher(store, egress, terms or Terms(schedule=schedule, timeout=within))
    running = asyncio.create_task(dispatcher.run())
    try:
        yield dispatcher
    finally:
        await dispatcher.stop(5)
        await running


async def subscribe(store: Store, url: str, **changes: Any) -> Destination:
    fields: dict[str, Any] = {
        "id": sealing.new_id("dst"),
        "name": "consumer",
        "url": url,
        "secrets": (SigningSecret(secret=SECRET),),
        "created_at": store.now(),
    }
    return await store.put_destination(Destination(**(fields | changes)))


async def emit(store: Store, number: int, key: str | None = None, body: bytes | None = None) -> str:
    """Accept one event; its public id."""
    digest = hashlib.sha256(str(number).encode()).digest()
    event = NewEvent(
        id=digest[:20],
        type="booking.scheduled",
        provider="meetergo",
        connection="con_1",
        key=key,
        timestamp=store.now(),
        data_digest=digest,
        live=True,
        body=body or msgspec.json.encode(scheduled(id=f"evt_{number}", key=key)),
    )
    receipt = NewReceipt(
        digest=digest[:16],
        connection="con_1",
        token="url_1",
        status="understood",
        proof="token",
        received_at=store.now(),
        size=0,
        sha256=digest,
        inbound=b"",
    )
    accepted = await store.accept(receipt, [event])
    return accepted.events[0]


async def until(store: Store, holds: Callable[[list[Delivery]], bool]) -> list[Delivery]:
    """Wait until the store's deliveries are as they should be."""
    async with asyncio.timeout(30):
        while not holds(deliveries := await store.deliveries(after=None, limit=500)):
            await store.changed(0.2)
    return deliveries


def all_are(status: str, count: int) -> Callable[[list[Delivery]], bool]:
    return lambda deliveries: [each.status for each in deliveries] == [status] * count


class Behind:
    """Stand before a store: each of its methods can be given another behaviour."""

    def __init__(self, store: Store, **instead: Callable[..., Any]) -> None:
        self._store = store
        self._instead = instead

    def __getattr__(self, name: str) -> Any:
        return self._instead.get(name) or getattr(self._store, name)


class Gate:
    """A consumer that keeps requests until it is opened, and counts how many it keeps at once."""

    def __init__(self, status: int = 200) -> None:
        self.most = self.now = 0
        self.opened = asyncio.Event()
        self._came = asyncio.Condition()
        self._status = status

    async def __call__(self, _seen: Seen, transport: asyncio.Transport) -> None:
        async with self._came:
            self.now += 1
            self.most = max(self.most, self.now)
            self._came.notify_all()
        await self.opened.wait()
        await asyncio.sleep(0.001)
        self.now -= 1
        transport.write(answer(self._status))

    async def keeps(self, count: int) -> None:
        """Wait until it keeps so many."""
        async with self._came, asyncio.timeout(20):
            await self._came.wait_for(lambda: self.now >= count)


async def paused(store: Store, destination: Destination) -> Destination:
    """Wait until it is paused."""
    async with asyncio.timeout(30):
        while True:
            (found,) = [each for each in await store.destinations() if each.id == destination.id]
            if found.paused:
                return found
            await store.changed(0.2)

"""Somebody who is signed in, and what there is to look at."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.store.model import Result
from tests.web.conftest import Gateway
from tests.web.dashboard.visitor import Visitor


@pytest.fixture
async def stranger(gateway: Gateway) -> AsyncIterator[Visitor]:
    """Somebody who is not signed in."""
    async with Visitor(gateway.url) as made:
        yield made


@pytest.fixture
async def visitor(gateway: Gateway) -> AsyncIterator[Visitor]:
    """Somebody who is."""
    async with Visitor(gateway.url) as made:
        await made.enter(await gateway.key("admin"), next="/keys")
        yield made


async def booked(gateway: Gateway, booking: str = "b1", **more: Any) -> str:
    """Have the talking vendor tell of a booking; gives the event's id."""
    connections = (await gateway.get("/v1/connections"))["items"]
    url = connections[0]["inbound_url"] if connections else (await gateway.connect())["inbound_url"]
    said = await gateway.says(url, booking=booking, **more)
    event: str = said["events"][0]
    return event


async def quarantined(gateway: Gateway, **said: Any) -> str:
    """Have the vendor tell what its plugin does not understand; gives the receipt's id."""
    made = await gateway.connect(own_url=True)
    gateway.talking.understands = False
    answer = await gateway.says(made["inbound_url"], **said)
    gateway.talking.understands = True
    receipt: str = answer["receipt"]
    return receipt


async def destination(gateway: Gateway, **fields: Any) -> Any:
    """Add a destination that nobody listens at."""
    return await gateway.post("/v1/destinations", {"url": "https://consumer.example/hooks", **fields}, 201)


async def killed(gateway: Gateway, error: str = "connection refused", *, wait: float | None = None) -> str:
    """Let the first waiting delivery fail for good, or for `wait` seconds; gives its id."""
    number = (await gateway.store.destinations())[0].number
    claimed = (await gateway.store.claim(number, 1, 30.0))[0]
    dead = Result(
        delivery=claimed.delivery, attempt=claimed.attempt, outcome="dead" if wait is None else "retry",
        wait=wait or 0.0,
        started_at=gateway.store.now(),
        duration_ms=7, error=error,
    )  # fmt: skip
    await gateway.store.settle([dead])
    return f"dlv_{claimed.delivery:016x}"

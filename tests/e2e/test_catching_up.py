"""A gateway that was down: what meetergo called meanwhile, and never sends again, arrives all the same, and once."""

import asyncio
import json
import socket
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any

import pytest

from gateway.contract.simulator import Call
from providers.meetergo.simulator import Simulation
from tests.e2e.running import Collector, Gateway

STEP = timedelta(seconds=1.1)
"""The vendor's time between two things that happen: those of 50 bookings take two minutes."""


@dataclass
class Clock:
    """The vendor's clock: it goes on by itself, and jumps when told to."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class World:
    gateway: Gateway
    vendor: Simulation
    clock: Clock
    consumer: Collector
    connection: str = ""
    truth: dict[str, str] = field(default_factory=dict)

    def happens(self, what: str, booking: str = "") -> str:
        """Let something happen at the vendor, a moment after what happened before."""
        self.clock.ahead += STEP
        if what == "book":
            booking = self.vendor.book()
        else:
            getattr(self.vendor, what)(booking)
        self.truth[booking] = {"book": "scheduled", "move": "rescheduled", "cancel": "cancelled"}[what]
        return booking

    def busy_hour(self, count: int) -> None:
        """Make bookings, move every second one, some twice, and cancel every third."""
        for number in range(count):
            booking = self.happens("book")
            for what in ["move"] * (number % 2) * (1 + number % 4 // 3) + ["cancel"] * (number % 3 == 0):
                self.happens(what, booking)

    async def delivers(self) -> list[str]:
        """Deliver the vendor's calls; gives what each was answered."""
        calls, self.vendor.outbox = self.vendor.outbox, []
        return [(await asyncio.to_thread(_post, call))["status"] for call in calls]

    async def until_true(self) -> None:
        """Wait until the consumer knows the final state of every booking."""
        await self.consumer.until(lambda got: final(got) == self.truth)

    async def until_settled(self) -> None:
        """Wait until no delivery is on its way: one that a kill interrupts is made twice, and rightly so."""
        await asyncio.to_thread(self._settle)

    def _settle(self) -> None:
        while any(counts["pending"] for counts in self.stats()["deliveries"].values()):
            time.sleep(0.02)

    def stats(self) -> Any:
        return self.gateway.call("GET", "/v1/stats")


def _post(call: Call) -> Any:
    asked = urllib.request.Request(call.url, call.body, dict(call.headers), method="POST")
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return json.loads(answer.read())


def final(got: Sequence[Any]) -> dict[str, str]:
    """Say of each booking what a consumer believes that goes by `sequence`."""
    events = [json.loads(one.body) for one in got]
    newest: dict[str, Any] = {}
    for event in events:
        booking = event["data"]["booking"]["id"]
        if booking not in newest or event["sequence"] > newest[booking]["sequence"]:
            newest[booking] = event
    return {booking: event["type"].removeprefix("booking.") for booking, event in newest.items()}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    made = Gateway(tmp_path / "data")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    made.environment |= {"GATEWAY_PORT": port, "GATEWAY_EGRESS_ALLOW": "127.0.0.1/32:*"}
    yield made
    if made.process is not None:
        made.kill()


def dated(app: Any, clock: Clock) -> Any:
    """Serve the vendor's API with its own clock in each answer's `Date`."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        async def stamped(message: Any) -> None:
            if message["type"] == "http.response.start":
                date = format_datetime(clock(), usegmt=True).encode()
                message = message | {"headers": [*message.get("headers", ()), (b"date", date)]}
            await send(message)

        await app(scope, receive, stamped)

    return serve


@asynccontextmanager
async def world(
    gateway: Gateway, serve: Callable[..., str], ahead: timedelta = timedelta(), **settings: Any
) -> AsyncIterator[World]:
    """Start all of it; the vendor's clock is `ahead` of the gateway's."""
    clock = Clock(ahead)
    made = World(gateway, Simulation(clock), clock, Collector())
    base_url, url = serve(dated(made.vendor.app, clock), date_header=False), await made.consumer.listen()
    gateway.start()
    gateway.call("POST", "/v1/destinations", {"url": url})
    asked = {
        "provider": "meetergo",
        "credentials": made.vendor.credentials,
        "settings": {"base_url": base_url, **settings},
    }
    made.connection = gateway.call("POST", "/v1/connections", asked)["id"]
    try:
        yield made
    finally:
        if gateway.process is not None:
            gateway.kill()
        await asyncio.sleep(0.05)  # its connections to the consumer end
        made.consumer.close()


@pytest.mark.parametrize("how", [SIGTERM, SIGKILL])
async def test_all_final_states_arrive_after_a_downtime_each_once_and_late_calls_double_nothing(
    gateway: Gateway, serve: Callable[..., str], how: Any
) -> None:
    async with world(gateway, serve) as made:
        before = [made.happens("book") for _ in range(6)]
        assert set(await made.delivers()) == {"accepted"}
        await made.until_true()
        await made.until_settled()

        gateway.kill(how)
        made.busy_hour(50)
        made.happens("move", before[0])
        made.happens("cancel", before[1])
        facts = len(made.vendor.outbox)
        assert made.clock.ahead >= timedelta(minutes=2)
        gateway.start()

        await made.until_true()
        ids = [one.id for one in made.consumer.got]
        assert len(ids) == len(set(ids)) == 6 + 52, "each booking's final state, once"
        reconciled = [json.loads(one.body) for one in made.consumer.got[6:]]
        assert {event["origin"]["delivered_by"] for event in reconciled} == {"reconciled"}
        assert {event["origin"]["verification"] for event in reconciled} == {"confirmed"}

        answers = Counter(await made.delivers())
        assert answers == {"duplicate": 52, "accepted": facts - 52}
        await made.consumer.until(lambda got: len(got) >= 6 + facts)
        ids = [one.id for one in made.consumer.got]
        assert len(ids) == len(set(ids)) == 6 + facts, "every step is told once, by whichever way it came"
        assert final(made.consumer.got) == made.truth
        stats = made.stats()
        assert stats["receipts"] == {
            "understood": 6 + facts, "quarantined": 0, "held": 0, "discarded": 0, "duplicates": 52,
        }  # fmt: skip
        assert stats["events"] == 6 + facts
        row = gateway.call("GET", f"/v1/connections/{made.connection}")
        assert (row["missed_since"], row["cannot_catch_up"]) == (None, None)


@pytest.mark.parametrize("ahead", [timedelta(hours=-2), timedelta(hours=2)])
async def test_a_downtime_is_caught_up_with_although_the_vendors_clock_is_two_hours_off(
    gateway: Gateway, serve: Callable[..., str], ahead: timedelta
) -> None:
    async with world(gateway, serve, ahead) as made:
        before = made.happens("book")
        assert await made.delivers() == ["accepted"]
        await made.until_true()
        gateway.kill(SIGTERM)
        made.happens("move", before)
        made.happens("cancel", made.happens("book"))
        made.happens("book")
        gateway.start()
        await made.until_true()
        ids = [one.id for one in made.consumer.got]
        assert len(ids) == len(set(ids)) == 4


async def test_calls_that_come_while_it_catches_up_are_told_once(gateway: Gateway, serve: Callable[..., str]) -> None:
    async with world(gateway, serve) as made:
        gateway.kill(SIGTERM)
        made.busy_hour(30)
        facts = len(made.vendor.outbox)
        gateway.start()
        await made.delivers()
        await made.until_true()
        await made.consumer.until(lambda got: len(got) >= facts)
        gateway.call("POST", f"/v1/connections/{made.connection}/reconcile", {"since": "2026-01-01T00:00:00Z"})
        ids = [one.id for one in made.consumer.got]
        assert len(ids) == len(set(ids)) == facts
        assert final(made.consumer.got) == made.truth


async def test_a_long_look_that_is_killed_goes_on_and_tells_each_once(
    gateway: Gateway, serve: Callable[..., str]
) -> None:
    async with world(gateway, serve) as made:
        gateway.kill(SIGTERM)
        bookings = {made.vendor.book() for _ in range(350)}
        gateway.start()
        look = f"/v1/connections/{made.connection}/reconcile"
        await made.consumer.until(lambda got: len(got) >= 50)
        gateway.kill(SIGKILL)
        gateway.start()
        assert gateway.call("GET", look)["seen"] >= 100, "what was looked at before the kill counts"
        await made.consumer.until(lambda got: len({one.id for one in got}) >= 350)
        while (now := await asyncio.to_thread(gateway.call, "GET", look))["status"] != "done":
            await asyncio.to_thread(time.sleep, 0.05)
        assert now["seen"] == 350
        assert gateway.call("GET", "/v1/stats")["events"] == 350
        assert set(final(made.consumer.got)) == bookings


async def test_what_happened_while_the_webhook_was_gone_arrives_after_its_repair(
    gateway: Gateway, serve: Callable[..., str]
) -> None:
    gateway.environment["GATEWAY_WATCH_INTERVAL"] = "0.5"
    async with world(gateway, serve) as made:
        booking = made.happens("book")
        await made.delivers()
        await made.until_true()
        made.vendor.hooks.clear()
        made.happens("move", booking)
        made.happens("book")
        assert made.vendor.outbox == [], "nobody is called"
        await made.until_true()
        assert len(made.vendor.hooks) == 1
        made.happens("cancel", booking)
        assert await made.delivers() == ["accepted"]
        await made.until_true()


async def test_confirmed_calls_survive_kills_while_they_are_held(gateway: Gateway, serve: Callable[..., str]) -> None:
    async with world(gateway, serve, confirm="must") as made:
        made.vendor.throttled = True  # nobody answers
        bookings = [made.happens("book") for _ in range(12)]
        assert set(await made.delivers()) == {"held"}
        assert made.stats()["receipts"]["held"] == 12
        for _ in range(2):
            gateway.kill(SIGKILL)
            gateway.start()
            receipts = made.stats()["receipts"]
            assert sum(receipts[kind] for kind in ("understood", "quarantined", "held", "discarded")) == 12
            assert made.stats()["events"] == 0
        made.vendor.throttled = False
        gateway.kill(SIGKILL)
        gateway.start()
        await made.until_true()
        assert made.stats()["receipts"] | {"duplicates": 0} == {
            "understood": 12, "quarantined": 0, "held": 0, "discarded": 0, "duplicates": 0,
        }  # fmt: skip
        assert len(made.consumer.got) == len(bookings)
        events = [json.loads(one.body) for one in made.consumer.got]
        assert {event["origin"]["verification"] for event in events} == {"confirmed"}

"""What is due goes out: in order, bounded, fairly between destinations, and through every failure but one's own end."""

import asyncio
import contextlib
import hashlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway import sealing
from gateway.contract.errors import StoreUnavailable
from gateway.egress import Egress
from gateway.pipeline.dispatcher import Dispatcher
from gateway.pipeline.lane import BURST_SECONDS, MOST_IN_FLIGHT, Pace
from gateway.pipeline.retry import SPARE_TRIES
from gateway.sealing import KeyRing
from gateway.store.model import (
    Claimed,
    Delivery,
    Destination,
    NewEvent,
    NewReceipt,
    Result,
    SigningSecret,
    VersionConflict,
)
from gateway.store.store import Store
from tests.egress.sinks import LOOPBACK, Seen, answer, hangs, listening, says
from tests.pipeline.test_deliver import SECRET, verified
from tests.pipeline.test_render import scheduled

SOON = (0.02, 0.02, 0.02)
"""A schedule for tests: three retries."""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path, KeyRing.parse(sealing.new_url_token()))
    yield opened
    await opened.close()


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    door = Egress([LOOPBACK])
    yield door
    await door.aclose()


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Any]]:
    """Take the log lines: writing them out would be most of the tests' time."""
    with structlog.testing.capture_logs() as lines:
        yield lines


@contextlib.asynccontextmanager
async def dispatching(
    store: Any, egress: Egress, *, schedule: Sequence[float] = SOON, within: float = 10.0
) -> AsyncIterator[Dispatcher]:
    """Run a dispatcher; stop it and see it end."""
    dispatcher = Dispatcher(store, egress, schedule=schedule, timeout=within)
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

    def __init__(self, store: Store, **instead: Callable[..., Awaitable[Any]]) -> None:
        self._store = store
        self._instead = instead

    def __getattr__(self, name: str) -> Any:
        return self._instead.get(name) or getattr(self._store, name)


# --- everything arrives --------------------------------------------------------------------------------------------


async def test_everything_that_is_accepted_arrives_once_and_signed(store: Store, egress: Egress) -> None:
    async with listening() as sink, dispatching(store, egress):
        await subscribe(store, sink.url)
        events = [await emit(store, number, f"k{number}") for number in range(40)]
        deliveries = await until(store, all_are("delivered", 40))
    assert Counter(seen.headers["webhook-id"] for seen in sink.seen) == Counter(events)
    assert len(verified(sink)) == 40
    assert {each.attempt for each in deliveries} == {1}


async def test_what_was_waiting_before_the_start_arrives(store: Store, egress: Egress) -> None:
    async with listening() as sink:
        await subscribe(store, sink.url)
        await emit(store, 1)
        async with dispatching(store, egress):
            await until(store, all_are("delivered", 1))


async def test_a_destination_added_while_running_is_served(store: Store, egress: Egress) -> None:
    async with listening() as one, listening() as two, dispatching(store, egress):
        await subscribe(store, one.url)
        await emit(store, 1)
        await until(store, all_are("delivered", 1))
        await subscribe(store, two.url)
        await emit(store, 2)
        await until(store, all_are("delivered", 3))
    assert (len(one.seen), len(two.seen)) == (2, 1)


async def test_events_of_one_booking_arrive_in_order_and_never_overlap_whatever_fails(
    store: Store, egress: Egress
) -> None:
    going: set[str] = set()
    arrived: defaultdict[str, list[str]] = defaultdict(list)
    tried: Counter[str] = Counter()

    async def behave(seen: Seen, transport: asyncio.Transport) -> None:
        event = msgspec.json.decode(seen.body)
        assert event["key"] not in going
        going.add(event["key"])
        await asyncio.sleep(0.001)
        going.remove(event["key"])
        tried[event["id"]] += 1
        if tried[event["id"]] == 1 and int(event["id"].removeprefix("evt_")) % 3 == 0:
            transport.write(answer(500))
        else:
            arrived[event["key"]].append(event["id"])
            transport.write(answer(200))

    async with listening(behave) as sink:
        await subscribe(store, sink.url)
        for number in range(60):
            await emit(store, number, f"k{number % 6}")
        async with dispatching(store, egress):
            await until(store, all_are("delivered", 60))
    assert arrived == {f"k{key}": [f"evt_{number}" for number in range(key, 60, 6)] for key in range(6)}


async def test_a_repeat_has_the_same_id_and_bytes(store: Store, egress: Egress) -> None:
    async with listening(says(answer(500), answer(200))) as sink, dispatching(store, egress):
        await subscribe(store, sink.url, profile="thin", format="cloudevents")
        event = await emit(store, 1)
        await until(store, all_are("delivered", 1))
        await store.replay(event, None)
        await until(store, lambda deliveries: [d.status for d in deliveries if d.status != "delivered"] == [])
        await sink.until(lambda s: len(s.seen) == 3)
    assert len({(seen.headers["webhook-id"], seen.body) for seen in sink.seen}) == 1


# --- one never holds up another ------------------------------------------------------------------------------------


async def test_a_stalled_destination_holds_up_no_other(store: Store, egress: Egress) -> None:
    async with listening(hangs) as stalled, listening() as healthy:
        await subscribe(store, stalled.url)
        await subscribe(store, healthy.url)
        for number in range(50):
            await emit(store, number, f"k{number}")
        dispatcher = Dispatcher(store, egress, schedule=SOON, timeout=3600)
        running = asyncio.create_task(dispatcher.run())
        await healthy.until(lambda s: len(s.seen) == 50)
        assert 1 <= len(stalled.seen) <= MOST_IN_FLIGHT
        await dispatcher.stop(0)
        await running


async def test_one_poison_event_ends_dead_and_its_destination_goes_on(store: Store, egress: Egress) -> None:
    async with listening() as sink, dispatching(store, egress):
        await subscribe(store, sink.url, profile="thin")
        poison = await emit(store, 1, "k1", body=b"{")
        await emit(store, 2, "k2")
        deliveries = await until(store, lambda each: {d.status for d in each} == {"dead", "delivered"})
    (dead,) = [each for each in deliveries if each.status == "dead"]
    assert (dead.event, dead.attempt) == (poison, 4)
    assert dead.last_error == "the gateway failed: DecodeError"
    assert len(sink.seen) == 1


async def test_an_event_that_ends_the_gateway_whenever_it_is_sent_ends_dead_unsent(
    store: Store, egress: Egress
) -> None:
    async with listening() as sink:
        destination = await subscribe(store, sink.url)
        await emit(store, 1)
        for _ in range(len(SOON) + 1 + SPARE_TRIES):
            assert len(await store.claim(destination.number, 1, 0.0)) == 1
        async with dispatching(store, egress):
            (delivery,) = await until(store, all_are("dead", 1))
    assert (delivery.last_error, sink.connections) == ("no try came to a result", 0)


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


async def test_a_destination_gets_at_most_sixteen_at_once_and_begins_with_fewer(store: Store, egress: Egress) -> None:
    gate = Gate()
    async with listening(gate) as sink:
        await subscribe(store, sink.url)
        for number in range(100):
            await emit(store, number, f"k{number}")
        async with dispatching(store, egress):
            await gate.keeps(4)
            assert gate.most == 4
            gate.opened.set()
            await until(store, all_are("delivered", 100))
    assert 4 < gate.most <= MOST_IN_FLIGHT


async def test_a_destination_in_trouble_gets_one_at_a_time(store: Store, egress: Egress) -> None:
    gate = Gate(503)
    async with listening(gate) as sink:
        await subscribe(store, sink.url)
        for number in range(40):
            await emit(store, number, f"k{number}")
        async with dispatching(store, egress, schedule=()):
            await gate.keeps(4)
            gate.opened.set()
            await sink.until(lambda s: len(s.seen) == 20)
            gate.most = 0
            await until(store, all_are("dead", 40))
    assert gate.most == 1


@given(st.floats(0.1, 1000), st.lists(st.floats(0, 1), max_size=50))
def test_a_rate_is_never_exceeded_by_more_than_its_burst(rate: float, steps: list[float]) -> None:
    now, taken = 100.0, 0
    pace = Pace(rate, now)
    for step in steps:
        now += step
        allowed = pace.allowed(now)
        pace.take(allowed)
        taken += allowed
        assert taken <= 1 + (now - 100.0) * rate + max(1.0, rate * BURST_SECONDS) + 1e-6


@given(st.floats(0.1, 1000))
def test_after_its_wait_a_rate_lets_one_more_go(rate: float) -> None:
    pace = Pace(rate, 0.0)
    pace.take(pace.allowed(0.0))
    assert pace.allowed(0.0) == 0
    assert pace.allowed(pace.wait() + 1e-9) == 1


async def test_a_destination_with_a_rate_gets_everything_one_by_one(store: Store, egress: Egress) -> None:
    gate = Gate()
    gate.opened.set()
    async with listening(gate) as sink, dispatching(store, egress):
        await subscribe(store, sink.url, rate=200.0)
        for number in range(20):
            await emit(store, number, f"k{number}")
        await until(store, all_are("delivered", 20))
    assert len(sink.seen) == 20


# --- what answers lead to ------------------------------------------------------------------------------------------


async def test_a_failed_delivery_is_tried_again_when_due_and_every_attempt_is_kept(
    store: Store, egress: Egress
) -> None:
    async with listening(says(answer(500), answer(404), answer(200))) as sink, dispatching(store, egress):
        await subscribe(store, sink.url)
        await emit(store, 1)
        (delivery,) = await until(store, all_are("delivered", 1))
        found = await store.delivery(delivery.id)
    assert found is not None
    assert [(each.number, each.status, each.error) for each in found[1]] == [
        (1, 500, "500 Internal Server Error"),
        (2, 404, "404 Not Found"),
        (3, 200, None),
    ]


async def test_a_delivery_that_always_fails_is_dead_after_the_schedule_and_frees_its_booking(
    store: Store, egress: Egress, logged: list[Any]
) -> None:
    async with listening(says(*[answer(500)] * 4, answer(200))) as sink, dispatching(store, egress):
        await subscribe(store, sink.url)
        await emit(store, 1, "k")
        await emit(store, 2, "k")
        await until(store, lambda each: [d.status for d in each] == ["dead", "delivered"])
    assert len(sink.seen) == 5
    assert [line["event"] for line in logged] == ["delivery dead"]
    assert "path-token" not in str(logged)


async def test_retry_after_moves_the_next_attempt(store: Store, egress: Egress) -> None:
    async with listening(says(answer(429, retry_after="3600"))) as sink, dispatching(store, egress):
        await subscribe(store, sink.url)
        await emit(store, 1)
        (delivery,) = await until(store, lambda each: each[0].last_status == 429)
    assert delivery.due_at is not None
    assert delivery.due_at - delivery.created_at >= 3_600_000


async def paused(store: Store, destination: Destination) -> Destination:
    """Wait until it is paused."""
    async with asyncio.timeout(30):
        while True:
            (found,) = [each for each in await store.destinations() if each.id == destination.id]
            if found.paused:
                return found
            await store.changed(0.2)


async def test_410_pauses_the_destination_and_its_deliveries_wait(store: Store, egress: Egress) -> None:
    async with listening(says(answer(410), answer(200))) as sink, dispatching(store, egress):
        destination = await subscribe(store, sink.url)
        for number in range(6):
            await emit(store, number, "k")
        found = await paused(store, destination)
        assert found.paused_reason == "it answered 410 Gone"
        (first, *_) = await until(store, lambda each: each[0].last_status == 410)
        assert (first.status, len(sink.seen)) == ("pending", 1)
        await store.put_destination(replace(found, paused=False, paused_reason=None))
        await until(store, all_are("delivered", 6))


async def test_410_pauses_although_somebody_changed_the_destination_meanwhile(store: Store, egress: Egress) -> None:
    tries: list[Destination] = []

    async def put(changed: Destination) -> Destination:
        tries.append(changed)
        if len(tries) == 1:
            await store.put_destination(replace(changed, paused=False, paused_reason=None, name="renamed"))
            raise VersionConflict
        return await store.put_destination(changed)

    async with listening(says(answer(410))) as sink, dispatching(Behind(store, put_destination=put), egress):
        destination = await subscribe(store, sink.url)
        await emit(store, 1)
        assert (await paused(store, destination)).name == "renamed"
    assert len(tries) == 2


async def test_410_from_an_address_that_was_replaced_meanwhile_pauses_nothing(store: Store, egress: Egress) -> None:
    asked = asyncio.Event()
    moved = asyncio.Event()

    async def gone_later(_seen: Seen, transport: asyncio.Transport) -> None:
        asked.set()
        await moved.wait()
        transport.write(answer(410))

    async with listening(gone_later) as old, listening() as new, dispatching(store, egress):
        destination = await subscribe(store, old.url)
        await emit(store, 1)
        await asked.wait()
        await store.put_destination(replace(destination, url=new.url))
        moved.set()
        await until(store, all_are("delivered", 1))
    assert (len(old.seen), len(new.seen)) == (1, 1)


async def test_a_destination_paused_by_the_operator_gets_nothing_more_until_it_is_resumed(
    store: Store, egress: Egress
) -> None:
    async with listening() as sink, dispatching(store, egress):
        destination = await subscribe(store, sink.url, paused=True)
        other = await subscribe(store, sink.url)
        await emit(store, 1)
        await until(store, lambda each: {d.destination: d.status for d in each}.get(other.id) == "delivered")
        assert len(sink.seen) == 1
        await store.put_destination(replace(destination, paused=False))
        await until(store, all_are("delivered", 2))


async def test_a_destination_removed_in_flight_ends_without_disturbing_others(store: Store, egress: Egress) -> None:
    gate = Gate()
    async with listening(gate) as sink, listening() as other, dispatching(store, egress):
        destination = await subscribe(store, sink.url)
        await emit(store, 1, "k")
        await emit(store, 2, "k")
        await sink.until(lambda s: len(s.seen) == 1)
        await store.remove_destination(destination.id)
        await subscribe(store, other.url)
        gate.opened.set()
        await emit(store, 3, "k")
        await other.until(lambda s: len(s.seen) == 1)
        await until(store, lambda each: "pending" not in {d.status for d in each})
    assert len(sink.seen) == 1


# --- the gateway's own troubles ------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [StoreUnavailable("disk full"), RuntimeError("a bug")])
@pytest.mark.parametrize("method", ["due", "changed", "destinations", "claim", "settle"])
async def test_a_store_that_fails_for_a_while_delays_and_doubles_nothing(
    store: Store, egress: Egress, method: str, error: Exception
) -> None:
    failures = 0

    async def failing(*args: Any) -> Any:
        nonlocal failures
        failures += 1
        if failures <= 2:
            raise error
        return await getattr(store, method)(*args)

    async with listening() as sink, dispatching(Behind(store, **{method: failing}), egress):
        await subscribe(store, sink.url)
        for number in range(5):
            await emit(store, number, "k")
        await until(store, all_are("delivered", 5))
    assert failures >= 2
    assert len(sink.seen) == 5


# --- stopping ------------------------------------------------------------------------------------------------------


async def test_stopping_waits_for_what_is_in_flight_and_settles_it(store: Store, egress: Egress) -> None:
    gate = Gate()
    async with listening(gate) as sink:
        await subscribe(store, sink.url)
        for number in range(10):
            await emit(store, number, f"k{number}")
        dispatcher = Dispatcher(store, egress, schedule=SOON, timeout=10)
        running = asyncio.create_task(dispatcher.run())
        await gate.keeps(4)
        stopping = asyncio.create_task(dispatcher.stop(10))
        await asyncio.sleep(0)
        gate.opened.set()
        await stopping
        await running
        statuses = Counter(each.status for each in await store.deliveries(after=None, limit=50))
    assert statuses == {"delivered": 4, "pending": 6}
    assert len(sink.seen) == 4


async def test_what_is_in_flight_beyond_the_grace_is_due_again_at_once(store: Store, egress: Egress) -> None:
    async with listening(hangs) as sink:
        await subscribe(store, sink.url)
        await emit(store, 1)
        dispatcher = Dispatcher(store, egress, schedule=(3600,), timeout=3600)
        running = asyncio.create_task(dispatcher.run())
        await sink.until(lambda s: len(s.seen) == 1)
        await dispatcher.stop(0)
        await running
        (delivery,) = await store.deliveries(after=None, limit=50)
        await sink.until(lambda s: s.closed == 1)
    assert (delivery.status, delivery.attempt) == ("pending", 1)
    assert delivery.last_error == "the gateway stopped before an answer came"
    assert (await store.due()).wait is None or (await store.due()).destinations
    async with listening(port=sink.port), dispatching(store, egress):
        await until(store, all_are("delivered", 1))


async def test_what_was_claimed_and_not_sent_is_given_back_without_an_attempt(store: Store, egress: Egress) -> None:
    claiming, closed = asyncio.Event(), asyncio.Event()

    async def claim(destination: int, limit: int, lease: float) -> list[Claimed]:
        claimed = await store.claim(destination, limit, lease)
        claiming.set()
        await closed.wait()
        return claimed

    async with listening() as sink:
        await subscribe(store, sink.url)
        await emit(store, 1)
        dispatcher = Dispatcher(Behind(store, claim=claim), egress, schedule=SOON, timeout=10)
        running = asyncio.create_task(dispatcher.run())
        await claiming.wait()
        stopping = asyncio.create_task(dispatcher.stop(10))
        await asyncio.sleep(0)
        closed.set()
        await stopping
        await running
        (delivery,) = await store.deliveries(after=None, limit=50)
    assert (delivery.status, delivery.attempt, len(sink.seen)) == ("pending", 0, 0)


async def test_stopping_ends_although_the_store_does_not_answer(
    store: Store, egress: Egress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.pipeline.dispatcher.SETTLE_SECONDS", 0.05)

    async def settle(_results: Sequence[Result]) -> None:
        await asyncio.Event().wait()

    async with listening() as sink:
        await subscribe(store, sink.url)
        await emit(store, 1)
        dispatcher = Dispatcher(Behind(store, settle=settle), egress, schedule=SOON, timeout=10)
        running = asyncio.create_task(dispatcher.run())
        await sink.until(lambda s: len(s.seen) == 1)
        async with asyncio.timeout(10):
            await dispatcher.stop(0)
            await running


async def test_a_dispatcher_that_is_cancelled_leaves_nothing_running(store: Store, egress: Egress) -> None:
    async with listening(hangs) as sink:
        await subscribe(store, sink.url)
        await emit(store, 1)
        running = asyncio.create_task(Dispatcher(store, egress, schedule=SOON, timeout=3600).run())
        await sink.until(lambda s: len(s.seen) == 1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await sink.until(lambda s: s.closed == 1)


async def test_an_idle_dispatcher_stops_at_once(store: Store, egress: Egress) -> None:
    async with dispatching(store, egress):
        pass

"""What is due goes out, in order, through every failure of the gateway but its own end; and stopping gives back."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from gateway.contract.errors import StoreUnavailable
from gateway.egress import Egress
from gateway.pipeline.deliver import Terms
from gateway.pipeline.dispatcher import Dispatcher
from gateway.store.model import Claimed, Result
from gateway.store.store import Store
from tests import stores
from tests.egress.sinks import Seen, answer, hangs, listening, says
from tests.pipeline.queueing import SOON, Behind, Gate, all_are, dispatching, emit, subscribe, until
from tests.pipeline.test_deliver import verified
from tests.store.samples import open_store

pytestmark = pytest.mark.usefixtures("logged")


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


async def test_what_another_gateway_resumes_goes_out_when_the_bell_rings(tmp_path: Path, egress: Egress) -> None:
    here, there = (tmp_path / name for name in ("here", "there"))
    stores.put_on_postgres(here)
    stores.DATABASES[there] = stores.DATABASES[here]
    store, other = await open_store(here), await open_store(there)
    async with listening() as sink, dispatching(store, egress):
        destination = await subscribe(store, sink.url, paused=True)
        await emit(store, 1)
        await asyncio.sleep(0.5)  # nothing more happens here: only the bell can wake it
        await other.put_destination(replace(destination, paused=False))
        await until(other, all_are("delivered", 1))
    await store.close()
    await other.close()


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
        dispatcher = Dispatcher(store, egress, Terms(schedule=SOON, timeout=10))
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
        dispatcher = Dispatcher(store, egress, Terms(schedule=(3600,), timeout=3600))
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

    async def claim(destination: int, limit: int, lease: float, rate: float | None) -> list[Claimed]:
        claimed = await store.claim(destination, limit, lease, rate)
        claiming.set()
        await closed.wait()
        return claimed

    async with listening() as sink:
        await subscribe(store, sink.url)
        await emit(store, 1)
        dispatcher = Dispatcher(Behind(store, claim=claim), egress, Terms(schedule=SOON, timeout=10))
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
        dispatcher = Dispatcher(Behind(store, settle=settle), egress, Terms(schedule=SOON, timeout=10))
        running = asyncio.create_task(dispatcher.run())
        await sink.until(lambda s: len(s.seen) == 1)
        async with asyncio.timeout(10):
            await dispatcher.stop(0)
            await running


async def test_a_dispatcher_that_is_cancelled_leaves_nothing_running(store: Store, egress: Egress) -> None:
    async with listening(hangs) as sink:
        await subscribe(store, sink.url)
        await emit(store, 1)
        running = asyncio.create_task(Dispatcher(store, egress, Terms(schedule=SOON, timeout=3600)).run())
        await sink.until(lambda s: len(s.seen) == 1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await sink.until(lambda s: s.closed == 1)


async def test_an_idle_dispatcher_stops_at_once(store: Store, egress: Egress) -> None:
    async with dispatching(store, egress):
        pass

"""One destination cannot take from another, and gets no more than it can bear."""

import asyncio
import itertools
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.egress import Egress
from gateway.pipeline.deliver import Terms
from gateway.pipeline.dispatcher import Dispatcher
from gateway.pipeline.lane import MOST_IN_FLIGHT
from gateway.pipeline.retry import SPARE_TRIES
from gateway.store.model import Destination, NewEvent, VersionConflict
from gateway.store.store import Store
from tests.egress.sinks import Seen, Sink, answer, hangs, listening, says
from tests.pipeline.queueing import SOON, Behind, Gate, all_are, dispatching, emit, paused, subscribe, until

pytestmark = pytest.mark.usefixtures("logged")


@pytest.mark.parametrize("count", [1, 20])
async def test_stalled_destinations_hold_up_no_other(store: Store, egress: Egress, count: int) -> None:
    async with listening(hangs) as stalled, listening() as healthy:
        for _ in range(count):
            await subscribe(store, stalled.url)
        await subscribe(store, healthy.url)
        for number in range(50):
            await emit(store, number, f"k{number}")
        dispatcher = Dispatcher(store, egress, Terms(schedule=SOON, timeout=3600))
        running = asyncio.create_task(dispatcher.run())
        await healthy.until(lambda s: len(s.seen) == 50)
        assert count <= len(stalled.seen) <= count * MOST_IN_FLIGHT
        await dispatcher.stop(0)
        await running


async def test_one_poison_event_ends_dead_and_its_destination_goes_on(
    store: Store, egress: Egress, logged: list[Any]
) -> None:
    async with listening() as sink, dispatching(store, egress):
        await subscribe(store, sink.url, profile="thin")
        poison = await emit(store, 1, "k1", body=b"{canary")
        await emit(store, 2, "k2")
        deliveries = await until(store, lambda each: {d.status for d in each} == {"dead", "delivered"})
    (dead,) = [each for each in deliveries if each.status == "dead"]
    assert (dead.event, dead.attempt) == (poison, 4)
    assert dead.last_error == "the gateway failed: DecodeError"
    assert {line["event"] for line in logged} == {"delivery broke", "delivery dead"}
    assert "canary" not in str(logged)
    assert len(sink.seen) == 1


async def test_the_log_tells_that_a_destination_fails_and_that_it_takes_again_and_no_try_in_between(
    store: Store, egress: Egress, logged: list[Any]
) -> None:
    async with listening(says(*[answer(500)] * 3, answer())) as sink, dispatching(store, egress):
        await subscribe(store, sink.url)
        event = await emit(store, 1)
        (delivery,) = await until(store, all_are("delivered", 1))
    about = {"event_id": event, "delivery": delivery.id, "destination": delivery.destination}
    assert [{key: line[key] for key in about} for line in logged] == [about, about]
    failed, recovered = logged
    assert (failed["event"], failed["log_level"], failed["attempt"]) == ("delivery failed", "warning", 1)
    assert (failed["status"], failed["error"]) == (500, "500 Internal Server Error")
    assert (recovered["event"], recovered["log_level"], recovered["attempt"]) == ("destination recovered", "info", 4)


async def test_a_destination_that_takes_every_other_event_is_told_of_once_a_minute(
    store: Store, egress: Egress, logged: list[Any]
) -> None:
    async with listening(says(*[answer(500), answer()] * 8)) as sink, dispatching(store, egress):
        await subscribe(store, sink.url)
        for number in range(8):
            await emit(store, number, "k")
        await until(store, all_are("delivered", 8))
    assert sorted(line["event"] for line in logged) == ["delivery failed", "destination recovered"]


async def test_an_event_that_ends_the_gateway_whenever_it_is_sent_ends_dead_unsent(
    store: Store, egress: Egress
) -> None:
    async with listening() as sink:
        destination = await subscribe(store, sink.url)
        await emit(store, 1)
        for _ in range(len(SOON) + 1 + SPARE_TRIES):
            while not await store.claim(destination.number, 1, 0.0):  # noqa: ASYNC110 -- time that goes by rings no bell
                await asyncio.sleep((await store.due()).wait or 0.0)  # a suspect is not tried again at once
        async with dispatching(store, egress):
            (delivery,) = await until(store, all_are("dead", 1))
    assert (delivery.last_error, sink.connections) == ("no try came to a result", 0)


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
    assert [line["event"] for line in logged] == ["delivery failed", "delivery dead", "destination recovered"]
    assert "path-token" not in str(logged)


async def test_retry_after_moves_the_next_attempt(store: Store, egress: Egress) -> None:
    async with listening(says(answer(429, retry_after="3600"))) as sink, dispatching(store, egress):
        await subscribe(store, sink.url)
        await emit(store, 1)
        (delivery,) = await until(store, lambda each: each[0].last_status == 429)
    assert delivery.due_at is not None
    assert delivery.due_at - delivery.created_at >= 3_600_000


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

    async def put(changed: Destination, *telling: NewEvent) -> Destination:
        tries.append(changed)
        if len(tries) == 1:
            await store.put_destination(replace(changed, paused=False, paused_reason=None, name="renamed"))
            raise VersionConflict
        return await store.put_destination(changed, *telling)

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
        await emit(store, 1, "k1")
        await asked.wait()
        await store.put_destination(replace(destination, url=new.url))
        await until_moved(store, new)
        moved.set()
        await until(store, lambda each: {d.status for d in each} == {"delivered"})
    assert len(new.seen) == len(await store.deliveries(after=None, limit=500))


async def until_moved(store: Store, new: Sink) -> None:
    """Emit until the new address gets something: the lane knows of it then."""
    for number in itertools.count(2):
        if new.seen:
            return
        await emit(store, number, f"k{number}")
        await store.changed(0.01)


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

"""Whatever one destination does, the others get theirs, in order and at once; and it gets no more than it can bear."""

import asyncio
import gzip
import itertools
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from gateway.contract.events import GatewayDestinationPaused, decode_event
from gateway.egress import Egress
from gateway.pipeline import pace
from gateway.pipeline.deliver import Terms
from gateway.pipeline.dispatcher import Dispatcher
from gateway.pipeline.retry import DAY
from gateway.store.model import Delivery, SigningSecret
from gateway.store.store import Store
from tests.egress.sinks import (
    LOOPBACK,
    Behave,
    Seen,
    Sink,
    answer,
    drips,
    endless,
    endless_chunks,
    hangs,
    listening,
    says,
    says_then_closes,
)
from tests.pipeline.queueing import SOON, Behind, all_are, dispatching, emit, paused, subscribe, until

pytestmark = pytest.mark.usefixtures("logged")

EVENTS, BOOKINGS = 60, 6
NEVER = 3600.0
"""Seconds that no test lasts: an attempt with this timeout ends with the test."""


async def resets(_seen: Seen, transport: asyncio.Transport) -> None:
    """Break the connection off."""
    raw = transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    transport.abort()


BOMB = gzip.compress(b"0" * 5_000_000)
FAILING: dict[str, Behave] = {
    "resets": resets,
    "redirects": says(answer(307, location="http://127.0.0.1:1/elsewhere")),
    "refuses": says(answer(403)),
    "breaks": says(answer(500, b"<html>trouble</html>")),
    "other protocol": says_then_closes(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "nonsense": says_then_closes(bytes(range(256)) * 8),
    "half a head": says_then_closes(b"HTTP/1.1 200 OK\r\ncontent-le"),
    "endless head": says_then_closes(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 300_000),
    "closes": says_then_closes(b""),
}
SLOW: dict[str, Behave] = {"stalls": hangs, "drips": drips}
TAKING: dict[str, Behave] = {
    "endless": endless,
    "endless chunks": endless_chunks,
    "compressed": says(answer(200, BOMB, content_encoding="gzip")),
}


def in_order(sink: Sink) -> bool:
    """Say whether the events of each booking came in the order in which they were emitted, each once."""
    arrived: dict[str, list[int]] = {}
    for seen in sink.seen:
        event = msgspec.json.decode(seen.body)
        arrived.setdefault(event["key"], []).append(int(event["id"].removeprefix("evt_")))
    return all(numbers == sorted(set(numbers)) for numbers in arrived.values())


async def emit_all(store: Store, first: int = 0) -> None:
    for number in range(first, first + EVENTS):
        await emit(store, number, f"k{number % BOOKINGS}")


def of(deliveries: Sequence[Delivery], destination: str) -> list[Delivery]:
    return [each for each in deliveries if each.destination == destination]


@pytest.mark.parametrize("behaviour", FAILING)
async def test_one_that_never_takes_anything_holds_up_no_other_and_ends_dead(
    store: Store, egress: Egress, behaviour: str
) -> None:
    async with listening(FAILING[behaviour]) as bad, listening() as healthy:
        worse = await subscribe(store, bad.url)
        other = await subscribe(store, healthy.url)
        async with dispatching(store, egress, schedule=(0.02,)):
            await emit_all(store)
            deliveries = await until(store, lambda each: not [d for d in each if d.status == "pending"])
    assert {each.status for each in of(deliveries, worse.id)} == {"dead"}
    assert {each.attempt for each in of(deliveries, worse.id)} == {2}
    assert all(each.last_error or each.last_status for each in of(deliveries, worse.id))
    assert {(each.status, each.attempt) for each in of(deliveries, other.id)} == {("delivered", 1)}
    assert len(healthy.seen) == EVENTS
    assert in_order(healthy)


async def test_one_where_nobody_listens_holds_up_no_other(store: Store, egress: Egress) -> None:
    async with listening() as nobody:
        pass
    async with listening() as healthy:
        dead = await subscribe(store, nobody.url)
        await subscribe(store, healthy.url)
        async with dispatching(store, egress, schedule=(0.02,)):
            await emit_all(store)
            deliveries = await until(store, lambda each: not [d for d in each if d.status == "pending"])
    refused = of(deliveries, dead.id)
    assert {(each.status, each.attempt) for each in refused} == {("dead", 2)}
    assert {each.last_error for each in refused} == {f"127.0.0.1 port {nobody.port}: Connection refused"}
    assert in_order(healthy)
    assert len(healthy.seen) == EVENTS


async def test_one_that_nothing_can_be_signed_for_ends_dead_and_holds_up_no_other(
    store: Store, egress: Egress, logged: list[Any]
) -> None:
    async with listening() as sink:
        broken = await subscribe(store, sink.url, secrets=(SigningSecret(secret="whsec_%%%"),))
        await subscribe(store, sink.url)
        async with dispatching(store, egress):
            await emit_all(store)
            deliveries = await until(store, lambda each: not [d for d in each if d.status == "pending"])
    assert {each.status for each in of(deliveries, broken.id)} == {"dead"}
    assert {each.last_error for each in of(deliveries, broken.id)} == {"the gateway failed: ValueError"}
    assert len(sink.seen) == EVENTS
    assert "%%%" not in str(logged)


@pytest.mark.parametrize("behaviour", SLOW)
async def test_one_that_is_never_done_is_cut_off_at_the_deadline_and_ends_dead(
    store: Store, egress: Egress, behaviour: str
) -> None:
    async with listening(SLOW[behaviour]) as bad:
        await subscribe(store, bad.url)
        async with dispatching(store, egress, schedule=(0.02,), within=0.1):
            for number in range(4):
                await emit(store, number, "k")
            deliveries = await until(store, all_are("dead", 4))
            await bad.until(lambda s: s.closed == s.connections)
    assert {(each.attempt, each.last_error) for each in deliveries} == {(2, "no whole answer within 0.1 s")}


@pytest.mark.parametrize("behaviour", TAKING)
async def test_one_whose_answers_are_too_much_is_cut_off_and_holds_up_no_other(
    store: Store, egress: Egress, behaviour: str
) -> None:
    async with listening(TAKING[behaviour]) as bad, listening() as healthy:
        await subscribe(store, bad.url)
        await subscribe(store, healthy.url)
        async with dispatching(store, egress):
            await emit_all(store)
            deliveries = await until(store, lambda each: not [d for d in each if d.status == "pending"])
    assert {(each.status, each.attempt) for each in deliveries} == {("delivered", 1)}
    assert in_order(bad)
    assert in_order(healthy)


@pytest.mark.parametrize("count", [1, 20])
@pytest.mark.parametrize("how", SLOW)
async def test_a_fast_one_has_all_of_its_before_any_stalled_try_has_ended(
    store: Store, egress: Egress, how: str, count: int
) -> None:
    async with listening(SLOW[how]) as stalled, listening() as fast:
        for _ in range(count):
            await subscribe(store, stalled.url)
        await subscribe(store, fast.url)
        async with dispatching(store, egress, within=NEVER) as dispatcher:
            await emit_all(store)
            await fast.until(lambda s: len(s.seen) == EVENTS)
            await emit_all(store, EVENTS)
            await fast.until(lambda s: len(s.seen) == 2 * EVENTS)
            assert stalled.closed == 0
            assert count <= len(stalled.seen) < count * EVENTS
            await dispatcher.stop(0)
    assert in_order(fast)


async def test_names_that_are_looked_up_for_ever_hold_up_no_other(store: Store) -> None:
    asked: list[str] = []

    async def resolve(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        if host != "fast.example":
            await asyncio.Event().wait()
        return ["127.0.0.1"]

    egress = Egress([LOOPBACK], resolver=resolve)
    async with listening() as fast:
        for number in range(20):
            await subscribe(store, f"http://stalled{number}.example/hook")
        await subscribe(store, f"http://fast.example:{fast.port}/hook")
        async with dispatching(store, egress, within=NEVER) as dispatcher:
            await emit_all(store)
            await fast.until(lambda s: len(s.seen) == EVENTS)
            await dispatcher.stop(0)
    await egress.aclose()
    assert len(set(asked)) == 21
    assert in_order(fast)


async def test_one_booking_that_always_fails_holds_up_no_other_booking(store: Store, egress: Egress) -> None:
    async def behave(seen: Seen, transport: asyncio.Transport) -> None:
        bad = msgspec.json.decode(seen.body)["key"] == "k0"
        transport.write(answer(500 if bad else 200))

    async with listening(behave) as sink:
        await subscribe(store, sink.url)
        async with dispatching(store, egress, schedule=(3600,)):
            await emit_all(store)
            deliveries = await until(store, lambda each: [d.status for d in each].count("delivered") == 50)
    waiting = [each for each in deliveries if each.status == "pending"]
    assert {each.key for each in waiting} == {"k0"}
    assert [each.attempt for each in waiting] == [1, *[0] * 9]


# --- as much as it can bear ----------------------------------------------------------------------------------------


@pytest.fixture
def times() -> list[float]:
    return []


def timed(times: list[float], then: Behave) -> Behave:
    async def behave(seen: Seen, transport: asyncio.Transport) -> None:
        times.append(time.monotonic())
        await then(seen, transport)

    return behave


async def test_a_rate_holds_over_the_whole_run_however_fast_the_destination_is(
    store: Store, egress: Egress, times: list[float]
) -> None:
    rate = 40.0
    async with listening(timed(times, says(answer()))) as sink:
        await subscribe(store, sink.url, rate=rate)
        for number in range(30):
            await emit(store, number, f"k{number}")
        began = time.monotonic()
        async with dispatching(store, egress):
            await sink.until(lambda s: len(s.seen) == 30)
    for number, at in enumerate(times):  # being slower is no breach, so a busy machine changes nothing
        assert number <= (at - began) * rate + 1 + pace.LATE_SECONDS * rate


async def test_a_rate_that_is_changed_counts_from_then_on(store: Store, egress: Egress) -> None:
    async with listening() as sink:
        row = await subscribe(store, sink.url, rate=0.0001)
        await emit_all(store)
        async with dispatching(store, egress):
            await sink.until(lambda s: len(s.seen) == 1)
            await store.put_destination(replace(row, rate=None))
            await until(store, lambda each: {d.status for d in each} == {"delivered"})
    assert in_order(sink)


async def test_one_that_comes_back_after_it_was_down_gets_a_ramp_and_then_everything(
    store: Store, egress: Egress, times: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "DOWN_SECONDS", 0.0)  # down at the first failure
    monkeypatch.setattr(pace, "PROBES", 10.0)
    monkeypatch.setattr(pace, "DOUBLES_EVERY", 0.25)
    down = asyncio.Event()

    async def behave(_seen: Seen, transport: asyncio.Transport) -> None:
        transport.write(answer(503 if not down.is_set() else 200))

    async with listening(timed(times, behave)) as sink:
        await subscribe(store, sink.url)
        for number in range(400):
            await emit(store, number, f"k{number}")
        async with dispatching(store, egress, schedule=[0.05] * 100):
            await sink.until(lambda s: len(s.seen) >= 5)
            back = time.monotonic()
            already = len(times)
            down.set()
            await until(store, lambda each: [d.status for d in each] == ["delivered"] * 400)
    ramp = [at - back for at in times[already:]]
    for number, at in enumerate(ramp, start=1):
        most = 10 * (0.25 / 0.693) * (2 ** (at / 0.25) - 1) + 10 * at + 8  # what the doubling rate sums up to
        assert number <= most
    assert len(ramp) >= 395


# --- giving up -----------------------------------------------------------------------------------------------------


async def told(sink: Sink) -> GatewayDestinationPaused:
    await sink.until(lambda s: len(s.seen) >= 1)
    event = decode_event(sink.seen[0].body)
    assert isinstance(event, GatewayDestinationPaused)
    return event


def ahead(store: Store) -> tuple[Callable[[float], None], Behind]:
    """Make its clock one that can be put ahead, in seconds."""
    lead = [0.0]
    return lead.append, Behind(store, now=lambda: store.now() + round(lead[-1] * 1000))


async def test_one_that_failed_for_days_is_paused_and_whoever_asked_is_told(store: Store, egress: Egress) -> None:
    put_ahead, later = ahead(store)
    terms = Terms(schedule=[0.02] * 50, timeout=5, pause_after=5 * DAY)
    async with listening(says(answer(500))) as bad, listening() as alarm, listening() as all_of_it:
        destination = await subscribe(store, bad.url)
        await subscribe(store, alarm.url, types=("gateway.*",))
        await subscribe(store, all_of_it.url, types=("*",))
        async with dispatching(later, egress, terms=terms):
            await emit(store, 1, "k")
            await bad.until(lambda s: len(s.seen) >= 3)
            assert not (await store.destinations())[0].paused
            put_ahead(5 * DAY)
            found = await paused(store, destination)
            event = await told(alarm)
            tried = len(bad.seen)
            await emit(store, 2, "k")
            await all_of_it.until(lambda s: len(s.seen) == 2)
            waiting = of(await store.deliveries(limit=50), destination.id)
    assert found.paused_reason == "every try failed for 5 days"
    assert msgspec.to_builtins(event.data) == {
        "destination": destination.id,
        "name": "consumer",
        "reason": "every try failed for 5 days",
    }
    assert {each.status for each in waiting} == {"pending"}
    assert (len(bad.seen), len(alarm.seen)) == (tried, 1)


async def test_one_that_is_resumed_has_days_again(store: Store, egress: Egress) -> None:
    put_ahead, later = ahead(store)
    terms = Terms(schedule=[0.02] * 50, timeout=5, pause_after=5 * DAY)
    async with listening(says(answer(500))) as bad:
        destination = await subscribe(store, bad.url)
        await emit(store, 1)
        async with dispatching(later, egress, terms=terms):
            await bad.until(lambda s: len(s.seen) >= 2)
            put_ahead(5 * DAY)
            found = await paused(store, destination)
            put_ahead(0.0)
            seen = len(bad.seen)
            await store.put_destination(replace(found, paused=False, paused_reason=None))
            await bad.until(lambda s: len(s.seen) >= seen + 3)
            assert not (await store.destinations())[0].paused


async def test_one_that_takes_something_now_and_then_is_never_paused(store: Store, egress: Egress) -> None:
    put_ahead, later = ahead(store)
    terms = Terms(schedule=[0.01] * 50, timeout=5, pause_after=5 * DAY)
    turn = itertools.count()

    async def behave(_seen: Seen, transport: asyncio.Transport) -> None:
        transport.write(answer(200 if next(turn) % 4 == 3 else 500))

    async with listening(behave) as sink:
        await subscribe(store, sink.url)
        put_ahead(4.9 * DAY)
        async with dispatching(later, egress, terms=terms):
            for number in range(10):
                await emit(store, number)
            await until(store, lambda each: [d.status for d in each] == ["delivered"] * 10)
        assert not (await store.destinations())[0].paused


async def test_without_the_setting_nothing_is_ever_paused_for_failing(store: Store, egress: Egress) -> None:
    put_ahead, later = ahead(store)
    put_ahead(3650 * DAY)
    terms = Terms(schedule=SOON, timeout=5)
    async with listening(says(answer(500))) as bad:
        await subscribe(store, bad.url)
        await emit(store, 1)
        async with dispatching(later, egress, terms=terms):
            await until(store, lambda each: each[0].status == "dead")
        assert not (await store.destinations())[0].paused


async def test_a_clock_of_the_machine_that_jumps_makes_no_failure_long(store: Store, egress: Egress) -> None:
    terms = Terms(schedule=SOON, timeout=5, pause_after=5 * DAY, clock=lambda: time.time() + 3650 * DAY)
    async with listening(says(answer(500))) as bad:
        await subscribe(store, bad.url)
        await emit(store, 1)
        async with dispatching(store, egress, terms=terms):
            await until(store, lambda each: each[0].status == "dead")
        assert not (await store.destinations())[0].paused


async def test_whoever_asked_is_told_of_one_that_is_gone_once(store: Store, egress: Egress) -> None:
    async with listening(says(answer(410))) as gone, listening() as alarm:
        destination = await subscribe(store, gone.url)
        await subscribe(store, alarm.url, types=("gateway.destination_paused",))
        async with dispatching(store, egress):
            for number in range(20):
                await emit(store, number, f"k{number}")
            await paused(store, destination)
            event = await told(alarm)
            await until(store, lambda each: [d.status for d in of(each, destination.id)] == ["pending"] * 20)
        (kept,) = await store.events(types=["gateway.*"])
    assert (event.data.destination, event.data.reason) == (destination.id, "it answered 410 Gone")
    assert (kept.id, len(alarm.seen)) == (event.id, 1)


async def test_all_destinations_together_hold_no_more_connections_than_there_are_places(
    store: Store, egress: Egress
) -> None:
    async with listening(hangs) as stalled, listening() as fast:
        await subscribe(store, fast.url)
        await emit_all(store)
        dispatcher = Dispatcher(store, egress, Terms(schedule=SOON, timeout=NEVER), places=12)
        running = asyncio.create_task(dispatcher.run())
        await fast.until(lambda s: len(s.seen) == EVENTS)
        for _ in range(20):
            await subscribe(store, stalled.url)
        await emit_all(store, EVENTS)
        await fast.until(lambda s: len(s.seen) == 2 * EVENTS)
        await stalled.until(lambda s: len(s.seen) >= 20)
        await dispatcher.stop(0)
        await running
    assert len(stalled.seen) == 20  # one each: no place is anybody's alone, and nobody is without
    assert in_order(fast)


async def test_how_long_a_delivery_took_is_counted_once_and_forgotten_with_its_destination(
    store: Store, egress: Egress
) -> None:
    terms = Terms(schedule=SOON, timeout=5)

    def counted(name: str, destination: str) -> float | None:
        return terms.metrics.registry.get_sample_value(name, {"destination": destination})

    async with listening() as sink, dispatching(store, egress, terms=terms):
        destination = await subscribe(store, sink.url)
        event = await emit(store, 1)
        await until(store, all_are("delivered", 1))
        await store.replay(event)
        await sink.until(lambda s: len(s.seen) == 2)
        await until(store, all_are("delivered", 1))
        assert counted("gateway_delivery_latency_seconds_count", destination.id) == 1
        assert counted("gateway_delivery_attempt_seconds_count", destination.id) == 2
        await store.remove_destination(destination.id)
        async with asyncio.timeout(20):
            while counted("gateway_delivery_attempt_seconds_count", destination.id) is not None:
                await store.changed(0.05)
    assert counted("gateway_delivery_latency_seconds_count", destination.id) is None

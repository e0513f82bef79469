"""Events about the gateway itself: in the log like all others, once, and only to who asked for them by name."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.contract.events import GATEWAY, event_id
from gateway.store import intake
from gateway.store.engines.engine import Row, Tx
from gateway.store.model import NewEvent, VersionConflict
from gateway.store.routes import wants
from gateway.store.store import Store
from tests.store.samples import HandClock, accept, connection, digest, event, open_store, subscribe

PAUSED = "gateway.destination_paused"


def told(number: int, **changes: object) -> NewEvent:
    return event(number, **({"type": PAUSED, "provider": GATEWAY, "connection": GATEWAY, "live": False} | changes))


async def test_an_emitted_event_is_numbered_and_planned_like_all_others(store: Store) -> None:
    alarm = await subscribe(store, "dst_1", types=("gateway.*",))
    first = await accept(store, 1)

    (emitted,) = await store.emit(told(2))

    assert [(each.seq, each.id) for each in await store.events()] == [(1, first.events[0]), (2, emitted)]
    (stored,) = await store.events(types=["gateway.*"])
    assert (stored.type, stored.receipt, stored.body) == (PAUSED, None, b'{"event":2}')
    (claimed,) = await store.claim(alarm.number, 10, 60)
    assert (claimed.event_id, claimed.body) == (emitted, b'{"event":2}')
    counts = await store.counts()
    assert (counts.events, counts.understood, counts.duplicates) == (2, 1, 0)
    assert counts.deliveries == {("dst_1", "pending"): 1}


async def test_events_and_their_deliveries_are_numbered_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await subscribe(store, types=(PAUSED,))
    await store.emit(told(1))  # by the destinations as they are now
    drawn: list[dict[str, int]] = []
    draw = intake.draw

    def counted(tx: Tx, **amounts: int) -> Row:
        drawn.append(amounts)
        return draw(tx, **amounts)

    monkeypatch.setattr(intake, "draw", counted)
    await store.emit(told(2), told(3))
    assert drawn == [{"events": 2, "receipts": 0, "deliveries": 2}]
    assert len(await store.deliveries()) == 3


async def test_the_same_change_is_emitted_once(store: Store) -> None:
    await subscribe(store, types=(PAUSED,))

    answers = await asyncio.gather(*[store.emit(told(1), told(1)) for _ in range(20)])
    later = await store.emit(told(1), told(2))

    assert max(answers, key=len) == (event_id(digest("event", 1)[:20]),)
    assert sum(map(len, answers)) == 1
    assert later == (event_id(digest("event", 2)[:20]),)
    assert len(await store.events()) == len(await store.deliveries()) == 2


async def test_what_was_emitted_is_known_after_a_restart(data_dir: Path, clock: HandClock) -> None:
    first = await open_store(data_dir, clock)
    await first.emit(told(1))
    await first.close()
    again = await open_store(data_dir, clock)
    assert await again.emit(told(1)) == ()
    await again.close()


async def test_a_change_and_what_tells_of_it_are_kept_together(store: Store) -> None:
    put = await store.put_connection(connection("con_1"), told(1))
    assert (put.version, len(await store.events())) == (1, 1)

    destination = await subscribe(store, types=("gateway.*",))
    await store.put_destination(replace(destination, paused=True), told(2))
    assert len(await store.events()) == 2
    assert len(await store.deliveries(destination="dst_1")) == 1


async def test_a_change_that_came_too_late_tells_nothing(store: Store) -> None:
    put = await store.put_connection(connection("con_1"))
    await store.put_connection(replace(put, status="active"))
    with pytest.raises(VersionConflict):
        await store.put_connection(replace(put, status="broken"), told(1))
    assert await store.events() == []


async def test_of_two_changes_in_one_commit_only_the_one_that_stood_tells(store: Store) -> None:
    put = await store.put_connection(connection("con_1"))
    answers = await asyncio.gather(
        store.put_connection(replace(put, status="broken"), told(1)),
        store.put_connection(replace(put, status="active"), told(2)),
        return_exceptions=True,
    )
    (kept,) = await store.events()
    (row,) = await store.connections()
    stood = [type(answer) is not VersionConflict for answer in answers]
    assert sum(stood) == 1
    assert (row.status, kept.body) == (("broken", b'{"event":1}') if stood[0] else ("active", b'{"event":2}'))


@pytest.mark.parametrize(
    ("types", "wanted"),
    [
        (("*",), False),
        (("*", "booking.*"), False),
        (("gateway.*",), True),
        ((PAUSED,), True),
        (("*", "gateway.*"), True),
        (("gateway.connection_changed",), False),
    ],
)
async def test_all_events_are_all_that_a_provider_caused(store: Store, types: tuple[str, ...], wanted: bool) -> None:
    destination = await subscribe(store, types=types)
    assert wants(destination, PAUSED, GATEWAY, GATEWAY) is wanted
    await store.emit(told(1))
    assert len(await store.deliveries()) == wanted


async def test_narrowing_to_connections_loses_no_alarm(store: Store) -> None:
    narrow = await subscribe(store, types=("gateway.*", "*"), providers=("meetergo",), connections=("con_1",))
    assert wants(narrow, PAUSED, GATEWAY, GATEWAY)
    assert not wants(narrow, "booking.scheduled", "harmonizely", "con_2")


async def test_an_emitted_event_can_be_replayed_to_who_did_not_ask_for_it(store: Store) -> None:
    everything = await subscribe(store, types=("*",))
    (emitted,) = await store.emit(told(1))
    assert await store.replay(emitted) == []
    assert len(await store.replay(emitted, [everything.id]) or ()) == 1

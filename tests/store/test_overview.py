"""What people look at: the newest first, what waits and why, sums over time."""

import pytest

from gateway.store.store import Store
from tests.store.samples import START, HandClock, accept, event, quarantined, receipt, result, subscribe

MINUTE = 60_000


async def test_events_are_listed_newest_first_page_by_page(store: Store) -> None:
    for number in range(1, 6):
        await accept(store, number)
    first = await store.overview.events(limit=3)
    rest = await store.overview.events(before=first[-1].seq, limit=3)
    assert [each.seq for each in first + rest] == [5, 4, 3, 2, 1]
    assert first[0].received_at == START + 5


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, [3, 2, 1]),
        ({"types": ["booking.*"]}, [2, 1]),
        ({"types": ["nonsense"]}, []),
        ({"provider": "harmony"}, [3]),
        ({"connection": "con_1"}, [2, 1]),
        ({"bookings": ["k"]}, [1]),
        ({"bookings": ["k", "l", "none"]}, [2, 1]),
        ({"bookings": []}, []),
        ({"before": 2}, [1]),
    ],
)
async def test_events_are_narrowed_by_what_they_are(store: Store, filters: dict[str, object], found: list[int]) -> None:
    await accept(store, 1, key="k")
    await accept(store, 2, key="l", type="booking.cancelled")
    await accept(store, 3, type="form.submitted", provider="harmony", connection="con_2")
    rows = await store.overview.events(**filters)  # type: ignore[arg-type]  # -- filters by name, as the callers give them
    assert [each.seq for each in rows] == found


async def test_an_event_stands_with_what_became_of_its_deliveries(store: Store) -> None:
    one, _ = await subscribe(store, "dst_1"), await subscribe(store, "dst_2")
    await accept(store, 1)
    await store.settle([result((await store.claim(one.number, 1, 30.0))[0])])
    assert (await store.overview.events())[0].outcomes == {"delivered": 1, "pending": 1}


async def test_what_is_being_tried_is_told_from_what_waits(store: Store) -> None:
    one, _ = await subscribe(store, "dst_1"), await subscribe(store, "dst_2")
    await accept(store, 1)
    (claimed,) = await store.claim(one.number, 1, 30.0)
    every = await store.overview.deliveries()
    (tried,) = await store.overview.trying(every)
    assert tried == next(each.id for each in every if each.destination == "dst_1")
    assert {name: each.trying for name, each in (await store.overview.queues()).next_try.items()} == {
        "dst_1": True, "dst_2": False,
    }  # fmt: skip
    await store.settle([result(claimed, "retry")])
    every = await store.overview.deliveries()
    assert await store.overview.trying(every) == frozenset()
    assert not any(each.trying for each in (await store.overview.queues()).next_try.values())


async def test_deliveries_are_listed_newest_first_by_status_and_destination(store: Store) -> None:
    one, _ = await subscribe(store, "dst_1"), await subscribe(store, "dst_2")
    await accept(store, 1)
    await accept(store, 2)
    await store.settle([result((await store.claim(one.number, 1, 30.0))[0], "dead")])
    every = await store.overview.deliveries()
    assert [each.id for each in every] == sorted((each.id for each in every), reverse=True)
    assert len(every) == 4
    assert [each.id for each in await store.overview.deliveries(before=every[1].id)] == [each.id for each in every[2:]]
    (dead,) = await store.overview.deliveries(status="dead")
    assert (dead.destination, dead.last_error) == ("dst_1", "answered 500")
    assert len(await store.overview.deliveries(destination="dst_2")) == 2
    assert await store.overview.deliveries(status="dead", destination="dst_2") == []


async def test_what_is_quarantined_is_listed_newest_first(store: Store) -> None:
    names = [(await store.accept(quarantined(number), [])).receipt for number in range(1, 4)]
    first = await store.overview.set_aside(limit=2)
    rest = await store.overview.set_aside(before=first[-1].number)
    assert [each.id for each in first + rest] == names[::-1]
    assert first[0].reason == "data.start: not a time"
    assert await store.overview.set_aside(connection="con_2") == []
    assert await store.overview.set_aside(status="held") == []


async def test_what_is_held_is_listed_longest_first_with_what_waits_behind(store: Store) -> None:
    names = [
        (await store.accept(receipt(number, status="held", wants=wants), [])).receipt
        for number, wants in enumerate((("a",), ("b",), ("c", "a")), start=1)
    ]
    await store.held.postpone(names[1], 60.0)
    first = await store.overview.held(limit=2)
    rest = await store.overview.held(after=first[-1].number)
    assert [each.id for each in first + rest] == names
    assert [each.behind for each in first + rest] == [False, False, True]
    assert [each.attempt for each in first] == [0, 1]
    assert first[1].due > first[0].due
    await store.resolve(names[0], "con_1", [])
    assert [(each.id, each.behind) for each in await store.overview.held()] == [(names[1], False), (names[2], False)]


async def test_what_waits_says_since_when_and_what_is_tried_next(store: Store, clock: HandClock) -> None:
    assert (await store.overview.queues()).oldest is None
    made = await subscribe(store)
    await accept(store, 1)
    since = clock.at
    claimed = (await store.claim(made.number, 1, 30.0))[0]
    await store.settle([result(claimed, "retry", wait=60.0)])
    queues = await store.overview.queues()
    assert queues.oldest == (since, "dst_1")
    upcoming = queues.next_try["dst_1"]
    assert (upcoming.due, upcoming.attempt, upcoming.last_error) == (since + MINUTE, 1, "answered 500")


async def test_sums_fall_into_their_slots_and_what_is_older_into_none(store: Store, clock: HandClock) -> None:
    made = await subscribe(store)
    for number, minute in enumerate((0, 0, 5, 6), start=1):
        clock.at = START + minute * MINUTE
        await store.accept(receipt(number, received_at=clock.at), [event(number)])
    await store.accept(quarantined(9, received_at=clock.at), [])
    await store.settle([result(each) for each in await store.claim(made.number, 1, 30.0)])
    flow = await store.overview.flow(START + 4 * MINUTE, MINUTE, 4)
    assert flow.receipts == [{}, {"understood": 1}, {"understood": 1, "quarantined": 1}, {}]
    assert flow.deliveries == [{}, {"pending": 1}, {"pending": 1}, {}]
    every = await store.overview.flow(START, MINUTE, 10)
    assert sum(sum(slot.values()) for slot in every.receipts) == 5
    assert every.destinations == {"dst_1": {"delivered": 1, "pending": 3}}
    assert every.delivered_at == {"dst_1": clock.at}


async def test_what_came_after_the_last_slot_counts_as_its_own(store: Store, clock: HandClock) -> None:
    clock.at = START + 90 * MINUTE
    await store.accept(receipt(1, received_at=clock.at), [event(1)])
    assert (await store.overview.flow(START, MINUTE, 2)).receipts == [{}, {"understood": 1}]


async def test_an_empty_store_has_sums_too(store: Store) -> None:
    flow = await store.overview.flow(START, MINUTE, 2)
    assert (flow.receipts, flow.deliveries, flow.destinations) == ([{}, {}], [{}, {}], {})

"""Held calls: kept in order for each booking, counted, due again, and free again when they are decided."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.sealing import KeyRing
from gateway.store.looks import Look
from gateway.store.store import Store
from tests.store.samples import OTHER_KEYS, HandClock, accept, event, open_store, receipt


async def hold(store: Store, number: int, *bookings: str) -> str:
    answer = await store.accept(receipt(number, status="held", wants=bookings), [])
    assert answer.status == "held"
    return answer.receipt


async def first(store: Store) -> list[str]:
    return [call.receipt for call in await store.held.first(100)]


async def sums(store: Store) -> tuple[int, int, int]:
    counts = await store.counts()
    return counts.understood, counts.quarantined, counts.held


async def test_the_earliest_of_each_booking_comes_first(store: Store) -> None:
    a1, b1 = await hold(store, 1, "a"), await hold(store, 2, "b")
    a2 = await hold(store, 3, "a")
    assert await first(store) == [a1, b1]
    await store.resolve(a1, "con_1", [event(1, key="a")])
    assert set(await first(store)) == {b1, a2}


async def test_one_about_several_bookings_waits_for_all_of_them(store: Store) -> None:
    a, b = await hold(store, 1, "a"), await hold(store, 2, "b")
    both = await hold(store, 3, "a", "b")
    await store.resolve(a, "con_1", [])
    assert await first(store) == [b]
    await store.resolve(b, "con_1", [])
    assert await first(store) == [both]
    await store.resolve(both, "con_1", [])
    assert await first(store) == []


async def test_a_call_about_a_booking_that_waits_is_held_behind(store: Store) -> None:
    head = await hold(store, 1, "a")
    behind = await accept(store, 2, key="a")
    beside = await accept(store, 3, key="b")
    assert (behind.status, beside.status) == ("held", "accepted")
    assert await sums(store) == (1, 0, 2)
    await store.resolve(head, "con_1", [])
    assert await first(store) == [behind.receipt]
    assert (await accept(store, 4, key="a")).status == "held", "until the last of them is decided"


async def test_of_calls_that_share_a_commit_none_overtakes(store: Store) -> None:
    answers = await asyncio.gather(
        store.accept(receipt(1, status="held", wants=("a",)), []), *[accept(store, n, key="a") for n in range(2, 20)]
    )
    assert {answer.status for answer in answers} == {"held"}


async def test_a_held_call_is_understood_by_nobody_who_sends_it_again(store: Store) -> None:
    held = await hold(store, 1, "a")
    assert (await accept(store, 1, key="a")).status == "held"
    assert (await store.accept(receipt(1, status="held", wants=("a",)), [])).receipt == held
    assert await sums(store) == (0, 0, 1)
    assert await store.events() == []


async def test_one_that_is_postponed_is_due_later_and_its_followers_with_it(store: Store, clock: HandClock) -> None:
    head = await hold(store, 1, "a")
    await hold(store, 2, "a")
    await store.held.postpone(head, 60)
    (call,) = await store.held.first(10)
    assert (call.receipt, call.attempt, call.due - clock.at) == (head, 1, 60_000)
    await store.held.hurry()
    (call,) = await store.held.first(10)
    assert call.due == clock.at


async def test_one_that_is_quarantined_lets_the_next_one_go(store: Store) -> None:
    head, behind = await hold(store, 1, "a"), await hold(store, 2, "a")
    assert await store.held.quarantine(head, "contradicted: x")
    assert not await store.held.quarantine(head, "again"), "it is not held any more"
    assert await first(store) == [behind]
    assert await sums(store) == (0, 1, 1)
    (row,) = await store.receipts(status="quarantined")
    assert row.reason == "contradicted: x"


async def test_a_quarantined_call_can_be_held_again(store: Store) -> None:
    head = await hold(store, 1, "a")
    await store.held.quarantine(head, "contradicted: x")
    assert await store.hold_again(head, "con_1", ["a"])
    assert not await store.hold_again(head, "con_1", ["a"])
    assert await first(store) == [head]
    assert await sums(store) == (0, 0, 1)
    assert not await store.hold_again("rcp_nonsense", "con_1", ["a"])


async def test_a_restart_keeps_what_is_held_and_its_order(data_dir: Path, clock: HandClock) -> None:
    before = await open_store(data_dir, clock)
    head = await hold(before, 1, "a")
    await accept(before, 2, key="a")
    await before.close()
    after = await open_store(data_dir, clock)
    assert await first(after) == [head]
    assert (await accept(after, 3, key="a")).status == "held"
    assert await sums(after) == (0, 0, 3)
    await after.close()


async def test_what_was_told_last_goes_by_when_it_happened(store: Store) -> None:
    await accept(store, 1, key="a", timestamp=2_000, type="booking.cancelled")
    await accept(store, 2, key="a", timestamp=1_000)
    await accept(store, 3, key="b", timestamp=1_000)
    latest = await store.looks.latest(["a", "b", "c"])
    assert {key: (told.type, told.timestamp) for key, told in latest.items()} == {
        "a": ("booking.cancelled", 2_000),
        "b": ("booking.scheduled", 1_000),
    }
    assert latest["a"].body == b'{"event":1}'
    assert await store.looks.latest([]) == {}


async def test_what_was_told_in_a_damaged_event_is_known_by_its_type_and_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await accept(store, 1, key="a", timestamp=2_000)
    monkeypatch.setattr(store.looks, "_keys", KeyRing.parse(OTHER_KEYS))
    (told,) = (await store.looks.latest(["a"])).values()
    assert (told.type, told.timestamp, told.body) == ("booking.scheduled", 2_000, b"")


async def test_a_look_is_written_down_as_it_goes(store: Store) -> None:
    first = Look(connection="con_1", reason="gap", since=1, begun_at=2, covered=1)
    other = Look(connection="con_2", reason="asked", since=5, begun_at=6, finished_at=7, total=9, covered=6, error="x")
    await store.looks.put(first)
    await store.looks.put(other)
    further = replace(first, page="3", seen=300, total=1000, missed=2)
    await store.looks.put(further)
    assert await store.looks.all() == {"con_1": further, "con_2": other}


async def test_what_is_held_is_known_by_booking(store: Store) -> None:
    assert await store.looks.held([]) == frozenset()
    await hold(store, 1, "a")
    assert await store.looks.held(["a", "b"]) == {"a"}


async def test_the_newest_call_of_a_connection_is_found_else_one_that_nobody_knew(store: Store) -> None:
    assert await store.looks.latest_call("con_1", "url_1") is None
    unknown = receipt(1, connection=None, status="quarantined", reason="unrecognised")
    nobody = await store.accept(unknown, [])
    assert await store.looks.latest_call("con_1", "url_1") == nobody.receipt
    assert await store.looks.latest_call("con_1", "url_2") is None
    await accept(store, 2)
    newest = await accept(store, 3)
    await store.accept(receipt(4, connection=None, status="quarantined", reason="unrecognised"), [])
    assert await store.looks.latest_call("con_1", "url_1") == newest.receipt

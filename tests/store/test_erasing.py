"""Who is erased is nowhere any more, stays away when the same is told again, and nobody else is touched."""

from itertools import cycle
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.sealing import KeyRing
from gateway.store import erasing
from gateway.store.erasing import Erasure, Whom
from gateway.store.store import Store
from tests.store.inside import contents, damage, with_writer
from tests.store.samples import (
    KEYS,
    HandClock,
    digest,
    event,
    open_store,
    quarantined,
    receipt,
    result,
    subscribe,
)

GRACE = "grace@example.com"
BODY = b'{"attendee":"Grace@Example.com"}'
OTHER = b'{"attendee":"alan@example.com"}'


async def erase(store: Store, **whom: str) -> Erasure:
    name = await store.erasing.begin(Whom(**whom))
    while await store.erasing.step(name):
        pass
    found = await store.erasing.one(name)
    assert found is not None
    assert (found.whom, found.finished_at) == (None, store.now())
    return found


async def booked(store: Store, number: int, body: bytes = BODY, **changes: object) -> str:
    """Accept a call about a person; the event's id."""
    key = changes.pop("key", f"meetergo:con_1:b{number}")
    accepted = await store.accept(receipt(number, inbound=body), [event(number, body=body, key=key, **changes)])
    return accepted.events[0]


async def gone(store: Store, name: str) -> str | None:
    found = await store.event(name)
    assert found is not None
    assert (found.body == b"") == (found.gone is not None)
    return found.gone


async def test_a_person_goes_from_events_calls_and_quarantine_and_nobody_else_does(store: Store) -> None:
    hers, his = await booked(store, 1), await booked(store, 2, OTHER)
    not_understood = await store.accept(quarantined(3, inbound=BODY), [])
    also = await store.accept(quarantined(4, inbound=OTHER), [])
    before = await store.event(hers)

    done = await erase(store, email=" GRACE@example.com")
    after = await store.event(hers)

    assert (done.events, done.receipts, done.quarantined, done.deliveries) == (1, 2, 1, 0)
    assert before is not None
    assert after is not None
    assert (after.gone, after.body) == ("erased", b"")
    for same in ("seq", "id", "type", "provider", "connection", "key", "timestamp", "receipt"):
        assert getattr(before, same) == getattr(after, same)
    assert await gone(store, his) is None
    for name in (before.receipt, not_understood.receipt):
        kept = await store.receipt(name or "")
        assert kept is not None
        assert kept.inbound is None
    assert [each.id for each in await store.receipts(status="quarantined")] == [also.receipt]
    counts = await store.counts()
    assert (counts.understood, counts.quarantined, counts.discarded, counts.events) == (2, 1, 1, 2)


@pytest.mark.parametrize("whom", [{"email": GRACE}, {"booking": "meetergo:con_1:b1"}])
async def test_what_would_go_is_told_before_and_nothing_goes_for_that(store: Store, whom: dict[str, str]) -> None:
    for number in range(1, 4):
        await booked(store, number, key="meetergo:con_1:b1")
    his = await booked(store, 4, OTHER)
    inbound = b'{"bookingId":"b1","to":"grace@example.com"}'
    await store.accept(quarantined(5, inbound=inbound), [])
    foreseen = await store.erasing.foresee(Whom(**whom), 60.0)
    assert (foreseen.events, foreseen.receipts, foreseen.whole) == (3, 4, True)
    assert await store.erasing.foresee(Whom(**whom), 0.0) == erasing.Foreseen(0, 0, whole=False)

    done = await erase(store, **whom)
    assert (done.events, done.receipts) == (3, 4)
    assert await gone(store, his) is None
    assert await store.erasing.foresee(Whom(**whom), 60.0) == erasing.Foreseen(0, 0, whole=True)


async def test_a_call_that_waits_for_its_provider_s_answer_goes_too(store: Store) -> None:
    held = receipt(1, inbound=BODY, status="held", wants=("meetergo:con_1:b1",))
    await store.accept(held, [])
    done = await erase(store, email=GRACE)

    assert (done.receipts, done.quarantined) == (1, 1)
    assert await store.held.first(10) == []
    counts = await store.counts()
    assert (counts.held, counts.discarded) == (0, 1)
    assert (await store.accept(held, [])).status == "duplicate"
    later = await booked(store, 2, OTHER, key="meetergo:con_1:b1")
    assert await gone(store, later) is None


async def test_lists_leave_an_erased_event_out_and_no_cursor_skips(store: Store) -> None:
    for number in range(1, 6):
        await booked(store, number, BODY if number in (1, 3) else OTHER)
    await erase(store, email=GRACE)

    assert [each.seq for each in await store.events()] == [2, 4, 5]
    assert [each.seq for each in await store.events(after=2, limit=1)] == [4]
    assert await store.bounds() == (1, 5)


async def test_all_events_of_her_bookings_go_though_some_do_not_repeat_the_address(store: Store) -> None:
    first = await booked(store, 1, key="meetergo:con_1:b")
    second = await booked(store, 2, b'{"attendee":"Grace"}', key="meetergo:con_1:b", type="booking.cancelled")
    other = await booked(store, 3, OTHER, key="meetergo:con_1:c")

    assert (await erase(store, email=GRACE)).events == 2
    assert [await gone(store, each) for each in (first, second, other)] == ["erased", "erased", None]


async def test_an_event_goes_with_its_call_where_only_that_has_the_address(store: Store) -> None:
    accepted = await store.accept(receipt(1, inbound=BODY), [event(1, body=b'{"attendee":"Grace"}')])

    assert (await erase(store, email=GRACE)).events == 1
    assert await gone(store, accepted.events[0]) == "erased"


async def test_a_booking_goes_by_its_key(store: Store) -> None:
    names = [await booked(store, number, OTHER, key="meetergo:con_1:b-77") for number in (1, 2)]
    other = await booked(store, 3, OTHER, key="meetergo:con_1:b-7")
    mine = await store.accept(quarantined(4, inbound=b'{"bookingId": "b-77"}', connection="con_1"), [])
    elsewhere = await store.accept(quarantined(5, inbound=b'{"bookingId": "b-77"}', connection="con_2"), [])
    unclaimed = await store.accept(quarantined(6, inbound=b'{"bookingId": "b-77"}', connection=None), [])

    done = await erase(store, booking="meetergo:con_1:b-77")

    assert (done.events, done.quarantined) == (2, 2)
    assert [await gone(store, each) for each in (*names, other)] == ["erased", "erased", None]
    assert [each.id for each in await store.receipts(status="quarantined")] == [elsewhere.receipt]
    assert mine.receipt != unclaimed.receipt


@pytest.mark.parametrize("whom", [{"email": "nobody@example.com"}, {"booking": "x"}, {"booking": "a:b:c"}])
async def test_who_is_not_here_changes_nothing(store: Store, whom: dict[str, str]) -> None:
    name = await booked(store, 1)
    done = await erase(store, **whom)
    assert (done.events, done.receipts, done.quarantined, done.deliveries) == (0, 0, 0, 0)
    assert await gone(store, name) is None


# --- told again ----------------------------------------------------------------------------------------------------


@pytest.mark.embedded
async def test_the_same_bytes_again_bring_nobody_back(store: Store) -> None:
    name = await booked(store, 1)
    await store.accept(quarantined(2, inbound=BODY), [])
    await erase(store, email=GRACE)

    again = await store.accept(receipt(1, inbound=BODY), [event(1, body=BODY)])
    still = await store.accept(quarantined(2, inbound=BODY), [])

    assert (again.status, again.events, still.status) == ("duplicate", (name,), "duplicate")
    await nothing_is_left(store)


@pytest.mark.embedded
async def test_the_same_fact_by_another_body_brings_nobody_back(store: Store) -> None:
    name = await booked(store, 1)
    await erase(store, email=GRACE)

    again = await store.accept(receipt(7, inbound=BODY + b" "), [event(1, body=BODY, data_digest=digest("another"))])

    assert (again.status, again.events) == ("duplicate", (name,))
    await nothing_is_left(store)
    counts = await store.counts()
    assert (counts.events, counts.understood, counts.duplicates) == (1, 2, 1)


@pytest.mark.embedded
async def test_a_quarantined_call_that_turns_out_to_tell_an_erased_fact_loses_its_bytes(store: Store) -> None:
    name = await booked(store, 1)
    await erase(store, email=GRACE)
    late = await store.accept(quarantined(2, inbound=BODY), [])

    assert (await store.resolve(late.receipt, "con_1", [event(1, body=BODY)])).events == (name,)
    await nothing_is_left(store)


async def test_a_new_fact_about_her_is_a_new_one(store: Store) -> None:
    await booked(store, 1)
    await erase(store, email=GRACE)
    assert await gone(store, await booked(store, 2)) is None


async def nothing_is_left(store: Store) -> None:
    """Open every sealed value there is."""
    keys = KeyRing.parse(KEYS)

    def texts(db: object) -> list[bytes]:
        rows = db.execute(  # type: ignore[attr-defined]  # -- apsw's, by a look inside
            "SELECT 'inbound:', r.digest, i.sealed FROM inbound i JOIN receipts r ON r.number = i.receipt "
            "UNION ALL SELECT 'bodies:', e.id, b.sealed FROM bodies b JOIN events e ON e.seq = b.event"
        )
        return [keys.unseal(sealed, about.encode() + name) for about, name, sealed in rows]

    assert [text for text in await with_writer(store, texts) if b"grace" in text.lower()] == []


@pytest.mark.embedded
async def test_erased_bytes_are_not_even_in_free_pages_or_in_the_log(store: Store, data_dir: Path) -> None:
    for number in range(1, 40):
        await booked(store, number, BODY * (number * 10))
    sealed: list[bytes] = await with_writer(
        store,
        lambda db: [row[0] for row in db.execute("SELECT sealed FROM bodies UNION ALL SELECT sealed FROM inbound")],
    )
    await erase(store, email=GRACE)

    # a value longer than a page lies in several: each part of it is looked for
    parts = [each[at : at + 64] for each in sealed for at in range(0, len(each) - 64, 512)]
    for name, content in contents(data_dir).items():
        assert [part for part in parts if part in content] == [], name


# --- what is on its way --------------------------------------------------------------------------------------------


async def test_what_waits_to_be_delivered_is_skipped_and_the_next_of_the_booking_goes(store: Store) -> None:
    await subscribe(store)
    await booked(store, 1)
    (claimed,) = await store.claim(1, 1, 45.0)
    await store.settle([result(claimed, "retry", wait=3600.0, error="500 said Grace")])
    await erase(store, email=GRACE)

    (skipped,) = await store.deliveries()
    assert (skipped.status, skipped.last_error, skipped.finished_at) == ("skipped", None, store.now())
    await booked(store, 2, OTHER, key="meetergo:con_1:b1")
    assert [each.body for each in await store.claim(1, 1, 45.0)] == [OTHER]
    assert (await store.counts()).deliveries == {("dst_1", "skipped"): 1, ("dst_1", "pending"): 1}


@pytest.mark.parametrize(("outcome", "ends"), [("delivered", "delivered"), ("dead", "dead"), ("retry", "skipped")])
async def test_what_is_being_sent_just_now_ends_as_it_ends_and_is_not_sent_again(
    store: Store, outcome: str, ends: str
) -> None:
    await subscribe(store)
    await booked(store, 1)
    (claimed,) = await store.claim(1, 1, 45.0)
    assert (await erase(store, email=GRACE)).deliveries == 0

    await store.settle([result(claimed, outcome, wait=3600.0)])
    assert await store.claim(1, 1, 45.0) == []
    (delivery,) = await store.deliveries()
    assert delivery.status == ends
    assert sum((await store.counts()).deliveries.values()) == 1


@pytest.mark.embedded
async def test_what_a_dead_process_was_sending_is_skipped(data_dir: Path, clock: HandClock) -> None:
    store = await open_store(data_dir, clock)
    await subscribe(store)
    await booked(store, 1)
    await store.claim(1, 1, 45.0)
    await erase(store, email=GRACE)
    await store.close()

    again = await open_store(data_dir, clock)
    assert await again.claim(1, 1, 45.0) == []
    assert [each.status for each in await again.deliveries()] == ["skipped"]
    await again.close()


async def test_an_erased_event_is_neither_retried_nor_replayed(store: Store) -> None:
    await subscribe(store)
    name = await booked(store, 1)
    (claimed,) = await store.claim(1, 1, 45.0)
    await store.settle([result(claimed, "dead")])
    await erase(store, email=GRACE)

    assert await store.retry(status="dead") == 0
    assert await store.replay(name) is None


# --- interrupted ---------------------------------------------------------------------------------------------------


@pytest.mark.embedded
async def test_it_goes_on_where_a_dead_process_stopped(
    data_dir: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("LOOK", 3), ("STRETCH", 2), ("AT_ONCE", 2), ("FAR", 5)):
        monkeypatch.setattr(erasing, name, value)
    store = await open_store(data_dir, clock)
    for number in range(1, 31):
        await booked(store, number, BODY if number % 2 else OTHER)
        await store.accept(quarantined(100 + number, inbound=BODY if number % 3 else OTHER), [])
    name = await store.erasing.begin(Whom(email=GRACE))
    more = True
    for steps in cycle((1, 2, 1)):
        if not more:
            break
        for _ in range(steps):
            more = more and await store.erasing.step(name)
        await store.close()
        store = await open_store(data_dir, clock)
        assert await store.erasing.unfinished() == ([name] if more else [])

    done = await store.erasing.one(name)
    assert done is not None
    assert (done.events, done.receipts, done.quarantined) == (15, 35, 20)
    await nothing_is_left(store)
    await store.close()


async def test_what_comes_while_it_looks_is_not_meant(store: Store) -> None:
    await booked(store, 1)
    name = await store.erasing.begin(Whom(email=GRACE))
    later = await booked(store, 2)
    while await store.erasing.step(name):
        pass
    assert await gone(store, later) is None


@pytest.mark.parametrize("status", ["held", "quarantined"])
@pytest.mark.parametrize("steps", [0, 1, 2])
@pytest.mark.parametrize("whom", [Whom(email=GRACE), Whom(booking="meetergo:con_1:b-77")])
async def test_what_waited_when_it_was_asked_goes_though_it_is_understood_meanwhile(
    store: Store, whom: Whom, steps: int, status: str
) -> None:
    inbound = b'{"bookingId":"b-77","to":"grace@example.com"}'
    await booked(store, 1, OTHER)
    waiting = receipt(2, inbound=inbound, status=status, wants=("meetergo:con_1:b-77",) if status == "held" else ())
    call = await store.accept(waiting, [])
    silent = await store.accept(quarantined(3, inbound=b'{"see":"there"}'), [])
    other = await store.accept(quarantined(4, inbound=b'{"bookingId":"b-7"}'), [])
    name = await store.erasing.begin(whom)
    for _ in range(steps):
        await store.erasing.step(name)
    key = "meetergo:con_1:b-77"
    hers = [
        *(await store.resolve(call.receipt, "con_1", [event(2, body=BODY, key=key)])).events,
        *(await store.resolve(silent.receipt, "con_1", [event(3, body=BODY, key=key)])).events,
    ]
    (his,) = (await store.resolve(other.receipt, "con_1", [event(4, body=OTHER, key="meetergo:con_1:b-7")])).events
    later = await booked(store, 5, key=key)
    while await store.erasing.step(name):
        pass

    assert hers
    assert [await gone(store, each) for each in hers] == ["erased"] * len(hers)
    assert [await gone(store, each) for each in (his, later)] == [None, None]
    left = await store.receipt(call.receipt)
    assert left is not None
    assert left.inbound is None


async def test_what_is_understood_between_a_look_and_its_end_goes_with_its_call(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = await store.accept(quarantined(1, inbound=BODY), [])
    empty = store.erasing._empty
    events: list[str] = []

    async def late(found: erasing.Found) -> None:
        if found.receipts:
            events.extend((await store.resolve(call.receipt, "con_1", [event(1, body=b'{"attendee":"Grace"}')])).events)
        await empty(found)

    monkeypatch.setattr(store.erasing, "_empty", late)
    done = await erase(store, email=GRACE)

    assert [await gone(store, each) for each in events] == ["erased"]
    assert (done.events, done.receipts, done.quarantined) == (1, 1, 0)


@pytest.mark.embedded
async def test_the_request_itself_names_nobody(store: Store, data_dir: Path) -> None:
    name = await store.erasing.begin(Whom(email=GRACE))
    assert [file for file, content in contents(data_dir).items() if GRACE.encode() in content] == []
    while await store.erasing.step(name):
        pass
    assert await with_writer(store, lambda db: db.execute("SELECT sealed FROM erasures").fetchall()) == [(None,)]


async def test_calls_about_her_booking_that_know_her_by_name_only_go_too(store: Store) -> None:
    by_name = b'{"id":"b1","name":"Grace Hopper"}'
    await booked(store, 1)
    moved = await booked(store, 2, by_name, key="meetergo:con_1:b1")
    aside = [
        await store.accept(quarantined(3, inbound=by_name), []),
        await store.accept(quarantined(4, inbound=by_name, connection=None), []),
    ]
    others = [
        await store.accept(quarantined(5, inbound=b'{"id":"b2","name":"Grace Hopper"}'), []),
        await store.accept(quarantined(6, inbound=by_name, connection="con_2"), []),
    ]

    done = await erase(store, email=GRACE)
    assert (done.events, done.quarantined) == (2, 2)
    assert await gone(store, moved) == "erased"
    assert [each.id for each in await store.receipts(status="quarantined")] == [each.receipt for each in others]
    again = await store.accept(quarantined(3, inbound=by_name), [])
    assert (again.status, again.receipt) == ("duplicate", aside[0].receipt)
    kept = await store.receipt(again.receipt)
    assert kept is not None
    assert (kept.status, kept.inbound) == ("discarded", None)


async def test_a_request_that_cannot_be_opened_holds_up_no_other(store: Store) -> None:
    hers = await booked(store, 1)
    lost = await store.erasing.begin(Whom(email="alan@example.com"))
    await damage(store, "erasures")
    with capture_logs() as said:
        assert not await store.erasing.step(lost)
        assert not await store.erasing.step(lost)
    assert [line["event"] for line in said] == ["erasure_damaged"]
    await erase(store, email=GRACE)
    assert await gone(store, hers) == "erased"

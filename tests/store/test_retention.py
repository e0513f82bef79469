"""What is too old goes by itself, oldest first; digests stay much longer, and the files do not grow for ever."""

from pathlib import Path

import apsw
import pytest

from gateway.store.engines.sqlite_tx import SqliteTx
from gateway.store.ids import EVENT_BYTES
from gateway.store.retention import SLICE, Too
from gateway.store.store import Store
from tests.store.inside import pragma, with_writer
from tests.store.samples import HandClock, accept, event, open_store, quarantined, receipt, result, subscribe

DAY = 86_400_000


async def expire(store: Store, before: int, doubtful: int = 0) -> int:
    rows = 0
    while some := (await store.retention.expire(Too(before, doubtful))).rows:
        rows += some
    return rows


async def forget(store: Store, before: int) -> int:
    rows = 0
    while some := (await store.retention.forget(Too(before, 0))).rows:
        rows += some
    return rows


async def aged(store: Store, clock: HandClock, amount: int = 3) -> list[str]:
    """Accept calls, one a day; the ids of their events."""
    names = []
    for number in range(1, amount + 1):
        accepted = await store.accept(receipt(number, received_at=clock.at), [event(number)])
        names.append(accepted.events[0])
        clock.advance(86_400)
    return names


async def test_bodies_and_bytes_go_and_what_was_there_can_still_be_told(store: Store, clock: HandClock) -> None:
    names = await aged(store, clock)
    assert await expire(store, clock.at - 2 * DAY) == 2

    first, second = await store.event(names[0]), await store.event(names[1])
    assert first is not None
    assert second is not None
    assert (first.gone, first.body, first.type) == ("expired", b"", "booking.scheduled")
    assert second.gone is None
    assert [each.seq for each in await store.events()] == [2, 3]
    assert await store.bounds() == (2, 3)
    stored = await store.receipt(first.receipt or "")
    assert stored is not None
    assert (stored.inbound, stored.status) == (None, "understood")


async def test_nothing_young_goes(store: Store, clock: HandClock) -> None:
    await aged(store, clock)
    assert await expire(store, clock.at - 3 * DAY) == 0
    assert await store.bounds() == (1, 3)


async def test_an_expired_call_is_still_known_again(store: Store, clock: HandClock) -> None:
    names = await aged(store, clock)
    await expire(store, clock.at)

    again = await accept(store, 1)
    assert (again.status, again.events) == ("duplicate", (names[0],))


async def test_what_nobody_dealt_with_in_quarantine_is_discarded(store: Store, clock: HandClock) -> None:
    await store.accept(quarantined(1, received_at=clock.at), [])
    await store.accept(quarantined(2, received_at=clock.at + DAY), [])
    assert await expire(store, clock.at + DAY) == 1

    counts = await store.counts()
    assert (counts.quarantined, counts.discarded) == (1, 1)
    assert (await store.accept(quarantined(1), [])).status == "duplicate"


async def test_what_still_waits_to_be_delivered_is_skipped_and_counted(store: Store, clock: HandClock) -> None:
    await subscribe(store)
    await aged(store, clock)
    (claimed,) = await store.claim(1, 1, 45.0)
    await store.settle([result(claimed, "dead")])
    (sent,) = await store.claim(1, 1, 45.0)
    await expire(store, clock.at - DAY)

    await store.settle([result(sent)])
    assert [each.body for each in await store.claim(1, 9, 45.0)] == [b'{"event":3}']
    counts = await store.counts()
    assert counts.deliveries == {("dst_1", "dead"): 1, ("dst_1", "delivered"): 1, ("dst_1", "pending"): 1}
    await expire(store, clock.at)


@pytest.mark.embedded
async def test_deliveries_and_attempts_go_with_their_event(store: Store, clock: HandClock) -> None:
    await subscribe(store)
    await aged(store, clock)
    for _ in range(3):
        (claimed,) = await store.claim(1, 1, 45.0)
        await store.settle([result(claimed)])
    await expire(store, clock.at - 2 * DAY)

    assert [each.event for each in await store.deliveries()] == [each.id for each in await store.events()]
    assert await with_writer(store, lambda db: db.execute("SELECT count(*) FROM attempts").get) == 2
    assert (await store.counts()).deliveries == {("dst_1", "delivered"): 3, ("dst_1", "pending"): 0}


async def test_a_time_that_cannot_be_believed_deletes_nothing(store: Store, clock: HandClock) -> None:
    await aged(store, clock)
    years_later = clock.at + 14 * 365 * DAY

    pruned = await store.retention.expire(Too(years_later - 30 * DAY, years_later - 430 * DAY))
    assert (pruned.rows, pruned.doubtful) == (0, True)
    assert len(await store.events()) == 3


async def test_in_the_end_rows_and_digests_go_too(data_dir: Path, clock: HandClock) -> None:
    store = await open_store(data_dir, clock)
    await subscribe(store)
    names = await aged(store, clock)
    await expire(store, clock.at - DAY)
    assert await forget(store, clock.at - DAY) == 4

    assert [await store.event(each) is None for each in names] == [True, True, False]
    assert (await accept(store, 1)).status == "accepted", "it is not known any more"
    assert (await accept(store, 3)).status == "duplicate"
    await store.close()
    again = await open_store(data_dir, clock)
    assert (await accept(again, 1)).status == "duplicate"
    assert (await accept(again, 2)).status == "accepted"
    assert (await again.counts()).events == 5
    await again.close()


@pytest.mark.embedded
async def test_digests_go_from_the_index_on_disk_as_well(
    data_dir: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.known.RECENT", 4)
    store = await open_store(data_dir, clock)
    await aged(store, clock, 600)
    known = await with_writer(store, lambda db: db.execute("SELECT count(*) FROM known").get)
    assert known > 1000
    await expire(store, clock.at)
    await forget(store, clock.at)

    assert await with_writer(store, lambda db: db.execute("SELECT count(*) FROM known").get) == 0
    assert (await accept(store, 1)).status == "accepted"
    await store.close()


@pytest.mark.embedded
async def test_letting_go_of_digests_follows_the_fate_of_its_transaction(store: Store) -> None:
    await accept(store, 1)
    (key,) = [key for lane in store._known._recent or [] for key in lane if len(key) == EVENT_BYTES]

    def let_go(db: apsw.Connection) -> None:
        store._known.drop(SqliteTx(db), [key])
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await with_writer(store, let_go)
    assert (await accept(store, 1)).status == "duplicate"


@pytest.mark.embedded
async def test_pages_are_used_again_so_the_file_stays_as_large_as_what_is_kept(store: Store, clock: HandClock) -> None:
    sizes = []
    for lap in range(6):
        for number in range(SLICE * 4):
            name = lap * SLICE * 4 + number
            await store.accept(
                receipt(name, inbound=b"x" * 3000, received_at=clock.at), [event(name, body=b"y" * 3000)]
            )
        clock.advance(86_400)
        await expire(store, clock.at - DAY)
        sizes.append(await pragma(store, "page_count"))
    assert sizes[5] < 1.2 * sizes[1]

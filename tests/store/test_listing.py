"""Looking at what is there: filters, cursors, and readers beside writers."""

import asyncio

import pytest

from gateway.store.store import Store
from tests.store.samples import accept, event, quarantined, receipt, subscribe


async def test_an_empty_store_has_no_bounds(store: Store) -> None:
    assert await store.bounds() == (0, 0)
    assert await store.events() == []


async def test_events_are_listed_by_what_they_are(store: Store) -> None:
    await accept(store, 1, key="k")
    await accept(store, 2, key="l", type="booking.cancelled")
    await accept(store, 3, type="form.submitted", provider="harmony", connection="con_2")

    async def found(**filters: object) -> list[int]:
        return [each.seq for each in await store.events(**filters)]  # type: ignore[arg-type]  # -- filters by name, as the callers give them

    assert await found(types=["booking.*"]) == [1, 2]
    assert await found(types=["booking.cancelled", "form.submitted"]) == [2, 3]
    assert await found(types=["*"]) == [1, 2, 3]
    assert await found(types=["nothing.known"]) == []
    assert await found(provider="harmony") == [3]
    assert await found(connection="con_1", types=["booking.scheduled"]) == [1]
    assert await found(booking="l") == [2]
    assert await found(after=1, limit=1) == [2]


async def test_one_event_is_found_by_its_id(store: Store) -> None:
    accepted = await accept(store, 1, key="k")
    found = await store.event(accepted.events[0])

    assert found is not None
    assert (found.seq, found.key, found.receipt, found.body) == (1, "k", accepted.receipt, b'{"event":1}')
    for name in ("evt_" + "a" * 32, "evt_", "evt_" + "A" * 32, "rcp_x", "", "evt_ä"):
        assert await store.event(name) is None


async def test_receipts_are_listed_page_by_page_oldest_first(store: Store) -> None:
    names = [
        (await store.accept(quarantined(number, connection=f"con_{number % 2}"), [])).receipt for number in range(5)
    ]
    first = await store.receipts(status="quarantined", connection=None, after=None, limit=3)
    rest = await store.receipts(status="quarantined", after=first[-1].id, limit=3)

    assert [each.id for each in first + rest] == names
    assert {each.inbound for each in first} == {None}
    assert len(await store.receipts(status="quarantined", connection="con_1")) == 2
    assert await store.receipts(status="held") == []
    assert await store.receipts(status="understood") == []
    understood = await accept(store, 9)
    assert [each.id for each in await store.receipts(status="understood")] == [understood.receipt]
    assert await store.receipts(status="quarantined", after="rcp_nonsense") == []


async def test_deliveries_are_listed_page_by_page(store: Store) -> None:
    await subscribe(store, "dst_1")
    await subscribe(store, "dst_2")
    accepted = [await accept(store, number) for number in range(3)]
    first = await store.deliveries(limit=4)
    rest = await store.deliveries(after=first[-1].id, limit=4)

    assert [each.event for each in first + rest] == [name for each in accepted for name in each.events for _ in "12"]
    assert len(await store.deliveries(destination="dst_2")) == 3
    assert len(await store.deliveries(event=accepted[0].events[0], status="pending", destination="dst_1")) == 1
    assert await store.deliveries(event="evt_nonsense") == []
    assert await store.deliveries(after="dlv_nonsense") == []
    assert await store.delivery("dlv_nonsense") is None
    assert await store.delivery("dlv_0000000000zzz") is None


async def test_a_cursor_never_skips_while_writers_run(store: Store) -> None:
    async def write(first: int) -> None:
        for number in range(first, first + 100):
            await store.accept(receipt(number), [event(number), event(100_000 + number)])

    async def read() -> list[int]:
        seen: list[int] = []
        while len(seen) < 1600:
            page = await store.events(after=seen[-1] if seen else 0, limit=37)
            seen += [each.seq for each in page]
            if not page:
                await store.changed(1.0)
        return seen

    readers = [asyncio.create_task(read()) for _ in range(3)]
    await asyncio.gather(*[write(1000 * writer) for writer in range(8)])
    for seen in await asyncio.gather(*readers):
        assert seen == list(range(1, 1601))


async def test_counts_are_of_one_moment(store: Store) -> None:
    await subscribe(store)

    async def write() -> None:
        for number in range(200):
            await accept(store, number)

    async def look() -> None:
        while not writing.done():
            counts = await store.counts()
            assert counts.understood == counts.events == sum(counts.deliveries.values())

    writing = asyncio.create_task(write())
    await asyncio.gather(writing, look(), look())


@pytest.mark.parametrize("key", ["meetergo:con_1:ä", "k" * 5000])
async def test_any_text_can_be_a_booking_s_key(store: Store, key: str) -> None:
    await accept(store, 1, key=key)
    assert [each.key for each in await store.events(booking=key)] == [key]


async def test_a_page_ends_when_its_events_fill_the_memory_and_the_next_goes_on(store: Store) -> None:
    for number in range(1, 19):
        await accept(store, number, body=b"x" * (1 << 20))
    page = await store.events(limit=500)
    assert [each.seq for each in page] == list(range(1, 17)), "sixteen mebibytes"
    assert [each.seq for each in await store.events(after=16, limit=500)] == [17, 18]

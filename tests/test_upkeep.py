"""What nobody waits for is done all the same, a little at a time."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway import upkeep
from gateway.store.erasing import Whom
from gateway.store.store import Store
from gateway.upkeep import DAY, Upkeep
from tests.store.samples import OTHER_KEYS, HandClock, accept, open_store, receipt


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def store(tmp_path: Path, clock: HandClock) -> AsyncIterator[Store]:
    opened = await open_store(tmp_path, clock)
    yield opened
    await opened.close()


async def worked(made: Upkeep) -> None:
    """Let it work until there is nothing left."""
    while await made._round():
        pass


async def test_bodies_are_kept_for_some_days_and_digests_for_400(store: Store, clock: HandClock) -> None:
    made = Upkeep(store, 30)
    (name,) = (await store.accept(receipt(1, received_at=clock.at), [])).events or ("",)
    name = (await accept(store, 2)).events[0]
    for days, left in ((29, None), (2, "expired"), (368, "expired"), (2, "forgotten")):
        clock.advance(days * 86_400)
        made._looked = 0
        await worked(made)
        found = await store.event(name)
        assert (found.gone if found else "forgotten") == left


async def test_digests_stay_as_long_as_bodies_at_least(store: Store, clock: HandClock) -> None:
    made = Upkeep(store, 1000)
    name = (await accept(store, 1)).events[0]
    clock.advance(700 * 86_400)
    await worked(made)
    found = await store.event(name)
    assert found is not None
    assert found.gone is None


async def test_a_clock_that_shows_another_decade_deletes_nothing_for_a_day(
    store: Store, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Upkeep(store, 30)
    await accept(store, 1)
    clock.advance(14 * 365 * 86_400)
    await worked(made)
    assert len(await store.events()) == 1
    monkeypatch.setattr(upkeep, "DOUBT_SECONDS", 0.0)
    made._looked = 0
    await worked(made)
    assert await store.events() == []


async def test_it_looks_for_what_is_too_old_now_and_then(store: Store, clock: HandClock) -> None:
    made = Upkeep(store, 1)
    await worked(made)
    await accept(store, 1)
    clock.advance(2 * DAY / 1000)
    await worked(made)
    assert len(await store.events()) == 1
    made._looked = 0
    await worked(made)
    assert await store.events() == []


async def test_requests_are_worked_off_as_soon_as_they_are_made(store: Store) -> None:
    made = Upkeep(store, 30)
    running = asyncio.create_task(made.run())
    await accept(store, 1, body=b"a@b.example")
    names = [await store.erasing.begin(Whom(email=f"{each}@b.example")) for each in "abc"]
    await store.resealing.begin(OTHER_KEYS)
    async with asyncio.timeout(30):
        for name in names:
            await made.erased(name, 30)
        while await store.resealing.outdated():
            await store.changed(0.1)
    assert await store.events() == []
    assert await store.erasing.unfinished() == []
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_who_waits_for_an_erasure_waits_no_longer_than_said(store: Store) -> None:
    await accept(store, 1)
    name = await store.erasing.begin(Whom(email="a@b.example"))
    await Upkeep(store, 30).erased(name, 0.01)
    assert await store.erasing.unfinished() == [name]

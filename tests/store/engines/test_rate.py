"""A destination's rate holds for all gateways on one database together, by the database's clock."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gateway.egress import Egress
from gateway.sealing import KeyRing
from gateway.store.model import Claimed, Destination
from gateway.store.slots import AHEAD
from gateway.store.store import Store
from tests.egress.sinks import LOOPBACK, listening
from tests.pipeline.queueing import Behind, all_are, dispatching, emit, until
from tests.pipeline.queueing import subscribe as subscribe_to
from tests.postgres import new_database
from tests.store.samples import KEYS, HandClock, accept, open_store, result, subscribe

GATEWAYS = 3
RATE = 20.0
LEASE = 45.0
Open = Callable[[HandClock | None], Awaitable[list[Store]]]


@pytest.fixture
def url() -> str:
    return new_database()


@pytest.fixture
async def opened(url: str, tmp_path: Path) -> AsyncIterator[Open]:
    made: list[Store] = []

    async def opening(clock: HandClock | None) -> list[Store]:
        for number in range(GATEWAYS):
            folder = tmp_path / str(number)
            made.append(await Store.open(folder, KeyRing.parse(KEYS), url=url, clock=clock))
        return made

    yield opening
    for store in made:
        await store.close()


async def claims(store: Store, clock: HandClock, limit: int = 16) -> list[float]:
    """Claim once; the times at which what was claimed may go, in seconds."""
    claimed = await store.claim(1, limit, LEASE, RATE)
    await store.settle([result(each) for each in claimed])
    return [clock.at / 1000 + each.wait for each in claimed]


async def test_all_together_keep_to_it_whoever_claims_when(opened: Open) -> None:
    clock = HandClock()
    stores = await opened(clock)
    await subscribe(stores[0], rate=RATE)
    for number in range(120):
        await accept(stores[0], number)
    went: list[float] = []
    for step in range(200):
        for store in stores[step % GATEWAYS :]:
            went += await claims(store, clock)
        clock.advance((0.0, 0.03, 0.11)[step % 3])
    went.sort()
    assert len(went) == 120
    assert min(after - before for before, after in pairwise(went)) == pytest.approx(1 / RATE, abs=1e-3)
    assert went[-1] - went[0] == pytest.approx(119 / RATE, abs=1e-3)  # nor is any of it lost


async def test_who_finds_no_slot_is_told_when_one_comes_and_not_to_come_before(opened: Open) -> None:
    clock = HandClock()
    one, other, _ = await opened(clock)
    await subscribe(one, rate=1.0)
    for number in range(3):
        await accept(one, number)
    assert len(await one.claim(1, 16, LEASE, 1.0)) == 1
    assert await other.claim(1, 16, LEASE, 1.0) == []
    work = await other.due()
    assert work.destinations == ()
    assert work.wait is not None
    assert 1.0 - AHEAD / 1_000_000 < work.wait < 1.0
    clock.advance(work.wait)
    assert (await other.due()).destinations == (1,)
    (claimed,) = await other.claim(1, 16, LEASE, 1.0)
    assert claimed.wait == pytest.approx(1.0 - work.wait, abs=2e-3)


async def test_an_idle_destination_gets_the_first_at_once_and_no_more_afterwards(opened: Open) -> None:
    clock = HandClock()
    stores = await opened(clock)
    await subscribe(stores[0], rate=RATE)
    clock.advance(3600)
    for number in range(40):
        await accept(stores[0], number)
    got = [each.wait for store in stores for each in await store.claim(1, 16, LEASE, RATE)]
    assert got == pytest.approx([place / RATE for place in range(len(got))])
    assert got[-1] <= AHEAD / 1_000_000


async def test_a_changed_destination_begins_anew(opened: Open) -> None:
    clock = HandClock()
    one, other, _ = await opened(clock)
    destination = await subscribe(one, rate=0.001)
    for number in range(3):
        await accept(one, number)
    assert len(await one.claim(1, 16, LEASE, 0.001)) == 1
    await one.put_destination(destination)
    assert (await other.due()).destinations == (1,)
    assert [each.wait for each in await other.claim(1, 16, LEASE)] == [0.0, 0.0]


@pytest.mark.embedded
async def test_the_embedded_one_leaves_it_to_its_only_process(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "data", HandClock())
    await subscribe(store, rate=RATE)
    for number in range(3):
        await accept(store, number)
    assert [each.wait for each in await store.claim(1, 16, LEASE, RATE)] == [0.0] * 3
    assert (await store.due()).destinations == ()
    await store.close()


# --- at work -------------------------------------------------------------------------------------------------------

COUNT = 45
FAST = 30.0


class Noting:
    """Note of each claim what the database's clock said, and when what was claimed may go."""

    def __init__(self, store: Store) -> None:
        self.waits: list[float] = []
        self._store = store

    async def claim(self, *asked: Any) -> list[Claimed]:
        claimed = await self._store.claim(*asked)
        self.waits += [each.wait for each in claimed]
        return claimed


async def test_three_at_work_before_one_consumer_send_no_faster_than_its_rate(opened: Open, url: str) -> None:
    stores = await opened(None)
    door = Egress([LOOPBACK])
    async with listening() as sink:
        destination = await subscribe_to(stores[0], sink.url, rate=FAST)
        for number in range(COUNT):
            await emit(stores[0], number, f"k{number}")
        began, before = time.monotonic(), instant(url)
        notes = [Noting(store) for store in stores]
        behind = [Behind(store, claim=note.claim) for store, note in zip(stores, notes, strict=True)]
        async with dispatching(behind[0], door), dispatching(behind[1], door), dispatching(behind[2], door):
            await until(stores[0], all_are("delivered", COUNT))
        took = time.monotonic() - began
    await door.aclose()
    assert len(sink.seen) == sum(len(note.waits) for note in notes) == COUNT
    assert sum(bool(note.waits) for note in notes) > 1  # else this showed nothing
    assert next_slot(url, destination) - before >= COUNT / FAST
    assert took >= (COUNT - 1) / FAST  # nothing was sent before its time


def instant(url: str) -> float:
    """Tell the database's time in seconds."""
    return _one(url, "SELECT extract(epoch FROM clock_timestamp())::float8")


def next_slot(url: str, destination: Destination) -> float:
    return _one(url, f"SELECT next_slot / 1e6::float8 FROM destinations WHERE number = {destination.number:d}")  # noqa: S608 -- a number


def _one(url: str, query: str) -> float:
    with psycopg.connect(url, autocommit=True) as db:
        return float(db.execute(query.encode()).fetchall()[0][0])

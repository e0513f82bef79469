"""The unique index that is written behind: exact at every moment, through restarts and undone transactions."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.store import known
from gateway.store.store import Store
from tests.store.inside import Disk, with_writer
from tests.store.samples import accept, event, open_store, receipt

pytestmark = pytest.mark.embedded

FEW = 20
"""Keys held in memory in these tests, so that most are in the table."""

STEPS = st.lists(st.one_of(st.integers(0, 60), st.integers(0, 60), st.just("restart")), min_size=20, max_size=100)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "RECENT", FEW)
    monkeypatch.setattr(known, "MOST_LANES", 256)


async def written(store: Store) -> int:
    rows = await with_writer(store, lambda db: db.execute("SELECT count(*) FROM known").fetchall())
    return int(rows[0][0])


async def refused(store: Store, number: int) -> None:
    """Make a transaction that is undone: the size cannot be bound."""
    with pytest.raises(TypeError):
        await store.accept(receipt(number, size=object()), [event(number)])


async def accept_all(store: Store, numbers: range) -> None:
    await asyncio.gather(*[accept(store, number) for number in numbers])


async def nothing_is_new(store: Store, numbers: range) -> None:
    """Send the same again, and the same facts in other bytes: none of it is taken for new."""
    before = await store.counts()
    await accept_all(store, numbers)
    for number in numbers:
        assert (await store.accept(receipt(10_000 + number), [event(number)])).status == "duplicate"
    after = await store.counts()
    assert after.events == before.events
    assert after.understood == before.understood + len(numbers)


async def live_through(folder: Path, steps: list[Any]) -> None:
    store = await open_store(folder)
    seen: dict[int, str] = {}
    for step in steps:
        if step == "restart":
            await store.close()
            store = await open_store(folder)
            continue
        answer = await accept(store, step)
        assert answer.status == ("duplicate" if step in seen else "accepted")
        assert seen.setdefault(step, answer.receipt) == answer.receipt
        assert (await store.counts()).understood == len(seen)
    await store.close()


@settings(max_examples=15)
@given(steps=STEPS)
def test_what_was_seen_is_known_and_nothing_else_is(steps: list[Any]) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(known, "RECENT", FEW)
        patch.setattr(known, "MOST_LANES", 256)
        asyncio.run(live_through(Path(folder), steps))


HARD_STEPS = st.lists(
    st.one_of(st.integers(0, 60), st.integers(0, 60), st.sampled_from(["restart", "crash", "undone", "failed"])),
    min_size=20,
    max_size=100,
)
TWICE = """
SELECT (SELECT count(*) - count(DISTINCT digest) FROM receipts) + (SELECT count(*) - count(DISTINCT id) FROM events)
"""


class HardLife:
    """A store whose transactions are undone, whose fsyncs fail and whose machine loses power."""

    def __init__(self, folder: Path) -> None:
        self._root = folder
        self._disk = Disk()
        self._lives = 0
        self._kept: set[int] = set()
        self._doubtful: set[int] = set()

    async def live(self, steps: list[Any]) -> None:
        self._store = await open_store(self._folder)
        for number, step in enumerate(steps):
            if isinstance(step, int):
                await self._take(step)
            else:
                await getattr(self, step)(number)
        await self._look()
        await self._store.close()
        self._disk.unregister()

    @property
    def _folder(self) -> Path:
        return self._root / str(self._lives)

    async def _take(self, number: int) -> None:
        answer = await accept(self._store, number)
        assert (
            answer.status == "duplicate"
            if number in self._kept
            else number in self._doubtful or answer.status == "accepted"
        )
        self._kept.add(number)

    async def _look(self) -> None:
        """Everything kept is there, once, and its key is in the table or will be read again."""
        found = {each.body for each in await self._store.events(limit=1000)}
        assert found >= {b'{"event":%d}' % number for number in self._kept}
        assert await with_writer(self._store, lambda db: db.execute(TWICE).fetchall()) == [(0,)]
        assert await with_writer(self._store, lambda db: db.execute(UNREADABLE).fetchall()) == [(0,)]

    async def restart(self, _: int) -> None:
        await self._store.close()
        self._store = await open_store(self._folder)

    async def crash(self, _: int) -> None:
        """Go on with what was fsynced."""
        left = dict(self._disk.synced)
        await self._store.close()
        self._lives += 1
        self._folder.mkdir()
        for name, content in left.items():
            (self._folder / name).write_bytes(content)
        self._store = await open_store(self._folder)
        await self._look()

    async def undone(self, number: int) -> None:
        """Share a transaction with one that cannot be written: it is undone, and done again without that one."""
        fresh = [1000 + 10 * number + more for more in range(5)]
        await asyncio.gather(refused(self._store, 5000 + number), *[self._take(each) for each in fresh])

    async def failed(self, number: int) -> None:
        """Fail some commits: nobody knows what became of them until they are told again."""
        fresh = [2000 + 10 * number + more for more in range(5)]
        self._disk.broken = True
        lost = await asyncio.gather(*[accept(self._store, each) for each in fresh], return_exceptions=True)
        self._disk.broken = False
        assert all(isinstance(each, Exception) for each in lost)
        self._doubtful |= set(fresh)
        for each in fresh[::2]:
            await self._take(each)


@settings(max_examples=25)
@given(steps=HARD_STEPS)
def test_what_was_kept_stays_known_through_failed_commits_undone_ones_and_power_cuts(steps: list[Any]) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(known, "RECENT", FEW)
        patch.setattr(known, "MOST_LANES", 256)
        asyncio.run(HardLife(Path(folder)).live(steps))


async def test_only_the_recent_ones_are_held_in_memory(store: Store) -> None:
    await accept_all(store, range(200))

    assert await written(store) >= 2 * 200 - FEW
    await nothing_is_new(store, range(200))


async def test_after_a_restart_only_the_recent_rows_are_read_again(data_dir: Path) -> None:
    store = await open_store(data_dir)
    for number in range(600):
        await accept(store, number)
    await store.close()
    store = await open_store(data_dir)

    ((receipts, events),) = await with_writer(
        store, lambda db: db.execute("SELECT known_receipt, known_event FROM head").fetchall()
    )
    assert min(receipts, events) > 300
    await nothing_is_new(store, range(600))
    await store.close()


UNREADABLE = """
SELECT (SELECT count(*) FROM receipts WHERE number <= known_receipt AND digest NOT IN (SELECT key FROM known))
     + (SELECT count(*) FROM events WHERE seq <= known_event AND id NOT IN (SELECT key FROM known))
  FROM head
"""


async def test_whenever_it_dies_every_key_is_in_the_table_or_read_again(store: Store) -> None:
    for number in range(150):
        await accept(store, number)
        assert await with_writer(store, lambda db: db.execute(UNREADABLE).fetchall()) == [(0,)]


async def test_what_was_undone_is_new_when_it_comes_again_and_then_known(store: Store) -> None:
    await refused(store, 1)
    await accept_all(store, range(100, 200))
    assert (await accept(store, 1)).status == "accepted"
    await accept_all(store, range(200, 300))

    await nothing_is_new(store, range(1, 2))


async def test_what_was_known_stays_known_when_a_later_call_is_undone(store: Store) -> None:
    for number in range(60):
        await accept(store, number)
        await refused(store, 1000 + number)
        assert await with_writer(store, lambda db: db.execute(UNREADABLE).fetchall()) == [(0,)]

    await nothing_is_new(store, range(60))


async def test_what_a_failed_commit_lost_is_not_known(data_dir: Path) -> None:
    disk = Disk()
    store = await open_store(data_dir)
    await accept(store, 1)
    disk.broken = True
    lost = await asyncio.gather(*[accept(store, number) for number in range(2, 30)], return_exceptions=True)
    disk.broken = False
    again = await asyncio.gather(*[accept(store, number) for number in range(1, 30)])
    stored = {each.body for each in await store.events()}
    await store.close()
    disk.unregister()

    assert all(isinstance(each, Exception) for each in lost)
    assert again[0].status == "duplicate"
    assert len(stored) == 29


async def test_an_event_is_found_by_readers_wherever_its_key_is(store: Store) -> None:
    answers = await asyncio.gather(*[accept(store, number) for number in range(100)])

    for answer in answers:
        found = await store.event(answer.events[0])
        assert found is not None
        assert found.receipt == answer.receipt
    assert await store.event("evt_" + "b" * 32) is None


async def test_a_reader_finds_a_key_on_its_way_to_the_table(store: Store) -> None:
    answer = await accept(store, 1)
    store._known.forget()  # as if the lane had just been taken from memory, and its commit were not seen yet

    assert await store.event(answer.events[0]) is not None
    assert await store.receipt(answer.receipt) is not None

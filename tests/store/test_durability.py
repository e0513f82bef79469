"""What is answered is on disk, and what cannot be stored is refused."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.contract.errors import StoreUnavailable
from gateway.store.engines import sqlite
from gateway.store.engines.engine import Tx
from gateway.store.statements import Statement
from gateway.store.store import Store
from tests.store.inside import Disk, pragma
from tests.store.samples import accept, connection, event, open_store, receipt, result, subscribe

pytestmark = pytest.mark.embedded


@pytest.fixture
def disk() -> Iterator[Disk]:
    watched = Disk()
    yield watched
    watched.unregister()


@pytest.fixture
async def on_disk(disk: Disk, data_dir: Path) -> AsyncIterator[Store]:
    opened = await open_store(data_dir)
    disk.log.clear()
    yield opened
    disk.broken = False
    await opened.close()


async def test_an_answer_comes_after_the_fsync_that_holds_it(on_disk: Store, disk: Disk) -> None:
    for number in range(5):
        disk.log.clear()
        await accept(on_disk, number)

        assert "write" in disk.log
        assert disk.log[-1] == "sync"


async def test_concurrent_calls_share_one_fsync(on_disk: Store, disk: Disk) -> None:
    await asyncio.gather(*[accept(on_disk, number) for number in range(64)])

    assert disk.log.count("sync") <= 3  # the commit's; a new log's header and a checkpoint may add theirs


async def test_a_failed_fsync_fails_its_calls_and_the_next_ones_work(on_disk: Store, disk: Disk) -> None:
    await accept(on_disk, 1)
    disk.broken = True
    failed = await asyncio.gather(*[accept(on_disk, number) for number in (2, 3)], return_exceptions=True)
    failed += await asyncio.gather(accept(on_disk, 4), return_exceptions=True)
    disk.broken = False

    assert [type(each) for each in failed] == [StoreUnavailable] * 3
    assert (await accept(on_disk, 5)).status == "accepted"
    assert {b'{"event":1}', b'{"event":5}'} <= {each.body for each in await on_disk.events()}


async def test_after_a_failed_fsync_nothing_is_taken_until_the_log_is_in_the_database(
    on_disk: Store, disk: Disk, data_dir: Path
) -> None:
    await accept(on_disk, 1)
    disk.broken = True
    with pytest.raises(StoreUnavailable):
        await accept(on_disk, 2)
    disk.broken = False
    await accept(on_disk, 3)

    assert b"CREATE TABLE receipts" in (data_dir / "gateway.db").read_bytes()
    assert (await pragma(on_disk, "synchronous"), await pragma(on_disk, "journal_mode")) == (2, "wal")
    assert await pragma(on_disk, "wal_autocheckpoint") == 0


async def test_who_tells_again_after_a_failed_commit_is_understood(on_disk: Store, disk: Disk) -> None:
    await subscribe(on_disk)
    await accept(on_disk, 1)
    (claimed,) = await on_disk.claim(1, 1, 45.0)
    disk.broken = True
    with pytest.raises(StoreUnavailable):
        await on_disk.settle([result(claimed, "retry", wait=1.0)])
    disk.broken = False
    await on_disk.settle([result(claimed, "retry", wait=1.0)])
    await on_disk.settle([result(claimed, "retry", wait=1.0)])

    found = await on_disk.delivery((await on_disk.deliveries())[0].id)
    assert found is not None
    assert [each.number for each in found[1]] == [1]


async def test_a_full_disk_refuses_calls_and_recovers_alone(store: Store) -> None:
    await accept(store, 1)
    await pragma(store, "max_page_count", await pragma(store, "page_count"))
    large = b"x" * 100_000
    answers = await asyncio.gather(
        *[store.accept(receipt(number, inbound=large), [event(number)]) for number in range(2, 6)],
        return_exceptions=True,
    )
    assert [type(each) for each in answers] == [StoreUnavailable] * 4
    assert len(await store.events()) == 1

    await pragma(store, "max_page_count", 1 << 30)
    assert (await store.accept(receipt(2, inbound=large), [event(2)])).status == "accepted"


async def test_when_the_disk_is_nearly_full_deliveries_go_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await subscribe(store)
    await accept(store, 1)
    disk = tuple(os.statvfs("/"))
    nearly_full = os.statvfs_result((*disk[:3], 1, 1, *disk[5:10]))
    monkeypatch.setattr(os, "statvfs", lambda _: nearly_full)
    monkeypatch.setattr("gateway.store.engines.sqlite.LOOK_EVERY", 0.0)

    with pytest.raises(StoreUnavailable, match="disk"):
        await accept(store, 2)
    assert (await accept(store, 1)).status == "duplicate"
    (claimed,) = await store.claim(1, 10, 45.0)
    await store.settle([result(claimed)])
    assert [each.status for each in await store.deliveries()] == ["delivered"]


async def test_a_query_that_fails_is_unavailable_and_the_next_one_works(store: Store) -> None:
    def broken(tx: Tx) -> None:
        tx.run(Statement("broken", "SELECT nothing FROM nowhere"))

    with pytest.raises(StoreUnavailable):
        await store._engine.read(broken)
    assert await store.bounds() == (0, 0)


async def test_reopening_keeps_everything(data_dir: Path) -> None:
    store = await open_store(data_dir)
    await store.put_connection(connection(credentials={"api_key": "k"}, secrets=("s",), token="t"))
    await subscribe(store)
    await accept(store, 1, key="k")
    before = (await store.events(), await store.counts(), await store.connections(), await store.deliveries())
    version = await store.look_at_version()
    await store.close()

    store = await open_store(data_dir)
    assert (await store.events(), await store.counts(), await store.connections(), await store.deliveries()) == before
    assert await store.look_at_version() == version
    assert (await accept(store, 2)).status == "accepted"
    assert await store.bounds() == (1, 2)
    await store.close()


async def test_what_was_answered_survives_a_power_cut_at_any_moment(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "CHECKPOINT_EVERY", 0.0)
    store = await open_store(tmp_path / "running")
    answered: list[bytes] = []
    moments: list[tuple[int, dict[str, bytes]]] = []

    async def work(first: int) -> None:
        for number in range(first, first + 40):
            moments.append((len(answered), dict(disk.synced)))
            await accept(store, number)
            answered.append(b'{"event":%d}' % number)

    await asyncio.gather(*[work(100 * worker) for worker in range(1, 5)])
    moments.append((len(answered), dict(disk.synced)))
    await store.close()

    for count, files in moments[::9] + moments[-1:]:
        assert set(answered[:count]) <= await left_after(files, tmp_path / f"cut-{count}")


async def left_after(files: dict[str, bytes], folder: Path) -> set[bytes]:
    """Open what the power cut left."""
    write_files(files, folder)
    store = await open_store(folder)
    left = {each.body for each in await store.events(limit=1000)}
    await store.close()
    return left


def write_files(files: dict[str, bytes], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


BUSY = """
import asyncio, sys
from pathlib import Path
from tests.store.samples import accept, open_store

async def main():
    store = await open_store(Path(sys.argv[1]))
    for number in range(0, 1 << 30, 8):
        await asyncio.gather(*[accept(store, number + more) for more in range(8)])
        print(number + 8, flush=True)

asyncio.run(main())
"""


def run_and_kill(data_dir: Path) -> int:
    """Let a process accept, kill it, and say how many it had answered."""
    with subprocess.Popen([sys.executable, "-c", BUSY, str(data_dir)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        lines = b"".join([process.stdout.readline() for _ in range(20)])
        process.kill()
        lines += process.stdout.read()
        return int(lines[: lines.rindex(b"\n")].split()[-1])


async def test_what_was_answered_survives_kill_9(data_dir: Path) -> None:
    answered = await asyncio.to_thread(run_and_kill, data_dir)
    store = await open_store(data_dir)

    count = (await store.counts()).events
    assert count >= answered
    assert len({each.body for each in await store.events(limit=count)}) == count
    await store.close()

"""A copy is whole, private, known for a copy when it is started, and never made of or over something wrong."""

import asyncio
import os
import stat
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.contract.errors import ConfigurationError
from gateway.store.engines.sqlite_backup import STEP, backup
from gateway.store.engines.sqlite_file import FILE
from gateway.store.store import Store
from tests.store.inside import contents
from tests.store.samples import (
    OTHER_KEYS,
    HandClock,
    accept,
    connection,
    event,
    open_store,
    quarantined,
    receipt,
    result,
    subscribe,
)

pytestmark = pytest.mark.embedded


async def filled(data_dir: Path, clock: HandClock, amount: int = 50) -> Store:
    store = await open_store(data_dir, clock)
    await store.put_connection(connection("con_1", status="active", credentials={"api_key": "theirs"}))
    await store.put_connection(connection("con_2", status="removing"))
    await subscribe(store)
    for number in range(amount):
        await accept(store, number)
    await store.accept(quarantined(1000), [])
    return store


def put_back(copy: Path, data_dir: Path) -> None:
    (data_dir / FILE).write_bytes(copy.read_bytes())


async def test_a_copy_goes_on_from_where_it_was_made(data_dir: Path, clock: HandClock, tmp_path: Path) -> None:
    store = await filled(data_dir, clock)
    delivered = await store.claim(1, 10, 45.0)
    await store.settle([result(each) for each in delivered])
    size = await asyncio.to_thread(backup, data_dir, tmp_path / "copy")
    await accept(store, 99)
    await store.close()
    put_back(tmp_path / "copy", data_dir)

    again = await open_store(data_dir, clock)
    assert size == (tmp_path / "copy").stat().st_size
    assert len(await again.events(limit=500)) == 50
    assert len(await again.receipts(status="quarantined")) == 1
    waiting = await again.claim(1, 100, 45.0)
    assert len(waiting) == 40
    assert {each.delivery for each in waiting}.isdisjoint({each.delivery for each in delivered})
    assert (await accept(again, 1)).status == "duplicate"
    await again.close()


async def test_connections_of_a_copy_need_a_repair_once(data_dir: Path, clock: HandClock, tmp_path: Path) -> None:
    store = await filled(data_dir, clock)
    await asyncio.to_thread(backup, data_dir, tmp_path / "copy")
    assert [each.status for each in await store.connections()] == ["active", "removing"]
    await store.close()
    put_back(tmp_path / "copy", data_dir)

    again = await open_store(data_dir, clock)
    first, second = await again.connections()
    assert (first.status, first.restored, first.credentials) == ("needs_repair", True, {"api_key": "theirs"})
    assert (second.status, second.restored) == ("removing", False)
    repaired = await again.put_connection(replace(first, status="active", restored=False))
    await again.close()
    later = await open_store(data_dir, clock)
    assert (await later.connections())[0] == repaired
    await later.close()


async def test_the_log_of_another_database_is_put_aside(data_dir: Path, clock: HandClock, tmp_path: Path) -> None:
    store = await filled(data_dir, clock)
    await asyncio.to_thread(backup, data_dir, tmp_path / "copy")
    for number in range(200, 250):
        await accept(store, number)
    left = {name: content for name, content in contents(data_dir).items() if name != "gateway.lock"}
    await store.close()
    for name, content in left.items():  # as a killed process leaves it
        (data_dir / name).write_bytes(content)
    put_back(tmp_path / "copy", data_dir)

    again = await open_store(data_dir, clock)
    assert len(await again.events(limit=500)) == 50
    assert contents(data_dir)[f"{FILE}-wal.replaced"] == left[f"{FILE}-wal"]
    await again.close()


async def test_it_is_made_while_calls_come_in_and_is_of_one_moment(
    data_dir: Path, clock: HandClock, tmp_path: Path
) -> None:
    store = await filled(data_dir, clock)

    async def load(first: int) -> None:
        for number in range(first, first + 200):
            await store.accept(receipt(number), [event(number), event(number + 100_000)])

    async def copy(name: str) -> None:
        await asyncio.to_thread(backup, data_dir, tmp_path / name)

    await asyncio.gather(*[load(each) for each in range(2000, 6000, 1000)], *[copy(each) for each in "abc"])
    await store.close()
    for name in "abc":
        put_back(tmp_path / name, data_dir)
        again = await open_store(data_dir, clock)
        counts = await again.counts()
        assert counts.events == 50 + 2 * (counts.understood - 50)
        assert counts.deliveries["dst_1", "pending"] == counts.events
        await again.close()


async def test_it_goes_to_the_disk_in_small_steps_between_which_others_have_it(
    data_dir: Path, clock: HandClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await open_store(data_dir, clock)
    await asyncio.gather(*(store.accept(receipt(n, inbound=bytes(200_000)), [event(n)]) for n in range(100)))
    await store.close()
    steps: list[int] = []
    rests: list[float] = []

    def sync(handle: int) -> None:
        steps.append(os.fstat(handle).st_size)
        os.fsync(handle)

    monkeypatch.setattr("gateway.store.engines.sqlite_backup.os.fdatasync", sync)
    monkeypatch.setattr("gateway.store.engines.sqlite_backup.time.sleep", rests.append)
    size = backup(data_dir, tmp_path / "copy")

    assert size > 20_000_000
    assert max(later - earlier for earlier, later in pairwise([0, *steps, size])) <= 2 * STEP
    assert len(rests) == len(steps)
    assert min(rests) > 0


async def test_it_is_private_and_needs_its_key(data_dir: Path, clock: HandClock, tmp_path: Path) -> None:
    store = await filled(data_dir, clock)
    await asyncio.to_thread(backup, data_dir, tmp_path / "copy")
    await store.close()
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o600
    assert b"theirs" not in (tmp_path / "copy").read_bytes()
    put_back(tmp_path / "copy", data_dir)
    with pytest.raises(ConfigurationError, match="GATEWAY_SECRET_KEYS"):
        await open_store(data_dir, clock, OTHER_KEYS)


def there_already(_: Path, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"precious")


def a_dead_link(_: Path, target: Path) -> None:
    target.parent.mkdir()
    target.symlink_to("elsewhere")


def no_folder(_: Path, target: Path) -> None:
    del target


def damaged(data_dir: Path, target: Path) -> None:
    target.parent.mkdir()
    whole = (data_dir / FILE).read_bytes()
    (data_dir / FILE).write_bytes(whole[:8192] + b"\xff" * (len(whole) - 12288) + whole[-4096:])


def cut_short(data_dir: Path, target: Path) -> None:
    target.parent.mkdir()
    whole = (data_dir / FILE).read_bytes()
    (data_dir / FILE).write_bytes(whole[: len(whole) // 2])


def no_database(data_dir: Path, target: Path) -> None:
    target.parent.mkdir()
    (data_dir / FILE).unlink()


def somebody_elses(data_dir: Path, target: Path) -> None:
    target.parent.mkdir()
    (data_dir / FILE).write_bytes(b"something else" * 100)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (there_already, "exists: name a file that does not"),
        (a_dead_link, "exists: name a file that does not"),
        (no_folder, "cannot be written"),
        (damaged, "is damaged"),
        (cut_short, "is damaged"),
        (no_database, "there is no database"),
        (somebody_elses, "not a database"),
    ],
)
async def test_what_cannot_be_copied_rightly_is_not_copied(
    data_dir: Path,
    clock: HandClock,
    tmp_path: Path,
    spoil: Callable[[Path, Path], None],
    words: str,
) -> None:
    await (await filled(data_dir, clock)).close()
    target = tmp_path / "folder" / "copy"
    spoil(data_dir, target)
    before = files(target.parent)

    with pytest.raises(ConfigurationError, match=words) as told:
        backup(data_dir, target)
    assert "\n" not in str(told.value)
    assert files(target.parent) == before


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*") if path.is_file()}

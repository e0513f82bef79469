"""Everything moves from the embedded database into PostgreSQL, once, and nothing is there before all is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gateway.contract.errors import ConfigurationError
from gateway.sealing import KeyRing
from gateway.store.engines import moving, sqlite_file
from gateway.store.engines.moving import move
from gateway.store.store import Store
from tests.postgres import new_database
from tests.store.samples import KEYS, accept, connection, quarantined, receipt, result, subscribe


async def furnish(directory: Path) -> None:
    """Make a store with something of everything: delivered, dead, claimed and waiting."""
    store = await Store.open(directory, KeyRing.parse(KEYS))
    await store.put_connection(connection())
    destination = await subscribe(store)
    for number in range(30):
        await accept(store, number, key=f"b{number % 7}")
    await store.accept(quarantined(99), [])
    for outcome in ("delivered", "dead"):
        claimed = await store.claim(destination.number, 2, 45.0)
        await store.settle([result(each, outcome) for each in claimed])
    await store.claim(destination.number, 1, 45.0)
    await store.audit.add("key_1", "create_key", "a\0b")
    await store.close()


async def opened(url: str, directory: Path) -> Store:
    return await Store.open(directory, KeyRing.parse(KEYS), url=url)


async def everything(store: Store) -> Any:
    deliveries = await store.deliveries(limit=500)
    return (
        [(e.seq, e.body) for e in await store.events(limit=500)],
        [(d.id, d.status, d.attempt, d.last_status) for d in deliveries],
        await store.counts(),
        await store.connections(),
        await store.destinations(),
        await store.receipts(status="quarantined"),
    )


def silent(*_: object) -> None:
    """Say nothing."""


def failing_at(table: str, calls: int) -> Callable[[str, int, int], None]:
    """Fail at a later sign of progress of one table, as a process that is killed does."""
    seen = []

    def progress(name: str, *_: int) -> None:
        if name == table:
            seen.append(name)
        if len(seen) > calls:
            raise KeyboardInterrupt

    return progress


async def test_what_is_moved_is_all_there_and_goes_on(tmp_path: Path) -> None:
    await furnish(tmp_path / "data")
    url = new_database()
    moved = move(tmp_path / "data", url, silent)
    (tmp_path / "data" / sqlite_file.MOVED).unlink()
    before = await Store.open(tmp_path / "data", KeyRing.parse(KEYS))
    after = await opened(url, tmp_path / "other")
    assert await everything(after) == await everything(before)
    assert moved["events"] == 30
    assert (await accept(after, 3)).status == "duplicate"
    assert (await accept(after, 500)).status == "accepted"
    await after.audit.add("key_1", "revoke_key", "key_2")
    assert [act.object for act in await after.audit.list()] == ["a\ufffdb", "key_2"]
    await before.close()
    await after.close()


async def test_what_was_delivered_is_not_sent_again_and_what_waits_is(tmp_path: Path) -> None:
    await furnish(tmp_path / "data")
    url = new_database()
    move(tmp_path / "data", url, silent)
    store = await opened(url, tmp_path / "other")
    (destination,) = await store.destinations()
    waiting = {d.event for d in await store.deliveries(status="pending", limit=500)}
    sent = []
    while claimed := await store.claim(destination.number, 16, 45.0):
        sent += [each.event_id for each in claimed]
        await store.settle([result(each) for each in claimed])
    assert len(sent) == len(set(sent))
    assert set(sent) < waiting  # what was being tried, and its followers, come when the lease is over
    assert len(waiting) == 26
    await store.close()


async def test_an_interrupted_move_goes_on_and_no_gateway_starts_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "SLICE", 4)
    await furnish(tmp_path / "data")
    url = new_database()
    with pytest.raises(KeyboardInterrupt):
        move(tmp_path / "data", url, failing_at("events", 3))
    with pytest.raises(ConfigurationError, match="not finished"):
        await opened(url, tmp_path / "other")
    told: list[tuple[str, int, int]] = []
    move(tmp_path / "data", url, lambda *each: told.append(each))
    assert next(done for name, done, _ in told if name == "events") == 12
    store = await opened(url, tmp_path / "other")
    assert len(await store.events(limit=500)) == 30
    await store.close()


@pytest.mark.embedded
async def test_what_was_moved_is_not_started_where_it_was_until_somebody_says_so(tmp_path: Path) -> None:
    await furnish(tmp_path / "data")
    with pytest.raises(KeyboardInterrupt):
        move(tmp_path / "data", new_database(), failing_at("events", 1))
    await (await Store.open(tmp_path / "data", KeyRing.parse(KEYS))).close()  # it was not finished: all is here
    move(tmp_path / "data", new_database(), silent)
    with pytest.raises(ConfigurationError, match="was moved to PostgreSQL") as refused:
        await Store.open(tmp_path / "data", KeyRing.parse(KEYS))
    mark = tmp_path / "data" / sqlite_file.MOVED
    assert str(mark) in str(refused.value)
    move(tmp_path / "data", new_database(), silent)  # it may be moved again, to a better place
    mark.unlink()
    await (await Store.open(tmp_path / "data", KeyRing.parse(KEYS))).close()


async def test_a_gateway_that_runs_is_not_moved(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "data", KeyRing.parse(KEYS))
    with pytest.raises(ConfigurationError, match="in use"):
        move(tmp_path / "data", new_database(), silent)
    await store.close()


async def test_a_database_that_is_in_use_is_not_moved_into(tmp_path: Path) -> None:
    await furnish(tmp_path / "data")
    url = new_database()
    store = await opened(url, tmp_path / "other")
    await store.accept(receipt(1), [])
    await store.close()
    with pytest.raises(ConfigurationError, match="not empty"):
        move(tmp_path / "data", url, silent)


async def test_a_difference_is_found(tmp_path: Path) -> None:
    await furnish(tmp_path / "data")
    url = new_database()

    def spoil(table: str, done: int, rows: int) -> None:
        if table == "tokens" and done == rows:
            with psycopg.connect(url, autocommit=True) as db:
                db.execute("UPDATE bodies SET sealed = 'x' WHERE event = 7")

    with pytest.raises(ConfigurationError, match="table bodies differs: 30 rows"):
        move(tmp_path / "data", url, spoil)

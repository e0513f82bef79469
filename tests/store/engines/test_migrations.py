"""Every schema that was ever released is brought to the newest one, with all that was in it."""

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest

from gateway.contract.errors import ConfigurationError
from gateway.store.engines import postgres_schema, sqlite_file
from gateway.store.statements import migrations
from tests.store.engines.older import Older, Rows, at_version, look_into
from tests.store.samples import DATABASES, KEYS, START, HandClock, accept, event, open_store, receipt, result
from tests.store.test_statements import SQL

NEWEST = len(migrations())
RELEASED = {
    "0001.postgres.sql": "f16a90293a7b4856fa6057e90803e99a2c590f878852ee248b16af39b8f70eb0",
    "0001.sql": "c22968b6c81b94a9a10f08e2ca90fae88ad34cd731a2a61772850ef0be4d959c",
    "0002.postgres.sql": "023d052a1efe0237122ce128ccccaa12432e09c69875402b8744c3093169680c",
    "0002.sql": "bedb6303a7774d9fa047795b2c04221f228d7e39016e0f6f2398b796f95cfb9f",
    "0002.sqlite.sql": "071631b438c0ac2098573edc24ffdc712ab81e4dd9058963ec929e25af42669d",
    "0003.sql": "b4825848b98498ecc989939d7b20bc1dbd83464660ada4c40e662b966cf94aff",
    "0004.sql": "dfacc52c2c1a265e91ef89daed02c59e4db21fe0cecd286c68f1b1bd2d50414b",
    "0005.sql": "4b5d9f19e4fe0698a28df74fc2c2d039d826be728f1f6e053e95a669e3a7c354",
}
"""What each step is, by the SHA-256 of its file. A released one is never changed: a database that has it keeps what it
was then. Write a further one."""
MOVED = {("head", "sealed")}
"""Columns that a later step took away, because what they held is elsewhere."""
TICKS = {("head", "clock")}
"""What every start writes."""

# with --store postgres a directory without a database is none of the embedded store's, but gets one
engines = pytest.mark.parametrize("engine", [pytest.param("sqlite", marks=pytest.mark.embedded), "postgres"])
versions = pytest.mark.parametrize("version", range(NEWEST))


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "data"
    DATABASES.pop(tmp_path / "data", None)


def everything(database: Older) -> dict[str, Rows]:
    return {table: database.rows(table) for table in database.tables()}


async def brought_up(engine: str, directory: Path, version: int) -> tuple[dict[str, Rows], dict[str, Rows], list[Any]]:
    """Start a gateway on one of this version: its rows before and after, and what its schema is made of then."""
    older = at_version(engine, directory, version)
    before = everything(older)
    older.close()
    await (await open_store(directory, HandClock())).close()
    newer = look_into(engine, directory)
    after, catalogue = everything(newer), newer.catalogue()
    newer.close()
    return before, after, catalogue


@engines
@versions
async def test_its_schema_is_that_of_a_new_one(engine: str, directory: Path, version: int, tmp_path: Path) -> None:
    _, _, catalogue = await brought_up(engine, directory, version)
    _, _, new = await brought_up(engine, tmp_path / "new", 0)
    assert catalogue == new


@engines
@versions
async def test_every_value_is_still_where_it_was(engine: str, directory: Path, version: int) -> None:
    before, after, _ = await brought_up(engine, directory, version)
    assert bool(before.get("events")) == (version > 0)
    for table, rows in before.items():
        assert all(version < 1 or row for row in rows)
        kept = [{name: row.get(name) for name in was} for row, was in zip(after[table], rows, strict=True)]
        expected = [_without(table, row) for row in rows]
        assert [_without(table, row) for row in kept] == expected


def _without(table: str, row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if (table, name) not in MOVED | TICKS}


@engines
@versions
async def test_a_gateway_goes_on_with_what_it_finds(
    engine: str, directory: Path, version: int, clock: HandClock
) -> None:
    at_version(engine, directory, version).close()
    store = await open_store(directory, clock)
    if version:
        assert [(e.seq, e.body) for e in await store.events()] == [(1, b'{"event":1}'), (2, b'{"event":2}')]
        assert [(d.name, d.url) for d in await store.destinations()] == [
            ("dst_1", "https://dst_1.example"),
            ("dst_2", "https://dst_2.example"),
        ]
        assert ([c.status for c in await store.connections()], [k.id for k in await store.keys()]) == (
            ["active"],
            ["key_1"],
        )
        assert [t.token for t in await store.tokens()] == ["t" * 32]
        assert [r.reason for r in await store.receipts(status="quarantined")] == ["data.start: not a time"]
        statuses = [(d.status, d.attempt, d.last_error) for d in await store.deliveries()]
        assert statuses == [("delivered", 1, None), ("pending", 0, None), ("dead", 2, "timed out")]
        assert (await store.accept(receipt(1), [event(1)])).status == "duplicate"
        (claimed,) = await store.claim(1, 10, 45.0)
        await store.settle([result(claimed)])
        assert (await store.counts()).deliveries["dst_1", "delivered"] == 2
    assert (await accept(store, 50)).status == "accepted"
    assert (await store.counts()).events == (3 if version else 1)
    await store.close()


@engines
async def test_events_of_before_count_their_age_from_when_their_call_came(engine: str, directory: Path) -> None:
    _, after, _ = await brought_up(engine, directory, 1)
    assert [row["accepted_at"] for row in after["events"]] == [START - 4999, START - 60_000]


@engines
async def test_the_keys_that_sealed_it_are_asked_for_afterwards(engine: str, directory: Path) -> None:
    await brought_up(engine, directory, 1)
    with pytest.raises(ConfigurationError, match="GATEWAY_SECRET_KEYS"):
        await open_store(directory, keys="B" * 42 + "A")
    await (await open_store(directory, keys=KEYS)).close()


@engines
@versions
async def test_a_step_that_fails_leaves_what_was_there_and_the_next_start_goes_on(
    engine: str, directory: Path, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = at_version(engine, directory, version)
    before = everything(older)
    older.close()
    broken = (*migrations(engine)[:version], "CREATE TABLE half (done INTEGER); INSERT INTO nowhere VALUES (1);")
    with monkeypatch.context() as patched:
        for module in (sqlite_file, postgres_schema):
            patched.setattr(module, "migrations", lambda *_: broken)
        with pytest.raises((ConfigurationError, apsw.SQLError)):
            await open_store(directory)
    newer = look_into(engine, directory)
    assert everything(newer) == before
    newer.close()
    await (await open_store(directory)).close()


def test_a_released_step_is_never_changed() -> None:
    files = [file for file in (SQL / "migrations").iterdir() if file.name.endswith(".sql")]
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    assert found == RELEASED


async def test_several_that_start_at_once_bring_it_up_once(directory: Path) -> None:
    at_version("postgres", directory, 1).close()
    for store in await asyncio.gather(*(open_store(directory) for _ in range(4))):
        await store.close()
    with psycopg.connect(DATABASES[directory]) as db:
        rows = db.execute("SELECT version FROM schema_version ORDER BY 1").fetchall()
    assert [version for (version,) in rows] == list(range(1, NEWEST + 1))

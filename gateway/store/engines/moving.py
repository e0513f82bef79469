"""Move everything from the embedded database into an empty one of PostgreSQL's.

Row for row, a little in each transaction, together with the mark of how far it has come: whoever is interrupted begins
again and goes on there. At the end both sides are read once more and compared, count and digest. The source is only
read, and held meanwhile, so that no gateway changes it; at the end a mark beside it says that it is over there.
"""
# ruff: noqa: S608 -- tables and columns are those of our own schema

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import msgspec
import psycopg

from gateway.contract.errors import ConfigurationError
from gateway.store.engines import sqlite_file
from gateway.store.engines.postgres_schema import Connection, bring_up
from gateway.store.engines.postgres_tx import kept
from gateway.store.engines.postgres_words import said

SLICE = 5000
"""Rows in one transaction."""
FETCH = 2000
MARK = "moving"
"""A table of the target while it is not whole: no gateway starts on it."""
_KINDS = {"INTEGER": "int8", "BLOB": "bytea", "TEXT": "text"}
_encode = msgspec.msgpack.Encoder().encode

Progress = Callable[[str, int, int], None]
"""Told of a table, the rows of it that are there, and how many it has."""


class Table(NamedTuple):
    """One table of the source. `order`: what its rows are read by, an alias of the row's number or its key."""

    name: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    order: str
    rows: int


def move(data_dir: Path, url: str, progress: Progress) -> dict[str, int]:
    """Copy all, compare, and make it ready for gateways; answer how many rows each table has.

    Raises ConfigurationError: the source is in use or damaged, the target is not empty or not reached, or they differ.
    """
    with _source(data_dir) as source:
        try:
            with psycopg.connect(url, autocommit=True, connect_timeout=5) as target:
                return _move(source, target, progress, partial(sqlite_file.mark_moved, data_dir))
        except psycopg.Error as error:
            raise ConfigurationError(
                f"the database to move to: {said(error)}. Nothing is lost: the same command goes on where it was"
            ) from None


def _move(source: apsw.Connection, target: Connection, progress: Progress, leave: Callable[[], None]) -> dict[str, int]:
    bring_up(target, moving=True)
    if not target.execute("SELECT pg_try_advisory_lock(hashtext(%s))", [MARK]).fetchall()[0][0]:
        raise ConfigurationError("another process is moving into that database just now")
    _begin(target)
    tables = list(_tables(source))
    for table in tables:
        _copy(source, target, table, progress)
    for table in tables:
        _compare(source, target, table)
    leave()  # before gateways can start on the target: at no time both can
    _finish(target)
    return {table.name: table.rows for table in tables}


@contextlib.contextmanager
def _source(data_dir: Path) -> Iterator[apsw.Connection]:
    path = data_dir / sqlite_file.FILE
    if not path.exists():
        raise ConfigurationError(f"there is no database in {data_dir}: say with --from where it is")
    handle = sqlite_file.lock(data_dir)
    try:
        sqlite_file.prepare(path)
        db = sqlite_file.connect(path)
        try:
            sqlite_file.examine(db, path)
            sqlite_file.migrate(db)
            yield db
        finally:
            db.close()
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise ConfigurationError(f"{path} is damaged: {error}. Restore it from a backup") from None
    finally:
        os.close(handle)


def _tables(db: apsw.Connection) -> Iterator[Table]:
    name: Any
    rows: Any
    listed = (
        "SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite%'"
    )
    for name, keyed in db.execute(f"{listed} ORDER BY name").fetchall():
        columns = db.execute("SELECT name, type FROM pragma_table_info(?)", [name]).fetchall()
        (rows,) = db.execute(f"SELECT count(*) FROM {name}").fetchall()[0]
        names, kinds = zip(*columns, strict=True)
        yield Table(name, names, tuple(_KINDS[kind] for kind in kinds), names[0] if keyed else "rowid", rows)


def _begin(target: Connection) -> None:
    """Mark the target, unless it is: it must be empty then."""
    if _marked(target):
        return
    for name in ("receipts", "events", "keys", "tokens", "connections", "destinations"):
        if target.execute(f"SELECT 1 FROM {name} LIMIT 1".encode()).fetchone():
            raise ConfigurationError(
                "the database to move to is not empty: give a new one. One that a gateway was started on is not new"
            )
    with target.transaction():
        target.execute(
            f"CREATE TABLE {MARK} (name TEXT PRIMARY KEY, place BYTEA NOT NULL, done BIGINT NOT NULL)".encode()
        )
        target.execute("DELETE FROM head")


def _marked(target: Connection) -> bool:
    return target.execute("SELECT to_regclass(%s) IS NOT NULL", [MARK]).fetchall()[0][0] is True


def _copy(source: apsw.Connection, target: Connection, table: Table, progress: Progress) -> None:
    """Copy what is not there yet. The mark moves with the rows, in one commit."""
    place, done = _place(target, table)
    progress(table.name, done, table.rows)
    into = f"COPY {table.name} ({', '.join(table.columns)}) FROM STDIN (FORMAT BINARY)".encode()
    while True:
        with target.transaction():
            before = done
            with target.cursor() as cursor, cursor.copy(into) as copy:
                copy.set_types(table.kinds)
                for place, *row in _slice(source, table, place):  # noqa: B007, B020 -- the next slice begins after the last
                    copy.write_row(list(map(kept, row)))
                    done += 1
            if done == before:
                return
            target.execute(
                f"INSERT INTO {MARK} VALUES (%s, %s, %s) ON CONFLICT (name)"
                " DO UPDATE SET place = excluded.place, done = excluded.done".encode(),
                [table.name, _encode(place), done],
            )
        progress(table.name, done, table.rows)


def _place(target: Connection, table: Table) -> tuple[Any, int]:
    row = target.execute(f"SELECT place, done FROM {MARK} WHERE name = %s".encode(), [table.name]).fetchone()
    return (msgspec.msgpack.decode(row[0]), row[1]) if row else (None, 0)


def _slice(source: apsw.Connection, table: Table, place: Any) -> Iterable[tuple[Any, ...]]:
    chosen = f"SELECT {table.order}, {', '.join(table.columns)} FROM {table.name}"
    after = "" if place is None else f" WHERE {table.order} > ?"
    given = [SLICE] if place is None else [place, SLICE]
    return source.execute(f"{chosen}{after} ORDER BY {table.order} LIMIT ?", given)


def _compare(source: apsw.Connection, target: Connection, table: Table) -> None:
    chosen = f"SELECT {', '.join(table.columns)} FROM {table.name}"
    ours = _digest(tuple(map(kept, row)) for row in source.execute(chosen))
    with target.transaction(), target.cursor(f"all_{table.name}", binary=True) as cursor:
        cursor.itersize = FETCH
        cursor.execute(chosen.encode())
        theirs = _digest(cursor)
    if ours != theirs:
        raise ConfigurationError(
            f"table {table.name} differs: {ours[0]} rows were to be moved, {theirs[0]} are there."
            " Give another empty database, and say so to whoever maintains this program"
        )


def _digest(rows: Iterable[tuple[Any, ...]]) -> tuple[int, int]:
    """Sum up rows whatever their order: how many, and the sum of their digests."""
    count = total = 0
    for row in rows:
        count += 1
        total += int.from_bytes(hashlib.sha256(_encode(row)).digest()[:16], "big")
    return count, total % (1 << 128)


def _finish(target: Connection) -> None:
    """Write what the embedded database keeps in memory, number what comes next, and take the mark away."""
    with target.transaction():
        for key, number, table, mark in (
            ("digest", "number", "receipts", "known_receipt"),
            ("id", "seq", "events", "known_event"),
        ):
            recent = f"SELECT {key}, {number} FROM {table} WHERE {number} > (SELECT {mark} FROM head)"
            target.execute(f"INSERT INTO known {recent} ON CONFLICT DO NOTHING".encode())
        target.execute(
            "SELECT setval(pg_get_serial_sequence('audit', 'number'),"
            " (SELECT coalesce(max(number), 0) + 1 FROM audit), false)"
        )
        target.execute(f"DROP TABLE {MARK}".encode())
    target.execute("ANALYZE")

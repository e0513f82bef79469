"""Statements on one PostgreSQL connection: the same texts as elsewhere, in PostgreSQL's words.

A list is one parameter (`= ANY`), and many rows are one statement over arrays (`unnest`), so that a batch costs a round
trip a statement and few texts have to be prepared.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import psycopg

from gateway.store.engines.engine import Row, Value
from gateway.store.statements import Statement

Types = Mapping[tuple[str, str], str]
"""The type of each column, by table and name."""

_WORDS = (
    (re.compile(r"\bINTEGER\b"), "BIGINT"),
    (re.compile(r"\bBLOB\b"), "BYTEA"),
    (re.compile(r"\) WITHOUT ROWID"), ")"),
)
_LIST = re.compile(r"\bIN \(:(\w+)\*\)")
_PLACE = re.compile(r":(\w+)")
_INSERT = re.compile(r"INSERT INTO (\w+) \(([^()]*)\) VALUES \(([^()]*)\)(.*)")


class PostgresTx:
    """A `Tx` on a connection, inside whatever transaction that is in.

    `begin` is called before the first statement: what is computed until then keeps no other process from writing.
    """

    def __init__(self, db: "psycopg.Connection[Any]", types: Types, begin: Callable[[], object] | None = None) -> None:
        self._db = db
        self._types = types
        self._begin = begin

    def begin(self) -> None:
        """Begin, if nothing did."""
        begin, self._begin = self._begin, None
        if begin is not None:
            begin()

    def run(self, statement: Statement, **values: Value | Sequence[Value]) -> list[Row]:
        self.begin()
        with self._db.cursor(binary=True) as cursor:
            cursor.execute(text(statement), {name: kept(value) for name, value in values.items()})
            return cursor.fetchall() if _answers(statement) else []

    def many(self, statement: Statement, rows: Sequence[Row]) -> None:
        if not rows:
            return
        self.begin()
        with self._db.cursor() as cursor:
            if statement.text.startswith("INSERT"):
                cursor.execute(_over_arrays(statement, tuple(_columns(statement, self._types))), _turned(rows))
            else:
                names = _PLACE.findall(statement.text)
                cursor.executemany(text(statement), [dict(zip(names, map(kept, row), strict=True)) for row in rows])


def in_its_words(sql: str) -> str:
    """Write a schema or a statement with PostgreSQL's names of types."""
    for word, its in _WORDS:
        sql = word.sub(its, sql)
    return sql


@cache
def _answers(statement: Statement) -> bool:
    changes = any(f"{word} " in statement.text for word in ("INSERT INTO", "UPDATE", "DELETE FROM"))
    return not changes or " RETURNING " in statement.text


@cache
def text(statement: Statement) -> bytes:
    """Write a statement with psycopg's places: `%(name)s`."""
    sql = _LIST.sub(r"= ANY(%(\1)b)", in_its_words(statement.text).replace("%", "%%"))
    return _PLACE.sub(r"%(\1)s", sql).encode()


def _columns(statement: Statement, types: Types) -> list[tuple[str, str]]:
    """Name the values of an insert in their order, and the types of the columns that they are for."""
    table, columns, values, _ = _parts(statement)
    return [(value[1:], types[table, column]) for column, value in zip(columns, values, strict=True) if value[0] == ":"]


@cache
def _parts(statement: Statement) -> tuple[str, list[str], list[str], str]:
    matched = _INSERT.fullmatch(statement.text)
    assert matched is not None, f"{statement.name} is no insert of rows"
    table, columns, values, rest = matched.groups()
    return table, columns.split(", "), values.split(", "), rest


@cache
def _over_arrays(statement: Statement, named: tuple[tuple[str, str], ...]) -> bytes:
    table, columns, values, rest = _parts(statement)
    arrays = ", ".join(f"%b::{kind}[]" for _, kind in named)
    names = ", ".join(f'"{name}"' for name, _ in named)
    chosen = ", ".join(f'new."{value[1:]}"' if value[0] == ":" else value for value in values)
    into = f"INSERT INTO {table} ({', '.join(columns)})"
    return f"{into} SELECT {chosen} FROM unnest({arrays}) AS new({names}){rest}".encode()  # noqa: S608 -- of our own statements


def _turned(rows: Sequence[Row]) -> list[list[Value]]:
    return [list(map(kept, column)) for column in zip(*rows, strict=True)]


def kept(value: Any) -> Any:
    """Write what PostgreSQL's text cannot hold, NUL, as the character for what could not be written."""
    return value.replace("\0", "\ufffd") if type(value) is str and "\0" in value else value

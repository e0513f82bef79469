"""Statements on one SQLite connection.

Each step of SQLite gives up the interpreter, and getting it back from a busy event loop is what costs (measured: up to
5 ms a step). So many rows are written by one statement with many VALUES, and numbers of rows come in powers of two, so
that few different texts have to be prepared.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

import apsw

from gateway.store.engines.engine import Row, Value
from gateway.store.statements import Statement

MOST_ROWS = 64
_PLACE = re.compile(r":(\w+)(\*?)")
_VALUES = re.compile(r"VALUES (\([^()]*\))")


class SqliteTx:
    """A `Tx` on a connection, inside whatever transaction that is in."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    def run(self, statement: Statement, **values: Value | Sequence[Value]) -> list[Row]:
        bound: list[Value] = []
        sizes: list[int] = []
        for name, is_list in _places(statement):
            value: Any = values[name]
            if is_list:
                sizes.append(_rounded(len(value)))
                bound += [*value, *[value[-1]] * (sizes[-1] - len(value))]  # IN does not mind repeats
            else:
                bound.append(value)
        return self._db.execute(_text(statement, tuple(sizes)), bound).fetchall()

    def many(self, statement: Statement, rows: Sequence[Row]) -> None:
        if not statement.text.startswith("INSERT"):
            if rows:
                self._db.executemany(_text(statement, ()), rows)
            return
        for start, size in _chunks(len(rows)):
            values = list(chain.from_iterable(rows[start : start + size]))
            self._db.execute(_multiplied(statement, size), values)


@cache
def _places(statement: Statement) -> tuple[tuple[str, bool], ...]:
    return tuple((name, bool(star)) for name, star in _PLACE.findall(statement.text))


@cache
def _text(statement: Statement, sizes: tuple[int, ...]) -> str:
    left = iter(sizes)
    return _PLACE.sub(lambda place: ",".join("?" * next(left)) if place[2] else "?", statement.text)


@cache
def _multiplied(statement: Statement, times: int) -> str:
    head, row, tail = _VALUES.split(_text(statement, ()))
    return f"{head}VALUES {','.join([row] * times)}{tail}"


def _rounded(size: int) -> int:
    return 1 << (size - 1).bit_length()


def _chunks(size: int) -> Iterator[tuple[int, int]]:
    start = 0
    while size:
        part = min(MOST_ROWS, 1 << (size.bit_length() - 1))
        yield start, part
        start, size = start + part, size - part

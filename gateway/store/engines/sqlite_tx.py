"""Statements on one SQLite connection.

Each step of SQLite gives up the interpreter, and getting it back from a busy event loop is what costs (measured: up to
5 ms a step). So many rows are written by one statement with as many VALUES; the connection keeps them prepared. How
many values a list has comes in powers of two, so that few different texts have to be prepared.
"""

import re
from collections.abc import Sequence
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
        for start in range(0, len(rows), MOST_ROWS):
            some = rows[start : start + MOST_ROWS]
            self._db.execute(_multiplied(statement, len(some)), list(chain.from_iterable(some)))


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

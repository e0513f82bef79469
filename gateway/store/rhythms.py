"""How often a connection is called: what silence is measured by."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

from msgspec import Struct

from gateway.store.engines.engine import Tx
from gateway.store.statements import load

R = TypeVar("R")

MOST = 500_000
"""So many of the newest calls, of all connections, are looked at: a fraction of a second."""

_sql = load("rhythms")


class Rhythm(Struct, frozen=True, kw_only=True):
    """The calls of one connection: how many, the first and the last (epoch ms), the longest pause between two (ms)."""

    calls: int
    first: int
    last: int
    longest: int


class Reader(Protocol):
    """Runs a query on a snapshot."""

    def __call__(self, query: Callable[[Tx], R], /) -> Awaitable[R]: ...


class Rhythms:
    """Queries about calls. Raises StoreUnavailable."""

    def __init__(self, read: Reader) -> None:
        self._read = read

    async def of(self, connection_id: str, since: int) -> Rhythm:
        """Measure the calls of a connection from `since` (epoch milliseconds) on."""
        return await self._read(partial(_rhythm, connection=connection_id, since=since))


def _rhythm(tx: Tx, *, connection: str, since: int) -> Rhythm:
    calls, first, last, longest = tx.run(_sql.rhythm, connection=connection, since=since, most=MOST)[0]
    return Rhythm(calls=calls, first=first or 0, last=last or 0, longest=longest or 0)

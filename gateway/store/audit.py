"""The audit log: who did what to which object. Ids and words of ours alone, nothing of a person."""

from collections.abc import Sequence
from functools import partial

from msgspec import Struct

from gateway.store.engines.engine import Engine, Row, Tx
from gateway.store.ids import LARGEST
from gateway.store.statements import load

ITSELF = "gateway"
"""Who acts when nobody asked."""
_sql = load("audit")


class Entry(Struct, frozen=True, kw_only=True):
    """One act. `key` is the id of the API key; `object` the id of what it was done to, if it has one."""

    number: int
    at: int
    key: str
    action: str
    object: str | None


class Audit:
    """Add to the log, and read it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def add(self, key: str, action: str, object_id: str | None = None) -> None:
        """Write an entry; it is on disk when this returns."""
        await self._engine.write(self._add, (key, action, object_id))

    async def list(
        self,
        *,
        key: str | None = None,
        action: str | None = None,
        object_id: str | None = None,
        after: int = 0,
        limit: int = 50,
    ) -> Sequence[Entry]:
        """List entries, oldest first."""
        return await self._engine.read(
            partial(_list, key=key, action=action, object=object_id, after=after, limit=limit)
        )

    async def newest(
        self,
        *,
        key: str | None = None,
        action: str | None = None,
        object_id: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> Sequence[Entry]:
        """List entries, newest first; `before` is the number of the last one of the page before."""
        return await self._engine.read(
            partial(_newest, key=key, action=action, object=object_id, before=before or LARGEST, limit=limit)
        )

    def _add(self, tx: Tx, items: Sequence[tuple[str, str, str | None]]) -> Sequence[None]:
        now = self._engine.now()
        tx.many(_sql.add, [(now, key, action, object_id) for key, action, object_id in items])
        return [None for _ in items]


def _list(tx: Tx, **asked: int | str | None) -> Sequence[Entry]:
    return [_entry(row) for row in tx.run(_sql.list, **asked)]


def _newest(tx: Tx, **asked: int | str | None) -> Sequence[Entry]:
    return [_entry(row) for row in tx.run(_sql.newest, **asked)]


def _entry(row: Row) -> Entry:
    number, at, key, action, object_id = row
    return Entry(number=number, at=at, key=key, action=action, object=object_id)

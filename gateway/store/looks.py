"""How far the looks at providers' bookings have come, and what was told of a booking."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

from msgspec import Struct
from msgspec.structs import asdict

from gateway.sealing import KeyRing, SealBroken
from gateway.store.engines.engine import Engine, Row, Tx
from gateway.store.ids import key_hash, receipt_id
from gateway.store.statements import load

_sql = load("held")

Reason = Literal["gap", "schedule", "asked"]


class Look(Struct, frozen=True, kw_only=True):
    """A look at one connection's bookings. Times are epoch milliseconds (UTC).

    `since`: changes from then on are looked for. `page`: where it goes on, in the provider's words. `finished_at` None:
    it is going on. `waiting`: bookings left out because a call about them is held. `covered`: all that happened at the
    provider before then is known here, as of the last look that ended.
    """

    connection: str
    reason: Reason
    since: int
    page: str | None = None
    begun_at: int
    finished_at: int | None = None
    seen: int = 0
    total: int | None = None
    missed: int = 0
    waiting: int = 0
    unread: int = 0
    error: str | None = None
    covered: int = 0


class LastTold(Struct, frozen=True, kw_only=True):
    """The event that says last what became of a booking. `body` is empty when it is not kept any more, or damaged."""

    type: str
    timestamp: int
    body: bytes


class Looks:
    """Part of the store."""

    def __init__(self, engine: Engine, keys: KeyRing) -> None:
        self._engine = engine
        self._keys = keys

    async def all(self) -> dict[str, Look]:
        """List the newest look of every connection that was ever looked at."""
        return await self._engine.read(_all)

    async def put(self, look: Look) -> None:
        """Write down how far a look has come."""
        await self._engine.write(_put, look)

    async def latest(self, keys: Sequence[str]) -> Mapping[str, LastTold]:
        """Find what was told last of some bookings, by when it happened; those that were never told of are left out."""
        return await self._engine.read(partial(self._latest, keys=keys)) if keys else {}

    async def held(self, keys: Sequence[str]) -> frozenset[str]:
        """Say about which of these bookings a call is held."""
        return await self._engine.read(partial(_held, keys=keys)) if keys else frozenset()

    async def latest_call(self, connection: str, token: str) -> str | None:
        """Name the newest receipt of a connection; else the newest that came to a URL and nobody recognised."""
        return await self._engine.read(partial(_latest_call, connection=connection, token=token))

    def _latest(self, tx: Tx, *, keys: Sequence[str]) -> dict[str, LastTold]:
        newest: dict[str, Row] = {}
        for row in tx.run(_sql.told, keys=[key_hash(key) for key in keys]):
            seq, _, _, key, at, _ = row
            if key not in newest or (at, seq) > (newest[key][4], newest[key][0]):
                newest[key] = row
        return {key: self._told(newest[key]) for key in keys if key in newest}

    def _told(self, row: Row) -> LastTold:
        _, event_id, kind, _, at, sealed = row
        try:
            body = b"" if sealed is None else self._keys.unseal(sealed, b"bodies:" + event_id)
        except SealBroken:
            body = b""
        return LastTold(type=kind, timestamp=at, body=body)


def _all(tx: Tx) -> dict[str, Look]:
    return {row[0]: Look(**dict(zip(Look.__struct_fields__, row, strict=True))) for row in tx.run(_sql.looks)}


def _put(tx: Tx, items: Sequence[Look]) -> list[None]:
    for look in items:
        tx.run(_sql.put_look, **asdict(look))
    return [None for _ in items]


def _latest_call(tx: Tx, *, connection: str, token: str) -> str | None:
    rows = tx.run(_sql.latest_call, connection=connection) or tx.run(_sql.latest_unclaimed, token=token)
    return receipt_id(rows[0][0]) if rows else None


def _held(tx: Tx, *, keys: Sequence[str]) -> frozenset[str]:
    found = {row[0] for row in tx.run(_sql.keys, keys=[key_hash(key) for key in keys])}
    return frozenset(key for key in keys if key_hash(key) in found)

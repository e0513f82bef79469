"""Change every seal to the newest key, a little at a time, so that older keys can be dropped.

How far it has come is a row, written with the seals that it tells of: a process may die anywhere and the next goes on.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from msgspec import Struct

from gateway.sealing import KeyRing, SealBroken
from gateway.store.configuration import mark_key
from gateway.store.engines.engine import Engine, Row, Tx
from gateway.store.statements import Statement, load

SLICE = 100
"""Seals in one transaction: others share it, so it must be over within milliseconds."""
_sql = load("resealing")


class Few(NamedTuple):
    """A table of few rows: all are read, and each is written by its id. `about`: what its seals are bound to."""

    read: Statement
    write: Statement
    about: str


FEW = {
    "connections": Few(_sql.all_connections, _sql.put_connection, "connections:"),
    "destinations": Few(_sql.all_destinations, _sql.put_destination, "destinations:"),
    "keys": Few(_sql.all_keys, _sql.put_key, "keys:"),
    "tokens": Few(_sql.all_tokens, _sql.put_token, "tokens:"),
    "erasures": Few(_sql.all_erasures, _sql.put_erasure, "erasures:"),
}


class Many(NamedTuple):
    """A table of many rows, changed in the order of their numbers. `position`: the column that says how far."""

    write: Statement
    about: bytes
    position: str


_INBOUND = Many(_sql.put_inbound, b"inbound:", "receipt")
_BODIES = Many(_sql.put_body, b"bodies:", "event")


class Done(NamedTuple):
    """Rows to write, and how many could not be opened: those stay as they are."""

    rows: list[tuple[Any, bytes]]
    broken: int


class State(Struct, frozen=True):
    """The change that is going on, or the last one. `receipt` and `event`: what is done, up to `last_...`."""

    key: bytes
    begun_at: int
    finished_at: int | None
    last_receipt: int
    last_event: int
    receipt: int
    event: int
    resealed: int
    broken: int


class Resealing:
    """The work, and what is known of it."""

    def __init__(self, engine: Engine, keys: KeyRing) -> None:
        self._engine = engine
        self._keys = keys

    async def state(self) -> State | None:
        """Say how far it has come; None when it was never asked for."""
        return await self._engine.read(_state)

    async def outdated(self) -> bool:
        """Tell whether anything may be sealed with another key than the newest."""
        used = await self._engine.read(_keys_in_use)
        return any(key != self._keys.newest for key in used)

    async def begin(self, key: str | None = None) -> None:
        """Begin anew, with a new key if one is given: everything that is written from now on is sealed with it."""
        if key is not None:
            self._keys.adopt(key)
        await self._engine.write(self._begin, None)

    async def step(self) -> bool:
        """Do a little more; False when there is nothing to do."""
        state = await self.state()
        if state is None or state.finished_at is not None:
            return False
        if state.key != self._keys.newest:  # yet another key was put in front meanwhile
            await self.begin()
            return True
        return await self._engine.write(self._step, None)

    def _begin(self, tx: Tx, items: Sequence[None]) -> list[None]:
        mark_key(tx, self._keys)
        tx.run(_sql.begin, key=self._keys.newest, now=self._engine.now())
        return [None for _ in items]

    def _step(self, tx: Tx, items: Sequence[None]) -> list[bool]:
        state = _state(tx)
        if state is None or state.finished_at is not None:
            return [False for _ in items]
        inbound = tx.run(_sql.some_inbound, after=state.receipt, last=state.last_receipt, limit=SLICE)
        bodies = [] if inbound else tx.run(_sql.some_bodies, after=state.event, last=state.last_event, limit=SLICE)
        if inbound:
            self._reseal(tx, state, inbound, _INBOUND)
        elif bodies:
            self._reseal(tx, state, bodies, _BODIES)
        else:
            self._finish(tx, state)
        return [bool(inbound or bodies) for _ in items]

    def _reseal(self, tx: Tx, state: State, rows: Sequence[Row], many: Many) -> None:
        done = self._resealed([(number, many.about + raw, sealed) for number, raw, sealed in rows])
        tx.many(many.write, [(sealed, number) for number, sealed in done.rows])
        reached = {"receipt": state.receipt, "event": state.event} | {many.position: rows[-1][0]}
        tx.run(_sql.reach, **reached, resealed=len(done.rows), broken=done.broken)

    def _finish(self, tx: Tx, state: State) -> None:
        """Change the few rows that configure, and say that the older keys are not needed any more."""
        for few in FEW.values():
            rows = [(name, f"{few.about}{name}".encode(), sealed) for name, sealed in tx.run(few.read)]
            done = self._resealed(rows)
            tx.many(few.write, [(sealed, name) for name, sealed in done.rows])
            tx.run(_sql.reach, receipt=state.receipt, event=state.event, resealed=len(done.rows), broken=done.broken)
        tx.run(_sql.forget_other_keys, key=self._keys.newest)
        tx.run(_sql.finish, now=self._engine.now())

    def _resealed(self, rows: Sequence[tuple[Any, bytes, bytes]]) -> Done:
        """Seal anew what another key sealed; rows are (number or id, what it is bound to, sealed)."""
        changed: list[tuple[Any, bytes]] = []
        broken = 0
        for name, about, sealed in rows:
            if sealed.startswith(self._keys.newest):
                continue
            try:
                changed.append((name, self._keys.seal(self._keys.unseal(sealed, about), about)))
            except SealBroken:
                broken += 1
        return Done(changed, broken)


def _state(tx: Tx) -> State | None:
    rows = tx.run(_sql.state)
    return State(*rows[0]) if rows else None


def _keys_in_use(tx: Tx) -> list[bytes]:
    return [key for (key,) in tx.run(_sql.keys_in_use)]

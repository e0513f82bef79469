"""Calls that wait until their provider is asked: held, in order for each booking, and due again until it answers."""

from collections.abc import Awaitable, Iterable, Sequence
from functools import partial

from msgspec import Struct

from gateway.store.engines.engine import Engine, Row, Tx
from gateway.store.ids import key_hash, receipt_digest, receipt_id
from gateway.store.intake import draw
from gateway.store.known import Known
from gateway.store.statements import load

_sql = load("held")


class HeldCall(Struct, frozen=True, kw_only=True):
    """The earliest held call about its bookings. `attempt`: how often its provider was asked."""

    receipt: str
    connection: str
    received_at: int
    due: int
    attempt: int


class HeldCalls:
    """Part of the store. Times are epoch milliseconds (UTC)."""

    def __init__(self, engine: Engine, known: Known) -> None:
        self._engine = engine
        self._known = known

    async def first(self, limit: int, without: Iterable[str] = ()) -> list[HeldCall]:
        """List the calls that nothing waits before, the next due one first; `without` those of some connections."""
        return await self._engine.read(partial(_first, limit=limit, without=[*without] or [""]))

    async def hurry(self) -> None:
        """Let all be due at once: after a start nobody knows how long ago they were asked about."""
        await self._engine.write(_hurry, self._engine.now())

    async def postpone(self, receipt: str, wait: float) -> None:
        """Count an attempt, and let the next one be due in `wait` seconds."""
        await self._engine.write(self._postpone, (receipt, self._engine.now() + round(wait * 1000)))

    def quarantine(self, receipt: str, reason: str) -> Awaitable[bool]:
        """Turn a held call into a quarantined one; False when it is not held any more."""
        return self._engine.write(self._quarantine, (receipt, reason))

    def hold_again(self, receipt: str, connection: str, keys: Sequence[str]) -> Awaitable[bool]:
        """Turn a quarantined call into a held one about these bookings; False when it is not quarantined."""
        return self._engine.write(self._hold_again, (receipt, connection, keys))

    # --- jobs ------------------------------------------------------------------------------------------------------

    def _postpone(self, tx: Tx, items: Sequence[tuple[str, int]]) -> list[None]:
        numbers = self._numbers(tx, [receipt for receipt, _ in items])
        for receipt, due in items:
            tx.run(_sql.postpone, receipt=numbers.get(receipt), due=due)
        return [None for _ in items]

    def _quarantine(self, tx: Tx, items: Sequence[tuple[str, str]]) -> list[bool]:
        numbers = self._numbers(tx, [receipt for receipt, _ in items])
        return [_quarantine(tx, numbers.get(receipt), reason) for receipt, reason in items]

    def _hold_again(self, tx: Tx, items: Sequence[tuple[str, str, Sequence[str]]]) -> list[bool]:
        numbers, now = self._numbers(tx, [receipt for receipt, *_ in items]), self._engine.now()
        return [_hold_again(tx, numbers.get(receipt), connection, keys, now) for receipt, connection, keys in items]

    def _numbers(self, tx: Tx, receipts: Iterable[str]) -> dict[str, int]:
        digests = {receipt: digest for receipt in receipts if (digest := receipt_digest(receipt)) is not None}
        found = self._known.find(tx, list(digests.values())) if digests else {}
        return {receipt: found[digest] for receipt, digest in digests.items() if digest in found}


def _first(tx: Tx, *, limit: int, without: Sequence[str]) -> list[HeldCall]:
    return [
        HeldCall(receipt=receipt_id(digest), connection=connection, received_at=at, due=due, attempt=attempt)
        for digest, connection, at, due, attempt, _ in tx.run(_sql.first, limit=limit, without=without)
    ]


def _hurry(tx: Tx, items: Sequence[int]) -> list[None]:
    tx.run(_sql.hurry, now=max(items))
    return [None for _ in items]


def _quarantine(tx: Tx, number: int | None, reason: str) -> bool:
    if not tx.run(_sql.quarantine, number=number, reason=reason):
        return False
    tx.run(_sql.let_go, receipt=number)
    draw(tx, held=-1, quarantined=1)
    return True


def _hold_again(tx: Tx, number: int | None, connection: str, keys: Sequence[str], now: int) -> bool:
    if not tx.run(_sql.hold_again, number=number, connection=connection):
        return False
    rows: list[Row] = [(number, key_hash(key), now) for key in keys]
    tx.many(_sql.hold, rows)
    draw(tx, held=1, quarantined=-1)
    return True

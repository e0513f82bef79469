"""What is too old goes, oldest first and a little at a time; numbers, ids, keys and digests stay much longer."""

from collections.abc import Sequence

from msgspec import Struct

from gateway.store.emptying import drop_receipts, empty_events
from gateway.store.engines.engine import Engine, Row, Tx
from gateway.store.known import Known
from gateway.store.statements import load

SLICE = 100
"""Rows in one transaction. Others share it, so it must be over within milliseconds."""
_sql = load("retention")


class Too(Struct, frozen=True):
    """What counts as too old: older than `before`, but not from before `doubtful` (epoch ms).

    What looks as if it had lain here for years says that the clock is wrong, not that it is old.
    """

    before: int
    doubtful: int


class Pruned(Struct, frozen=True):
    """How many rows went, and whether what is oldest has a time that cannot be believed."""

    rows: int
    doubtful: bool = False


class Retention:
    """One slice of it at a time; the caller goes on while rows go."""

    def __init__(self, engine: Engine, known: Known) -> None:
        self._engine = engine
        self._known = known

    async def expire(self, too: Too) -> Pruned:
        """Empty events and receipts that are too old. What still waits to be delivered of them is skipped."""
        return await self._engine.write(self._expire, too)

    async def forget(self, too: Too) -> Pruned:
        """Delete what is left of receipts and events that are too old, their digests included."""
        return await self._engine.write(self._forget, too)

    def _expire(self, tx: Tx, items: Sequence[Too]) -> list[Pruned]:
        return [self._expire_some(tx, item) for item in items]

    def _expire_some(self, tx: Tx, too: Too) -> Pruned:
        events, doubted = _old(tx.run(_sql.oldest_bodies, limit=SLICE), too)
        receipts, doubtful = _old(tx.run(_sql.oldest_inbound, limit=SLICE), too)
        if events:
            empty_events(tx, events, self._engine.now())
            _drop_deliveries(tx, events)
            tx.run(_sql.expire, event=events[-1])
        drop_receipts(tx, receipts, "expired")
        return Pruned(len(events) + len(receipts), doubted or doubtful)

    def _forget(self, tx: Tx, items: Sequence[Too]) -> list[Pruned]:
        return [self._forget_some(tx, item) for item in items]

    def _forget_some(self, tx: Tx, too: Too) -> Pruned:
        rows = tx.run(_sql.oldest_events, limit=SLICE)
        events, doubted = _old(rows, too)
        digests = tx.run(_sql.oldest_receipts, limit=SLICE)
        receipts, doubtful = _old(digests, too)
        if events:
            _drop_deliveries(tx, events)
            tx.run(_sql.drop_events, events=events)
        if receipts:
            tx.run(_sql.drop_receipts, receipts=receipts)
        self._known.drop(tx, [row[2] for row in (*rows[: len(events)], *digests[: len(receipts)])])
        return Pruned(len(events) + len(receipts), doubted or doubtful)


def _old(rows: Sequence[Row], too: Too) -> tuple[list[int], bool]:
    """Take the numbers of rows until one is young enough; say whether one has a time that cannot be believed."""
    old: list[int] = []
    for number, at, *_ in rows:
        if at >= too.before:
            break
        if at < too.doubtful:
            return [], True
        old.append(number)
    return old, False


def _drop_deliveries(tx: Tx, events: Sequence[int]) -> None:
    """Drop the rows of finished deliveries. One that is being sent just now stays, and goes with its event."""
    tx.run(_sql.drop_attempts, events=events)
    tx.run(_sql.drop_deliveries, events=events)

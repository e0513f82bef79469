"""Taking the bytes out of what is kept, whoever asked for it: numbers, ids, keys, times and digests stay."""

from collections.abc import Sequence

from gateway.store.engines.engine import Tx
from gateway.store.intake import draw
from gateway.store.queue import skip_events
from gateway.store.statements import load

_sql = load("emptying")


def empty_events(tx: Tx, events: Sequence[int], now: int) -> int:
    """Drop the bodies of some events, not empty; answer how many waiting deliveries were skipped for it."""
    tx.run(_sql.drop_bodies, events=events)
    return skip_events(tx, events, now)


def drop_receipts(tx: Tx, receipts: Sequence[int], reason: str) -> tuple[int, int]:
    """Drop the bytes of receipts; those that became no event are discarded. How many had bytes, how many waited."""
    if not receipts:
        return 0, 0
    dropped = tx.run(_sql.drop_inbound, receipts=receipts)
    waited = 0
    for status in ("quarantined", "held"):
        rows = tx.run(_sql.discard, receipts=receipts, status=status, reason=reason)
        waited += len(rows)
        if rows:
            draw(tx, **{status: -len(rows)}, discarded=len(rows))
    if waited:
        tx.run(_sql.hold_no_longer, receipts=receipts)
    return len(dropped), waited

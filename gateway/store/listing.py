"""Looking: queries on a snapshot, none of which changes anything."""

from collections.abc import Sequence
from typing import Any, Literal

from gateway.contract.events import event_id
from gateway.sealing import KeyRing, SealBroken
from gateway.store.engines.engine import Row, Tx
from gateway.store.ids import LARGEST, delivery_id, delivery_number, event_bytes, key_hash, receipt_digest, receipt_id
from gateway.store.known import Known
from gateway.store.model import Attempt, Counts, Delivery, StoredEvent, StoredReceipt
from gateway.store.routes import named
from gateway.store.statements import Statement, load

_in = load("receipts")
_out = load("queue")
_set_up = load("configuration")


PAGE_BYTES = 16 << 20
"""A page of events ends with the one that makes it so large: five hundred of a mebibyte would fill the memory."""
AT_ONCE = 50
"""Rows that are read in one go."""


class Listing:
    """Queries that open sealed bytes."""

    def __init__(self, keys: KeyRing, known: Known) -> None:
        self._keys = keys
        self._known = known

    def receipts(
        self, tx: Tx, *, status: str, connection: str | None, after: str | None, limit: int
    ) -> list[StoredReceipt]:
        start = 0 if after is None else self._receipt_number(tx, after) or LARGEST
        page = {"connection": connection, "after": start, "limit": limit}
        if status == "understood":
            rows = tx.run(_in.list_understood, **page)
        else:
            rows = tx.run(_in.list_set_aside, status=status, **page)
        return [self._receipt(row) for row in rows]

    def receipt(self, tx: Tx, receipt_id: str) -> StoredReceipt | None:
        number = self._receipt_number(tx, receipt_id)
        rows = tx.run(_in.one_receipt, number=number, digest=receipt_digest(receipt_id))
        return self._receipt(rows[0]) if rows else None

    def events(
        self,
        tx: Tx,
        *,
        after: int,
        before: int | None,
        limit: int,
        types: Sequence[str],
        provider: str | None,
        connection: str | None,
        booking: str | None,
    ) -> list[StoredEvent]:
        narrowed: dict[str, Any] = {
            "all_types": int(not types),
            "types": named(types) or [""],
            "provider": provider,
            "connection": connection,
            "key": booking,
            "key_hash": None if booking is None else key_hash(booking),
        }
        if before is None:
            return self._page(tx, _in.list_events, narrowed, edge="after", at=after, limit=limit)
        return self._page(tx, _in.list_events_back, narrowed, edge="before", at=before, limit=limit)

    def _page(
        self, tx: Tx, statement: Statement, narrowed: dict[str, Any], *, edge: str, at: int, limit: int
    ) -> list[StoredEvent]:
        """Read on from a place. A page is shorter than asked for only at the end, also where damaged ones are left out,
        and where it has PAGE_BYTES: a cursor is made of that."""
        found: list[StoredEvent] = []
        size = 0
        while len(found) < limit and size < PAGE_BYTES:
            wanted = min(limit - len(found), AT_ONCE)
            some = [self._event(row) for row in tx.run(statement, **{edge: at}, limit=wanted, **narrowed)]
            for event in (event for event in some if event.gone is None and size < PAGE_BYTES):
                found.append(event)
                size += len(event.body)
            if len(some) < wanted:
                break
            at = some[-1].seq
        return found

    def event(self, tx: Tx, event_id: str) -> StoredEvent | None:
        rows = tx.run(_in.one_event, seq=self._seq(tx, event_id), id=event_bytes(event_id))
        if not rows:
            return None
        *row, erased_at = rows[0]
        return self._event(tuple(row), "expired" if erased_at is None else "erased")

    def deliveries(
        self,
        tx: Tx,
        *,
        status: str | None,
        destination: str | None,
        event: str | None,
        after: str | None,
        limit: int,
    ) -> list[Delivery]:
        start = 0 if after is None else delivery_number(after)
        page = {"destination": destination, "after": LARGEST if start is None else start, "limit": limit}
        if event is not None:
            rows = tx.run(_out.list_deliveries_of_event, seq=self._seq(tx, event), status=status, **page)
        elif status is not None:
            rows = tx.run(_out.list_deliveries_in_status, status=status, **page)
        else:
            rows = tx.run(_out.list_deliveries, **page)
        return [delivery_of(row) for row in rows]

    def _receipt_number(self, tx: Tx, public: str) -> int | None:
        digest = receipt_digest(public)
        return None if digest is None else self._known.receipt(tx, digest)

    def _seq(self, tx: Tx, public: str) -> int | None:
        raw = event_bytes(public)
        return None if raw is None else self._known.event(tx, raw)

    def _receipt(self, row: Row) -> StoredReceipt:
        digest, connection, token, status, reason, proof, received_at, size, sha256, sealed = row
        return StoredReceipt(
            id=receipt_id(digest),
            connection=connection,
            token=token,
            status=status,
            reason=reason,
            proof=proof,
            received_at=received_at,
            size=size,
            sha256=sha256,
            inbound=None if sealed is None else self._opened(sealed, b"inbound:" + digest),
        )

    def _event(self, row: Row, gone: Literal["erased", "expired"] | None = None) -> StoredEvent:
        """Open an event's body; `gone` says why there is none, if so. A damaged one must not take others with it."""
        seq, raw, kind, provider, connection, key, timestamp, digest, sealed = row
        body = None if sealed is None else self._opened(sealed, b"bodies:" + raw)
        return StoredEvent(
            seq=seq,
            id=event_id(raw),
            type=kind,
            provider=provider,
            connection=connection,
            key=key,
            timestamp=timestamp,
            receipt=None if digest is None else receipt_id(digest),
            body=body or b"",
            gone=gone if sealed is None else "damaged" if body is None else None,
        )

    def _opened(self, sealed: bytes, about: bytes) -> bytes | None:
        try:
            return self._keys.unseal(sealed, about)
        except SealBroken:
            return None


def bounds(tx: Tx) -> tuple[int, int]:
    oldest, newest = tx.run(_in.bounds)[0]
    return oldest, newest


def activity(tx: Tx) -> dict[str, int]:
    return dict(tx.run(_set_up.activity))


def removed_destinations(tx: Tx) -> list[int]:
    return [row[0] for row in tx.run(_set_up.removed_destinations)]


def counts(tx: Tx) -> Counts:
    understood, quarantined, held, discarded, duplicates, events = tx.run(_in.count_receipts)[0]
    return Counts(
        understood=understood,
        quarantined=quarantined,
        held=held,
        discarded=discarded,
        duplicates=duplicates,
        events=events,
        deliveries={(destination, status): amount for destination, status, amount in tx.run(_out.tallies)},
    )


def delivery(tx: Tx, delivery_id: str) -> tuple[Delivery, list[Attempt]] | None:
    number = delivery_number(delivery_id)
    rows = [] if number is None else tx.run(_out.one_delivery, number=number)
    if not rows:
        return None
    tries = tx.run(_out.attempts_of, delivery=number)
    return delivery_of(rows[0]), [
        Attempt(number=n, started_at=at, duration_ms=took, status=status, error=error)
        for n, at, took, status, error in tries
    ]


def delivery_of(row: Row) -> Delivery:
    number, event, kind, destination, key, status, attempt, due, last, error, created, finished, _ = row
    return Delivery(
        id=delivery_id(number),
        event=event_id(event),
        event_type=kind,
        destination=destination,
        key=key,
        status=status,
        attempt=attempt,
        due_at=due if status == "pending" else None,
        last_status=last,
        last_error=error,
        created_at=created,
        finished_at=finished,
    )

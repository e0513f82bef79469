"""What comes in: receipts, their events, the deliveries that follow. One transaction, however many callers share it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gateway.contract.errors import StoreUnavailable
from gateway.sealing import KeyRing
from gateway.store.engines.engine import Clock, Row, Tx
from gateway.store.ids import event_ids, key_hash, receipt_id
from gateway.store.model import Accepted, NewEvent, NewReceipt
from gateway.store.queue import Planned, plan
from gateway.store.routes import Routes
from gateway.store.statements import load

FLOOD_ROWS = 10_000
FLOOD_BYTES = 256 << 20
_sql = load("receipts")


class Call(NamedTuple):
    """One call to keep; without `receipt`: one that is kept already and now understood."""

    digest: bytes
    connection: str | None
    receipt: NewReceipt | None
    events: Sequence[NewEvent]


class Known(NamedTuple):
    """A receipt that is already there."""

    number: int
    status: str
    reason: str | None
    events: bytes | None


class Kept(NamedTuple):
    """A call that is going to be written: its row, when it has one already, and those of its events that are new."""

    call: Call
    known: Known | None
    new: list[NewEvent]
    events: bytes


class Intake:
    """Jobs for the engine."""

    def __init__(self, keys: KeyRing, routes: Routes, now: Clock) -> None:
        self._keys = keys
        self._routes = routes
        self._now = now

    def accept(self, tx: Tx, calls: Sequence[Call]) -> list[Accepted | Exception]:
        """Dedupe, number, write and plan; calls about the same thing one after the other."""
        answers: dict[int, Accepted | Exception] = {}
        for wave in _waves(calls):
            batch = Batch(tx, [calls[place] for place in wave])
            answers.update((place, batch.add(calls[place])) for place in wave)
            Writing(tx, self._keys, self._routes, self._now()).write(batch)
        return [answers[place] for place in range(len(calls))]

    def fail_again(self, tx: Tx, items: Sequence[tuple[bytes, str]]) -> list[bool]:
        """Keep the newest reason of a receipt that still was not understood."""
        return [bool(tx.run(_sql.fail_again, digest=digest, reason=reason)) for digest, reason in items]

    def discard(self, tx: Tx, digests: Sequence[bytes]) -> list[bool]:
        """Let go of quarantined bytes. The digest stays, so later copies are duplicates."""
        return [_discard(tx, digest) for digest in digests]


def _waves(calls: Sequence[Call]) -> Iterator[list[int]]:
    """Split into waves within which nothing is about the same receipt or event; nearly always there is one."""
    left = list(range(len(calls)))
    while left:
        seen: set[bytes] = set()
        wave: list[int] = []
        later: list[int] = []
        for place in left:
            names = {calls[place].digest, *(event.id for event in calls[place].events)}
            (later if names & seen else wave).append(place)
            seen |= names
        yield wave
        left = later


def _discard(tx: Tx, digest: bytes) -> bool:
    rows = tx.run(_sql.discard, digest=digest)
    if not rows:
        return False
    tx.run(_sql.drop_inbound, receipt=rows[0][0])
    _draw(tx, quarantined=-1, discarded=1)
    return True


def _draw(tx: Tx, **amounts: int) -> Row:
    nothing = dict.fromkeys(
        ("events", "receipts", "deliveries", "understood", "quarantined", "held", "discarded", "duplicates"), 0
    )
    return tx.run(_sql.draw_numbers, **{**nothing, **amounts})[0]


class Batch:
    """Decide what becomes of calls, before anything is written."""

    def __init__(self, tx: Tx, calls: Sequence[Call]) -> None:
        self._tx = tx
        digests = [call.digest for call in calls]
        ids = [event.id for call in calls for event in call.events]
        self._known = {row[0]: Known(*row[1:]) for row in tx.run(_sql.known_receipts, digests=digests)}
        rows = tx.run(_sql.known_events, ids=ids) if ids else []
        self._taken = {row[0]: (row[1], bool(row[2])) for row in rows}
        self._flood: dict[str, tuple[int, int]] = {}
        self.kept: list[Kept] = []
        self.amounts = {"understood": 0, "quarantined": 0, "held": 0, "duplicates": 0}
        self.seen: dict[str, int] = {}

    def add(self, call: Call) -> Accepted | Exception:
        """Answer one call, and remember what is to be written for it."""
        answer = self._decide(call, self._known.get(call.digest))
        if isinstance(answer, Accepted) and call.receipt is not None:
            self.amounts["duplicates"] += answer.status == "duplicate"
            if call.connection is not None and answer.status != "conflict":
                self.seen[call.connection] = call.receipt.received_at
        return answer

    def _decide(self, call: Call, known: Known | None) -> Accepted | Exception:
        if known is None:
            return self._decide_new(call)
        if known.status in {"understood", "discarded"}:
            return Accepted("duplicate", receipt_id(call.digest), event_ids(known.events))
        if call.receipt is None or call.receipt.status == "understood":
            return self._understand(call, known)
        return Accepted(
            "quarantined" if known.status == "quarantined" else "held", receipt_id(call.digest), (), known.reason
        )

    def _decide_new(self, call: Call) -> Accepted | Exception:
        if call.receipt is None:
            return Accepted("duplicate", receipt_id(call.digest))
        if call.receipt.status == "understood":
            return self._understand(call, None)
        if call.receipt.status == "quarantined" and self._flooded(call.receipt):
            return StoreUnavailable("too many calls to this URL wait in quarantine", retry_after=60)
        return self._set_aside(call, call.receipt)

    def _set_aside(self, call: Call, receipt: NewReceipt) -> Accepted:
        self.kept.append(Kept(call, None, [], b""))
        self.amounts[receipt.status] += 1
        return Accepted(
            "quarantined" if receipt.status == "quarantined" else "held", receipt_id(call.digest), (), receipt.reason
        )

    def _understand(self, call: Call, known: Known | None) -> Accepted:
        new, conflicts = self._sift(call.events)
        if conflicts:
            return Accepted("conflict", receipt_id(call.digest), conflicts=tuple(conflicts))
        events = b"".join(dict.fromkeys(event.id for event in call.events))
        self.kept.append(Kept(call, known, new, events))
        self.amounts["understood"] += 1
        if known is not None:
            self.amounts[known.status] -= 1
        again = known is None and bool(call.events) and not new
        return Accepted("duplicate" if again else "accepted", receipt_id(call.digest), event_ids(events))

    def _sift(self, events: Sequence[NewEvent]) -> tuple[list[NewEvent], list[int]]:
        """Tell the new events from those that are there already, and from those whose id another fact has."""
        new: list[NewEvent] = []
        conflicts: list[int] = []
        for place, event in enumerate(events):
            taken = self._taken.get(event.id)
            if taken is None:
                new.append(event)
                self._taken[event.id] = (event.data_digest, event.live)
            elif taken[0] != event.data_digest and event.live and taken[1]:
                conflicts.append(place)
        return new, conflicts

    def _flooded(self, receipt: NewReceipt) -> bool:
        token = receipt.token
        if token not in self._flood:
            self._flood[token] = self._tx.run(_sql.open_quarantine, token=token)[0]
        rows, size = self._flood[token]
        self._flood[token] = (rows + 1, size + receipt.size)
        return rows >= FLOOD_ROWS or size + receipt.size > FLOOD_BYTES


class Writing:
    """Draw the numbers and write what a batch decided."""

    def __init__(self, tx: Tx, keys: KeyRing, routes: Routes, now: int) -> None:
        self._tx = tx
        self._keys = keys
        self._routes = routes
        self._now = now

    def write(self, batch: Batch) -> None:
        events = [event for kept in batch.kept for event in kept.new]
        fresh = sum(kept.known is None for kept in batch.kept)
        seq, receipt, delivery, wanted = self._draw(batch, events, fresh)
        self._write_calls(batch.kept, receipt - fresh, seq - len(events))
        if any(wanted):
            first = seq - len(events) + 1
            plan(self._tx, _planned(events, wanted, first), delivery, self._now)
        if batch.seen:
            self._tx.many(_sql.touch_connections, [(at, connection) for connection, at in batch.seen.items()])

    def _draw(
        self, batch: Batch, events: Sequence[NewEvent], fresh: int
    ) -> tuple[int, int, int, list[tuple[int, ...]]]:
        wanted = self._wanted(events)
        deliveries = sum(map(len, wanted))
        seq, receipt, delivery, version = _draw(
            self._tx, events=len(events), receipts=fresh, deliveries=deliveries, **batch.amounts
        )
        if self._routes.refresh(self._tx, version):  # planned by an old configuration: once more by the new one
            wanted = self._wanted(events)
            deliveries = sum(map(len, wanted))
            delivery = _draw(self._tx, deliveries=deliveries)[2]
        return seq, receipt, delivery - deliveries, wanted

    def _wanted(self, events: Sequence[NewEvent]) -> list[tuple[int, ...]]:
        return [self._routes.of(event.type, event.provider, event.connection) for event in events]

    def _write_calls(self, kept: Sequence[Kept], number: int, seq: int) -> None:
        receipts, inbound, events, bodies, understood = [], [], [], [], []
        seal = self._keys.seal
        for call, known, new, ids in kept:
            if known is None:
                number += 1
                owner = number
                r = call.receipt
                assert r is not None  # only what is kept already comes without
                receipts.append(
                    (
                        number,
                        r.digest,
                        r.status,
                        r.reason,
                        r.connection,
                        r.token,
                        r.proof,
                        r.received_at,
                        r.size,
                        r.sha256,
                        ids,
                    )
                )
                inbound.append((number, seal(r.inbound, b"inbound:" + r.digest)))
            else:
                owner = known.number
                understood.append((call.connection, ids, owner))
            for e in new:
                seq += 1
                order = None if e.key is None else key_hash(e.key)
                events.append(
                    (
                        seq,
                        order,
                        e.id,
                        e.type,
                        e.provider,
                        e.connection,
                        e.key,
                        e.timestamp,
                        owner,
                        e.data_digest,
                        int(e.live),
                    )
                )
                bodies.append((seq, seal(e.body, b"bodies:" + e.id)))
        self._insert(receipts, inbound, events, bodies, understood)

    def _insert(
        self, receipts: list[Row], inbound: list[Row], events: list[Row], bodies: list[Row], understood: list[Row]
    ) -> None:
        many = self._tx.many
        many(_sql.insert_receipts, receipts)
        many(_sql.insert_inbound, inbound)
        many(_sql.insert_events, events)
        many(_sql.insert_bodies, bodies)
        if understood:
            many(_sql.understand, understood)


def _planned(events: Sequence[NewEvent], wanted: Sequence[tuple[int, ...]], seq: int) -> list[Planned]:
    return [
        Planned(destination, seq + place, None if event.key is None else key_hash(event.key))
        for place, event in enumerate(events)
        for destination in wanted[place]
    ]

"""What comes in: receipts, their events, the deliveries that follow. One transaction, however many callers share it."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

from msgspec import Struct

from gateway.sealing import KeyRing
from gateway.store.engines.engine import Clock, Row, Tx
from gateway.store.ids import key_hash
from gateway.store.known import Known
from gateway.store.model import Accepted, NewEvent, NewReceipt
from gateway.store.queue import Planned, plan
from gateway.store.routes import Numbers, Routes
from gateway.store.sieve import Call, Kept, Make, Sieve
from gateway.store.statements import load

_sql = load("receipts")
_held = load("held")
_NOTHING = dict.fromkeys(
    ("events", "receipts", "deliveries", "understood", "quarantined", "held", "discarded", "duplicates"), 0
)


class Drawn(Struct, frozen=True):
    """The numbers after which ours begin, and the destinations of each event."""

    seq: int
    receipt: int
    delivery: int
    wanted: list[Numbers]


class Intake:
    """Jobs for the engine."""

    def __init__(self, keys: KeyRing, known: Known, routes: Routes, now: Clock, roomy: Callable[[], bool]) -> None:
        self._seal = keys.seal
        self._known = known
        self._routes = routes
        self._now = now
        self._roomy = roomy

    def accept(self, tx: Tx, calls: Sequence[Call]) -> list[Accepted | Exception]:
        """Dedupe, number, write and plan; calls about the same thing one after the other."""
        answers: dict[int, Accepted | Exception] = {}
        for wave in _waves(calls):
            sieve = Sieve(tx, self._known, [calls[place] for place in wave], self._roomy())
            for place in wave:
                answers[place] = sieve.take(calls[place])
            self._write(tx, sieve)
        return [answers[place] for place in range(len(calls))]

    def take(self, tx: Tx, items: Sequence[tuple[Make[Any], Any]]) -> list[Accepted | Exception]:
        """Accept calls that are made into rows here, all at once, when their turn to be written has come."""
        calls: list[Call] = []
        for make, group in groupby(items, key=itemgetter(0)):
            made = make([item for _, item in group])
            calls += [Call(receipt.digest, receipt.connection, receipt, events) for receipt, events in made]
        return self.accept(tx, calls)

    def fail_again(self, tx: Tx, items: Sequence[tuple[bytes, str]]) -> list[bool]:
        """Keep the newest reason of a receipt that still was not understood."""
        numbers = self._known.find(tx, [digest for digest, _ in items])
        return [bool(tx.run(_sql.fail_again, number=numbers.get(digest), reason=reason)) for digest, reason in items]

    def discard(self, tx: Tx, digests: Sequence[bytes]) -> list[bool]:
        """Let go of quarantined bytes. The digest stays, so later copies are duplicates."""
        numbers = self._known.find(tx, digests)
        return [_discard(tx, numbers.get(digest)) for digest in digests]

    def _write(self, tx: Tx, sieve: Sieve) -> None:
        events = [event for kept in sieve.kept for event in kept.new]
        fresh = sum([kept.seen is None for kept in sieve.kept])
        drawn = draw_for(tx, self._routes, events, fresh, **sieve.amounts)
        self._write_receipts(tx, sieve.kept, drawn.receipt)
        self._write_events(tx, sieve.kept, drawn)
        if any(drawn.wanted):
            plan(tx, planned(events, drawn), drawn.delivery, self._now())
        if sieve.heard:
            tx.many(_sql.hear_of_connections, [(at, connection) for connection, at in sieve.heard.items()])

    def _write_receipts(self, tx: Tx, kept: Sequence[Kept], number: int) -> None:
        rows: list[Row] = []
        sealed: list[Row] = []
        understood: list[Row] = []
        held: list[Row] = []
        for each in kept:
            if each.seen is not None:
                understood.append((each.call.connection, each.events, each.seen.number))
                if each.seen.status == "held":
                    tx.run(_held.let_go, receipt=each.seen.number)
                if each.erased:
                    tx.run(_sql.drop_inbound, receipt=each.seen.number)
            elif (receipt := each.call.receipt) is not None:
                number += 1
                rows.append(_receipt_row(number, receipt, each.events))
                held += [(number, key_hash(key), receipt.received_at) for key in receipt.wants]
                if not each.erased:
                    sealed.append((number, self._seal(receipt.inbound, b"inbound:" + receipt.digest)))
        self._known.add(tx, [(row[1], row[0]) for row in rows], [])
        tx.many(_sql.insert_receipts, rows)
        tx.many(_sql.insert_inbound, sealed)
        tx.many(_sql.understand, understood)
        tx.many(_held.hold, held)

    def _write_events(self, tx: Tx, kept: Sequence[Kept], drawn: Drawn) -> None:
        rows: list[Row] = []
        sealed: list[Row] = []
        number, seq, now = drawn.receipt, drawn.seq, self._now()
        for each in kept:
            number += each.seen is None
            for event in each.new:
                seq += 1
                rows.append(event_row(seq, event, number if each.seen is None else each.seen.number, now))
                sealed.append((seq, self._seal(event.body, b"bodies:" + event.id)))
        self._known.add(tx, [], [(row[2], row[0]) for row in rows])
        tx.many(_sql.insert_events, rows)
        tx.many(_sql.insert_bodies, sealed)


def _waves(calls: Sequence[Call]) -> Iterator[Sequence[int]]:
    """Split into waves within which no two are about the same receipt or event; nearly always there is one."""
    names = [call.keys for call in calls]
    left: Sequence[int] = range(len(calls))
    if len(set(chain.from_iterable(names))) == sum(map(len, names)):
        yield left
        return
    while left:
        seen: set[bytes] = set()
        wave: list[int] = []
        later: list[int] = []
        for place in left:
            (wave if seen.isdisjoint(names[place]) else later).append(place)
            seen.update(names[place])
        yield wave
        left = later


def draw_for(tx: Tx, routes: Routes, events: Sequence[NewEvent], receipts: int = 0, **amounts: int) -> Drawn:
    """Draw the numbers of receipts, of events and of their deliveries at once; `amounts` are counted with them."""
    wanted = _wanted(routes, events)
    deliveries = sum(map(len, wanted))
    seq, receipt, delivery, version = draw(tx, events=len(events), receipts=receipts, deliveries=deliveries, **amounts)
    if routes.refresh(tx, version):  # planned by an old configuration: once more by the new one
        wanted = _wanted(routes, events)
        deliveries = sum(map(len, wanted))
        delivery = draw(tx, deliveries=deliveries)[2]
    return Drawn(seq - len(events), receipt - receipts, delivery - deliveries, wanted)


def _wanted(routes: Routes, events: Sequence[NewEvent]) -> list[Numbers]:
    return [routes.of(event.type, event.provider, event.connection) for event in events]


def draw(tx: Tx, **amounts: int) -> Row:
    return tx.run(_sql.draw_numbers, **{**_NOTHING, **amounts})[0]


# fmt: off -- a row a line, as the statement has it
def _receipt_row(number: int, r: NewReceipt, events: bytes) -> Row:
    return (
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
        events,
    )


def event_row(seq: int, e: NewEvent, receipt: int | None, now: int) -> Row:
    return (
        seq,
        None if e.key is None else key_hash(e.key),
        e.id,
        e.type,
        e.provider,
        e.connection,
        e.key,
        e.timestamp,
        receipt,
        e.data_digest,
        int(e.live),
        now,
    )


# fmt: on


def planned(events: Sequence[NewEvent], drawn: Drawn) -> list[Planned]:
    """Say who is to get which of these events."""
    return [
        Planned(destination, seq, None if event.key is None else key_hash(event.key))
        for seq, (event, wanted) in enumerate(zip(events, drawn.wanted, strict=True), drawn.seq + 1)
        for destination in wanted
    ]


def _discard(tx: Tx, number: int | None) -> bool:
    if not tx.run(_sql.discard, number=number):
        return False
    tx.run(_sql.drop_inbound, receipt=number)
    draw(tx, quarantined=-1, discarded=1)
    return True

"""Tell new from known, before anything is written: what becomes of each call, and which of its events are new."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from gateway.contract.errors import StoreUnavailable
from gateway.store.engines.engine import Row, Tx
from gateway.store.ids import event_ids, key_hash, receipt_id
from gateway.store.known import Known
from gateway.store.model import Accepted, NewEvent, NewReceipt
from gateway.store.statements import Statement, load

FLOOD_ROWS = 10_000
FLOOD_BYTES = 256 << 20
"""What may wait in quarantine, and besides be held, for one URL."""
_sql = load("receipts")
_held = load("held")


Item = TypeVar("Item")
Make = Callable[[Sequence[Item]], Sequence[tuple[NewReceipt, Sequence[NewEvent]]]]
"""Turns calls into what is kept of them. Runs on the writer's thread, and again when a commit is redone."""


class Call(Struct, frozen=True, gc=False):
    """One call to keep; without `receipt`: one that is kept already and now understood."""

    digest: bytes
    connection: str | None
    receipt: NewReceipt | None
    events: Sequence[NewEvent]

    @property
    def keys(self) -> list[bytes]:
        """What it is about."""
        return [self.digest, *[event.id for event in self.events]]


class Seen(Struct, frozen=True, gc=False):
    """A receipt that is already there."""

    number: int
    status: str
    reason: str | None
    events: bytes | None


class Taken(NamedTuple):
    """An event that is already there, or is about to be."""

    data_digest: bytes
    live: bool
    erased_at: int | None = None


class Kept(Struct, frozen=True, gc=False):
    """A call to be written: its row when it has one, those of its events that are new, the ids of all, end to end.

    `erased`: it tells of something that was erased, so its bytes are not kept.
    """

    call: Call
    seen: Seen | None
    new: list[NewEvent]
    events: bytes
    erased: bool = False


class Sieve:
    """Take calls one by one; no two of them are about the same receipt or event."""

    def __init__(self, tx: Tx, known: Known, calls: Sequence[Call], roomy: bool) -> None:
        self._tx = tx
        self._roomy = roomy
        found = known.find(tx, [key for call in calls for key in call.keys])
        receipts = [found[call.digest] for call in calls if call.digest in found]
        events = [found[event.id] for call in calls for event in call.events if event.id in found] if found else []
        self._seen = {row[0]: Seen(*row[1:]) for row in _by_number(tx, _sql.known_receipts, receipts)}
        self._taken = {row[0]: Taken(*row[1:]) for row in _by_number(tx, _sql.known_events, events)}
        self._erased = {key for key, taken in self._taken.items() if taken.erased_at is not None}
        self._flood: dict[tuple[str, str], tuple[int, int]] = {}
        self._held = _waited_for(tx, calls)
        self.kept: list[Kept] = []
        self.amounts = {"understood": 0, "quarantined": 0, "held": 0, "duplicates": 0}
        self.heard: dict[str, int] = {}
        """When each connection was heard of."""

    def take(self, call: Call) -> Accepted | Exception:
        """Answer one call, and remember what is to be written for it."""
        answer = self._decide(call, self._seen.get(call.digest))
        if call.receipt is not None and isinstance(answer, Accepted) and answer.status != "conflict":
            self.amounts["duplicates"] += answer.status == "duplicate"
            if call.connection is not None:
                self.heard[call.connection] = call.receipt.received_at
        return answer

    def _decide(self, call: Call, seen: Seen | None) -> Accepted | Exception:
        if seen is None:
            return self._decide_new(call)
        if seen.status in {"understood", "discarded"}:
            return Accepted("duplicate", receipt_id(call.digest), event_ids(seen.events))
        if call.receipt is None or (call.receipt.status == "understood" and seen.status != "held"):
            return self._understand(call, seen)
        return _waits(call, seen.status, seen.reason)

    def _decide_new(self, call: Call) -> Accepted | Exception:
        receipt = call.receipt
        if receipt is None:
            return Accepted("duplicate", receipt_id(call.digest))
        if not self._roomy:
            return StoreUnavailable("the disk is nearly full", retry_after=60)
        if self._held and (behind := self._behind(call)):
            receipt = replace(receipt, status="held", wants=behind)
            call = Call(call.digest, call.connection, receipt, ())
        if receipt.status == "understood":
            return self._understand(call, None)
        if self._flooded(receipt):
            return StoreUnavailable(f"too many calls to this URL are {receipt.status}", retry_after=60)
        self._held.update(map(key_hash, receipt.wants))
        self.kept.append(Kept(call, None, [], b""))
        self.amounts[receipt.status] += 1
        return _waits(call, receipt.status, receipt.reason)

    def _behind(self, call: Call) -> tuple[str, ...]:
        """Name the bookings of a call when an earlier call about one of them is held: it may not overtake that."""
        keys = tuple(dict.fromkeys(event.key for event in call.events if event.key is not None))
        return () if self._held.isdisjoint(map(key_hash, keys)) else keys

    def _understand(self, call: Call, seen: Seen | None) -> Accepted:
        new, conflicts = self._sift(call.events)
        if conflicts:
            return Accepted("conflict", receipt_id(call.digest), conflicts=tuple(conflicts))
        events = b"".join(dict.fromkeys([event.id for event in call.events]))
        erased = bool(self._erased) and any(event.id in self._erased for event in call.events)
        self.kept.append(Kept(call, seen, new, events, erased))
        self.amounts["understood"] += 1
        if seen is not None:
            self.amounts[seen.status] -= 1
        nothing_new = seen is None and bool(call.events) and not new
        return Accepted("duplicate" if nothing_new else "accepted", receipt_id(call.digest), event_ids(events))

    def _sift(self, events: Sequence[NewEvent]) -> tuple[list[NewEvent], list[int]]:
        """Tell the new events, and the places of those whose id another fact has.

        An erased fact has no second version: whatever is told of it now is a repeat.
        """
        new: list[NewEvent] = []
        conflicts: list[int] = []
        for place, event in enumerate(events):
            taken = self._taken.get(event.id)
            if taken is None:
                new.append(event)
                self._taken[event.id] = Taken(event.data_digest, event.live)
            elif taken.data_digest != event.data_digest and event.live and taken.live and taken.erased_at is None:
                conflicts.append(place)
        return new, conflicts

    def _flooded(self, receipt: NewReceipt) -> bool:
        kind = (receipt.token, receipt.status)
        if kind not in self._flood:
            statement = _held.open_held if receipt.status == "held" else _sql.open_quarantine
            ((rows, size),) = self._tx.run(statement, token=receipt.token)
            self._flood[kind] = (rows, size)
        rows, size = self._flood[kind]
        if rows >= FLOOD_ROWS or size + receipt.size > FLOOD_BYTES:
            return True
        self._flood[kind] = (rows + 1, size + receipt.size)
        return False


def _waited_for(tx: Tx, calls: Sequence[Call]) -> set[int]:
    """Find the bookings of these calls that calls before them are held for; nearly always nothing is held."""
    if not tx.run(_held.any)[0][0]:
        return set()
    keys = {key_hash(event.key) for call in calls for event in call.events if event.key is not None}
    return {row[0] for row in tx.run(_held.keys, keys=sorted(keys))} if keys else set()


def _by_number(tx: Tx, statement: Statement, numbers: Sequence[int]) -> Sequence[Row]:
    return tx.run(statement, numbers=numbers) if numbers else ()


def _waits(call: Call, status: str, reason: str | None) -> Accepted:
    return Accepted("quarantined" if status == "quarantined" else "held", receipt_id(call.digest), (), reason)

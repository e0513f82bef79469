"""What people look at: the newest first, how the queue stands, and sums over time. Nothing here opens a seal.

Cursors go backwards: `before` is the number of the last row of the page before, None begins with the newest.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from msgspec import Struct

from gateway.contract.events import event_id
from gateway.store.engines.engine import Row, Tx
from gateway.store.ids import LARGEST, delivery_id, delivery_number, key_hash, receipt_id
from gateway.store.listing import delivery_of
from gateway.store.model import Delivery, DeliveryStatus, ReceiptStatus
from gateway.store.routes import named
from gateway.store.statements import Statement, load

R = TypeVar("R")
_sql = load("overview")


class EventRow(Struct, frozen=True, kw_only=True):
    """An event as a line of a list. `outcomes`: how many of its deliveries are in which status."""

    seq: int
    id: str
    type: str
    provider: str
    connection: str
    key: str | None
    timestamp: int
    received_at: int | None
    outcomes: dict[DeliveryStatus, int]


class SetAside(Struct, frozen=True, kw_only=True):
    """A receipt that became no event."""

    number: int
    id: str
    connection: str | None
    reason: str | None
    received_at: int
    size: int


class Held(Struct, frozen=True, kw_only=True):
    """A receipt that waits until its provider answers. `attempt`: how often that was asked; `due`: when it is asked
    next; `behind`: not before an earlier call about the same booking is settled."""

    number: int
    id: str
    connection: str
    received_at: int
    size: int
    due: int
    attempt: int
    behind: bool


class NextTry(Struct, frozen=True):
    """What is tried next of what waits for a destination: when, how often it was tried, and how that went last."""

    due: int
    attempt: int
    created_at: int
    last_status: int | None
    last_error: str | None

    @property
    def trying(self) -> bool:
        """Say that it is being tried; `due` is then when that is given up."""
        return self.attempt > 0 and self.last_status is None and self.last_error is None


class Queues(Struct, frozen=True, kw_only=True):
    """What waits. `next_try` by destination; `oldest`: since when the oldest delivery waits, and for whom."""

    next_try: dict[str, NextTry]
    oldest: tuple[int, str] | None


class Flow(Struct, frozen=True, kw_only=True):
    """Sums in `slots` of `width` milliseconds from `since` on.

    `receipts` by status, by when they came; `deliveries` by status as of now, by when they were planned;
    `destinations` the same over all slots; `delivered_at`: the latest delivery to each.
    """

    since: int
    width: int
    receipts: list[dict[str, int]]
    deliveries: list[dict[str, int]]
    destinations: dict[str, dict[str, int]]
    delivered_at: dict[str, int]


class Reader(Protocol):
    """Runs a query on a snapshot."""

    def __call__(self, query: Callable[[Tx], R], /) -> Awaitable[R]: ...


class Overview:
    """Queries for pages. Every method raises StoreUnavailable."""

    def __init__(self, read: Reader) -> None:
        self._read = read

    async def events(
        self,
        *,
        before: int | None = None,
        limit: int = 50,
        types: Sequence[str] = (),
        provider: str | None = None,
        connection: str | None = None,
        bookings: Sequence[str] | None = None,
    ) -> list[EventRow]:
        """List events, newest first. `types` are patterns; `bookings` are keys, None is all."""
        keys = list(bookings or ())
        query = partial(
            _events,
            before=before or LARGEST,
            limit=limit,
            any_type=int(not types),
            types=named(types) or [""],
            provider=provider,
            connection=connection,
            any_booking=int(bookings is None),
            keys=keys or [""],
            hashes=[key_hash(key) for key in keys] or [0],
        )
        return await self._read(query)

    async def deliveries(
        self,
        *,
        status: DeliveryStatus | None = None,
        destination: str | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> list[Delivery]:
        """List deliveries, newest first; `before` is one's id."""
        number = None if before is None else delivery_number(before)
        page = {"destination": destination, "before": number or LARGEST, "limit": limit}
        statement, where = (
            (_sql.newest_deliveries, page)
            if status is None
            else (_sql.newest_deliveries_in_status, {**page, "status": status})
        )
        return await self._read(lambda tx: [delivery_of(row) for row in tx.run(statement, **where)])

    async def trying(self, deliveries: Sequence[Delivery]) -> frozenset[str]:
        """Tell the ids of those that are being tried; what stands as due is when that is given up."""
        numbers = [delivery_number(each.id) for each in deliveries if each.status == "pending" and each.attempt]
        if not numbers:
            return frozenset()
        return await self._read(
            lambda tx: frozenset(delivery_id(number) for (number,) in tx.run(_sql.trying, numbers=numbers))
        )

    async def set_aside(
        self,
        *,
        status: ReceiptStatus = "quarantined",
        connection: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[SetAside]:
        """List receipts that became no event, newest first."""
        page = {"status": status, "connection": connection, "before": before or LARGEST, "limit": limit}
        return await self._read(lambda tx: [_set_aside(row) for row in tx.run(_sql.newest_set_aside, **page)])

    async def held(self, *, after: int = 0, limit: int = 50) -> list[Held]:
        """List receipts that wait for their provider's answer, the longest waiting first; `after` is one's number."""
        return await self._read(partial(_held, after=after, limit=limit))

    async def queues(self) -> Queues:
        """Tell what waits and why."""
        return await self._read(_queues)

    async def waiting_since(self) -> dict[str, int]:
        """Tell, for each destination for which something waits, since when the oldest of it waits."""
        return await self._read(_waiting_since)

    async def ages(self, limit: int) -> dict[str, list[int]]:
        """Tell by provider how many milliseconds old the newest `limit` events were when they came."""
        return await self._read(partial(_ages, limit=limit))

    async def flow(self, since: int, width: int, slots: int) -> Flow:
        """Sum up what came in and what became of it, since a time, in slots of `width` milliseconds."""
        return await self._read(partial(_flow, since=since, width=width, slots=slots))


def _events(tx: Tx, **asked: int | str | list[str] | list[int] | None) -> list[EventRow]:
    rows = tx.run(_sql.newest_events, **asked)
    outcomes: dict[int, dict[DeliveryStatus, int]] = {row[0]: {} for row in rows}
    if rows:
        for seq, status, amount in tx.run(_sql.outcomes, events=list(outcomes)):
            outcomes[seq][status] = amount
    return [
        EventRow(
            seq=seq,
            id=event_id(raw),
            type=kind,
            provider=provider,
            connection=connection,
            key=key,
            timestamp=timestamp,
            received_at=received_at,
            outcomes=outcomes[seq],
        )
        for seq, raw, kind, provider, connection, key, timestamp, received_at in rows
    ]


def _set_aside(row: Row) -> SetAside:
    number, digest, connection, reason, received_at, size = row
    return SetAside(
        number=number,
        id=receipt_id(digest),
        connection=connection,
        reason=reason,
        received_at=received_at,
        size=size,
    )


def _held(tx: Tx, *, after: int, limit: int) -> list[Held]:
    return [
        Held(
            number=number,
            id=receipt_id(digest),
            connection=connection,
            received_at=received_at,
            size=size,
            due=due,
            attempt=attempt,
            behind=bool(behind),
        )
        for number, digest, connection, received_at, size, due, attempt, behind in tx.run(
            _sql.longest_held, after=after, limit=limit
        )
    ]


def _queues(tx: Tx) -> Queues:
    waiting = {}
    for number, destination in tx.run(_sql.in_use):
        for row in tx.run(_sql.next_try, destination=number):
            waiting[destination] = NextTry(*row)
    oldest = tx.run(_sql.oldest_waiting)
    return Queues(next_try=waiting, oldest=(oldest[0][0], oldest[0][1]) if oldest else None)


def _waiting_since(tx: Tx) -> dict[str, int]:
    found = {destination: tx.run(_sql.waiting_since, destination=number) for number, destination in tx.run(_sql.in_use)}
    return {destination: rows[0][0] for destination, rows in found.items() if rows}


def _ages(tx: Tx, limit: int) -> dict[str, list[int]]:
    ages: dict[str, list[int]] = {}
    for provider, age in tx.run(_sql.ages, limit=limit):
        ages.setdefault(provider, []).append(age)
    return ages


def _flow(tx: Tx, *, since: int, width: int, slots: int) -> Flow:
    newest_receipt, newest_delivery = tx.run(_sql.newest_numbers)[0]
    receipts: list[dict[str, int]] = [{} for _ in range(slots)]
    deliveries: list[dict[str, int]] = [{} for _ in range(slots)]
    destinations: dict[str, dict[str, int]] = {}
    delivered_at: dict[str, int] = {}
    first = _first(tx, _sql.receipt_from, newest_receipt, since)
    for slot, status, amount in tx.run(_sql.receipts_over_time, first=first, since=since, width=width):
        _add(receipts[min(slot, slots - 1)], status, amount)
    first = _first(tx, _sql.delivery_from, newest_delivery, since)
    for slot, to, status, amount, finished in tx.run(_sql.deliveries_over_time, first=first, since=since, width=width):
        _add(deliveries[min(slot, slots - 1)], status, amount)
        _add(destinations.setdefault(to, {}), status, amount)
        if status == "delivered":
            delivered_at[to] = max(finished or 0, delivered_at.get(to, 0))
    return Flow(
        since=since,
        width=width,
        receipts=receipts,
        deliveries=deliveries,
        destinations=destinations,
        delivered_at=delivered_at,
    )


def _add(sums: dict[str, int], status: str, amount: int) -> None:
    sums[status] = sums.get(status, 0) + amount


def _first(tx: Tx, statement: Statement, newest: int, since: int) -> int:
    """Find the first row of a time: numbers grow with time, so a few looks do in place of an index."""
    low, high = 1, newest + 1
    while low < high:
        middle = (low + high) // 2
        found = tx.run(statement, number=middle)
        if found and found[0][1] < since:
            low = found[0][0] + 1
        else:
            high = middle
    return low

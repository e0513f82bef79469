"""What goes out: the queue. `due` is the lease, `attempt` is the fence, only the head of a booking is claimed."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from msgspec import Struct
from msgspec.structs import replace

from gateway.contract.events import event_id
from gateway.sealing import KeyRing, SealBroken
from gateway.store.engines.engine import Row, Tx
from gateway.store.ids import delivery_id
from gateway.store.known import Known
from gateway.store.model import Claimed, Result, Work
from gateway.store.routes import Routes
from gateway.store.slots import LOOK_AHEAD, slots
from gateway.store.statements import load

LOOK = 4
"""A claim looks at this many times its limit of due rows: most of them are heads, or are pushed out of its way."""
LEAST_LOOK = 64
ROUNDS = 4
"""How often one claim looks again when all it saw were followers; the next claim goes on from there."""
LONGEST_GAP_MS = 2 * 24 * 60 * 60 * 1000
"""Failures of a destination that lie further apart are not one long failure: longer than any wait of the schedule."""
SUSPECTED = 2
"""A delivery that was being tried at so many ends of the gateway may be what ends it."""
APART_MS = 250
"""At least between the tries of two of them in one process."""
_sql = load("queue")

Tried = tuple[Result, int]
"""What became of a try, and the destination's number."""


class Planned(Struct, frozen=True, gc=False):
    """An event that a destination is to get."""

    destination: int
    event: int
    key_hash: int | None


class Claim(Struct, frozen=True):
    destination: int
    limit: int
    lease_ms: int
    now: int
    rate: float | None


class Settlement(Struct, frozen=True):
    results: Sequence[Result]
    now: int


class Retry(Struct, frozen=True):
    """Which deliveries to try again; `after` and `limit` cut a large job into small transactions."""

    status: str
    number: int | None
    destination: str | None
    since: int | None
    until: int | None
    after: int
    limit: int
    now: int


class Replay(Struct, frozen=True):
    event: bytes
    destinations: Sequence[str] | None
    now: int


class Skip(Struct, frozen=True):
    destination: int
    limit: int
    now: int


def plan(tx: Tx, planned: Sequence[Planned], number: int, now: int) -> None:
    """Write new deliveries, due at once, under the numbers that follow `number`."""
    rows = [
        (number + place, p.destination, p.event, p.key_hash, number + place, now, now)
        for place, p in enumerate(planned, start=1)
    ]
    tx.many(_sql.insert_deliveries, rows)
    _count(tx, Counter((p.destination, "pending") for p in planned))


def _count(tx: Tx, changes: "Counter[tuple[int, str]]") -> None:
    tx.many(_sql.count, [(destination, status, amount) for (destination, status), amount in changes.items()])


def due(tx: Tx, now: int) -> Work:
    """Say who has something due, and how long it is until the next."""
    waiting = [row for row in tx.run(_sql.next_due) if row[2] is not None]
    rows = [(number, max(at, (next_slot - LOOK_AHEAD) // 1000)) for number, next_slot, at in waiting]
    ready = tuple(number for number, at in rows if at <= now)
    later = min((at for _, at in rows if at > now), default=None)
    return Work(destinations=ready, wait=None if later is None else (later - now) / 1000)


class Queue:
    """Jobs for the engine."""

    def __init__(self, keys: KeyRing, known: Known, routes: Routes, instant: Callable[[Tx], int | None]) -> None:
        self._keys = keys
        self._known = known
        self._routes = routes
        self._instant = instant
        self._next_suspect = 0
        """When another suspect may be tried here. Kept in memory alone: whom a process took with it is over with it."""

    # --- claim -----------------------------------------------------------------------------------------------------

    def claim(self, tx: Tx, claims: Sequence[Claim]) -> list[list[Claimed]]:
        return [self._claim(tx, claim) for claim in claims]

    def _claim(self, tx: Tx, claim: Claim) -> list[Claimed]:
        now = None if claim.rate is None else self._instant(tx)
        if now is None or claim.rate is None:
            return self._hand_out(tx, claim, self._take(tx, claim))
        next_slot: int = tx.run(_sql.next_slot, number=claim.destination)[0][0]
        there = slots(claim.rate, next_slot, now)
        numbers = self._take(tx, replace(claim, limit=min(claim.limit, there.free))) if there.free else []
        if numbers or there.first < next_slot:
            tx.run(_sql.take_slots, next_slot=there.at(len(numbers)), number=claim.destination)
        claimed = self._hand_out(tx, claim, numbers)
        return [replace(each, wait=(there.at(place) - now) / 1_000_000) for place, each in enumerate(claimed)]

    def _take(self, tx: Tx, claim: Claim) -> list[int]:
        """Claim heads. Followers are pushed to when their head is due, which takes them out of the next look."""
        look = max(LOOK * claim.limit, LEAST_LOOK)
        for _ in range(ROUNDS):
            rows = tx.run(_sql.look, destination=claim.destination, now=claim.now, limit=look)
            heads = self._apart(tx, claim, [(number, attempt) for number, attempt, blocked in rows if not blocked])
            followers = [number for number, _, blocked in rows if blocked]
            if heads:
                tx.run(_sql.claim, due=claim.now + claim.lease_ms, numbers=heads)
            if followers:
                tx.run(_sql.push, numbers=followers)
            if heads or len(rows) < look:
                return heads
        return []

    def _apart(self, tx: Tx, claim: Claim, heads: Sequence[tuple[int, int]]) -> list[int]:
        """Choose from those in turn. What was under way at two ends may have caused them: one of these is tried at a
        time, so that nothing is drawn in that has only bad company; the others wait a little."""
        tried = [number for number, attempt in heads if attempt >= SUSPECTED]
        lost = tx.run(_sql.lost, numbers=tried) if tried else []
        suspects = {number for number, times in lost if times >= SUSPECTED}
        chosen: list[int] = []
        for number, _ in heads:
            if len(chosen) == claim.limit:
                break
            if number not in suspects:
                chosen.append(number)
            elif self._next_suspect <= claim.now:
                chosen.append(number)
                self._next_suspect = claim.now + APART_MS
            else:
                tx.run(_sql.set_due, due=self._next_suspect, number=number)
        return chosen

    def _hand_out(self, tx: Tx, claim: Claim, numbers: Sequence[int]) -> list[Claimed]:
        if not numbers:
            return []
        tx.run(_sql.tick, now=claim.now)
        opened = [self._claimed(row, claim.now) for row in tx.run(_sql.claimed, numbers=numbers)]
        broken = [each for each in opened if isinstance(each, Result)]
        if broken:
            self.settle(tx, [Settlement(broken, claim.now)])
        return [each for each in opened if isinstance(each, Claimed)]

    def _claimed(self, row: Row, now: int) -> Claimed | Result:
        """Open a delivery's bytes; without them it is skipped, with broken ones dead, so that it holds up nothing."""
        number, attempt, earlier, event, kind, accepted_at, sealed = row
        if sealed is None:
            return Result(delivery=number, attempt=attempt, outcome="skipped", started_at=now, duration_ms=0)
        try:
            body = self._keys.unseal(sealed, b"bodies:" + event)
        except SealBroken as error:
            return Result(
                delivery=number, attempt=attempt, outcome="dead", started_at=now, duration_ms=0, error=str(error)
            )
        return Claimed(
            delivery=number,
            attempt=attempt,
            tries=attempt - earlier,
            event_id=event_id(event),
            event_type=kind,
            accepted_at=accepted_at,
            body=body,
        )

    # --- settle ----------------------------------------------------------------------------------------------------

    def settle(self, tx: Tx, settlements: Sequence[Settlement]) -> list[int | None]:
        """Write down how tries went; answer since when the destination of each settlement takes nothing, if so.

        What was claimed by somebody else since is left alone: its fence is higher.
        """
        now = max(settlement.now for settlement in settlements)
        results = [result for settlement in settlements for result in settlement.results]
        done: list[Tried] = []
        for (outcome, attempt), group in groupby(sorted(results, key=_fence), key=_fence):
            done += _settle(tx, outcome, attempt, list(group), now)
        tx.run(_sql.tick, now=now)
        tx.many(
            _sql.insert_attempts,
            [(r.delivery, r.attempt, r.started_at, r.duration_ms, r.status, r.error) for r, _ in done],
        )
        failing = _judge(tx, done, now)
        of = {r.delivery: failing.get(destination) for r, destination in done}
        return [next((of[r.delivery] for r in each.results if r.delivery in of), None) for each in settlements]

    # --- again -----------------------------------------------------------------------------------------------------

    def retry(self, tx: Tx, retries: Sequence[Retry]) -> list[tuple[int, int | None]]:
        """Put finished deliveries at the tail; answer how many, and where to go on (None: that was all)."""
        return [_retry(tx, item) for item in retries]

    def replay(self, tx: Tx, replays: Sequence[Replay]) -> list[list[str] | None]:
        """Deliver an event again: to the destinations named, else to all that want it. None: no such event."""
        return [self._replay(tx, item) for item in replays]

    def _replay(self, tx: Tx, item: Replay) -> list[str] | None:
        seq = self._known.event(tx, item.event)
        rows = [] if seq is None else tx.run(_sql.event_to_replay, seq=seq)
        if not rows:
            return None
        event, kind, provider, connection, order, version = rows[0]
        self._routes.refresh(tx, version)
        wanted = (
            self._routes.of(kind, provider, connection)
            if item.destinations is None
            else self._routes.numbers(item.destinations)
        )
        there = {row[1]: (row[0], row[2]) for row in tx.run(_sql.deliveries_of_event, event=event)}
        finished = [(there[d][0], d, there[d][1]) for d in wanted if d in there and there[d][1] != "pending"]
        missing = [d for d in wanted if d not in there]
        _requeue(tx, finished, item.now)
        if missing:
            number = _draw(tx, len(missing))
            plan(tx, [Planned(d, event, order) for d in missing], number, item.now)
            there |= {d: (number + place, "pending") for place, d in enumerate(missing, start=1)}
        return [delivery_id(there[d][0]) for d in wanted]

    def skip(self, tx: Tx, items: Sequence[Skip]) -> list[int]:
        """Skip some of what waits for a removed destination; answer how many."""
        return [_skip(tx, item) for item in items]


def _fence(result: Result) -> tuple[str, int]:
    return result.outcome, result.attempt


def _judge(tx: Tx, done: Sequence[Tried], now: int) -> dict[int, int]:
    """Note which destinations took something, and which took nothing; answer since when those fail."""
    took = {destination for result, destination in done if result.outcome == "delivered"}
    for destination in took:
        tx.run(_sql.takes, number=destination)
    failed = {destination for _, destination in done} - took
    before = now - LONGEST_GAP_MS
    return {number: tx.run(_sql.fails, number=number, now=now, before=before)[0][0] for number in failed}


def _settle(tx: Tx, outcome: str, attempt: int, results: list[Result], now: int) -> list[Tried]:
    """Write one outcome of deliveries in the same attempt; answer those whose fence held, as far as they were tries."""
    if outcome == "released":
        tx.run(_sql.release, now=now, numbers=[r.delivery for r in results], attempt=attempt)
        return []
    if outcome == "retry":
        return [(r, row[0]) for r in results for row in _postpone(tx, r, now)]
    if outcome == "skipped":
        _finish(tx, outcome, attempt, results, now)
        return []
    return _finish(tx, outcome, attempt, results, now)


def _postpone(tx: Tx, r: Result, now: int) -> Sequence[Row]:
    due = now + round(r.wait * 1000)
    return tx.run(_sql.postpone, due=due, now=now, number=r.delivery, attempt=r.attempt)


def _finish(tx: Tx, status: str, attempt: int, results: list[Result], now: int) -> list[Tried]:
    rows = tx.run(_sql.finish, status=status, now=now, numbers=[r.delivery for r in results], attempt=attempt)
    if not rows:
        return []
    finished: dict[int, int] = dict(rows)
    tx.run(_sql.advance, now=now, numbers=list(finished))
    _move(tx, ((destination, "pending") for destination in finished.values()), status)
    return [(r, finished[r.delivery]) for r in results if r.delivery in finished]


def skip_events(tx: Tx, events: Sequence[int], now: int) -> int:
    """Skip what waits to be sent of these events, not empty; answer how many deliveries that were.

    What is being sent just now keeps its turn: it ends as it ends, and is skipped when it would be tried again.
    """
    rows = tx.run(_sql.skip_events, now=now, events=events)
    if rows:
        tx.run(_sql.advance, now=now, numbers=[number for number, _ in rows])
        _move(tx, ((destination, "pending") for _, destination in rows), "skipped")
    return len(rows)


def _move(tx: Tx, places: Iterable[tuple[int, str]], status: str) -> None:
    """Count deliveries from where they were to another status."""
    changes: Counter[tuple[int, str]] = Counter()
    for destination, before in places:
        changes[destination, before] -= 1
        changes[destination, status] += 1
    _count(tx, changes)


def _retry(tx: Tx, item: Retry) -> tuple[int, int | None]:
    rows = tx.run(
        _sql.retryable,
        status=item.status,
        number=item.number,
        destination=item.destination,
        since=item.since,
        until=item.until,
        after=item.after,
        limit=item.limit,
    )
    if not rows:
        return 0, None
    numbers = [row[0] for row in rows]
    following = numbers[-1] if len(rows) == item.limit else None
    if item.status == "pending":
        return len(tx.run(_sql.hurry, now=item.now, numbers=numbers)), following
    _requeue(tx, [(number, destination, item.status) for number, destination in rows], item.now)
    return len(rows), following


def _requeue(tx: Tx, finished: Sequence[tuple[int, int, str]], now: int) -> None:
    """Put (number, destination, status) at the tail: behind everything of their bookings, so nothing overlaps."""
    if not finished:
        return
    position = _draw(tx, len(finished))
    tx.many(_sql.requeue, [(position + place, now, number) for place, (number, _, _) in enumerate(finished, start=1)])
    _move(tx, ((destination, status) for _, destination, status in finished), "pending")


def _draw(tx: Tx, amount: int) -> int:
    """Draw numbers or positions: those that follow the answer."""
    last: int = tx.run(_sql.draw_positions, amount=amount)[0][0]
    return last - amount


def _skip(tx: Tx, item: Skip) -> int:
    rows = tx.run(_sql.skip, now=item.now, destination=item.destination, limit=item.limit)
    if rows:
        _move(tx, [(item.destination, "pending")] * len(rows), "skipped")
    return len(rows)


def recover(tx: Tx, now: int) -> None:
    """Put right what a dead process left: what it had claimed is due at once, and waits survive a clock set back.

    Every due time was set as some `now` and a wait, and `head.clock` holds the latest such `now`. A clock that shows
    less was set back in between: what is still to come is moved by as much.
    """
    clock = tx.run(_sql.last_clock)[0][0]
    tx.run(_sql.take_up, now=now)
    if clock > now:
        tx.run(_sql.set_back, jump=clock - now, now=now)
    tx.run(_sql.tick, now=now)

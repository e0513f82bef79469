"""Erasure: everything that is kept is searched for a person or a booking, and what mentions it loses its bytes.

There is no index of people: every body is opened and searched, some ten thousand events a second beside everything
else, and so an address is found wherever it stands. A request is a row; a dead process's work is taken up where it
ended. Numbers, ids, types, keys, times and digests stay, so that sums add up and a repeated call is known.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec
import structlog
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from gateway.sealing import KeyRing, SealBroken, new_id
from gateway.store.emptying import drop_receipts, empty_events
from gateway.store.engines.engine import Engine, Row, Tx
from gateway.store.ids import EVENT_BYTES, key_hash
from gateway.store.known import Known
from gateway.store.sought import Address, BookingId, Sought
from gateway.store.statements import Statement, load

LOOK = 250
"""Sealed bodies that are read in one go: some milliseconds of a reader."""
STRETCH = 40
"""Reads before what was found is erased and written down."""
FAR = 50_000
"""Narrow rows that are read in one go."""
AT_ONCE = 100
"""Events or receipts that are emptied in one transaction: nobody waits long behind it."""
_sql = load("erasing")
_log = structlog.get_logger(__name__)


class Whom(Struct, frozen=True, omit_defaults=True):
    """Who or what is to be erased: an e-mail address, or a booking's key (`provider:connection:id`)."""

    email: str | UnsetType = UNSET
    booking: str | UnsetType = UNSET

    @property
    def sought(self) -> Sought:
        return Address(self.email) if self.email else BookingId(self.booking_id)

    @property
    def booking_id(self) -> str:
        return (self.booking or "").split(":", 2)[-1]

    @property
    def connection(self) -> str | None:
        """Name the connection that a booking is of."""
        parts = (self.booking or "").split(":", 2)
        return parts[1] if len(parts) > 2 else None  # noqa: PLR2004 -- provider:connection:id


class Erasure(Struct, frozen=True):
    """A request and how far it has come. `receipt` and `event`: what was looked at, up to `last_...`."""

    id: str
    whom: Whom | None
    begun_at: int
    finished_at: int | None
    last_receipt: int
    last_event: int
    receipt: int
    event: int
    receipts: int
    quarantined: int
    events: int
    deliveries: int


class Foreseen(Struct, frozen=True):
    """How many events and calls a request would empty; `whole`: all that is kept was looked at for it."""

    events: int
    receipts: int
    whole: bool


class Found(Struct, frozen=True):
    """What is to be emptied for a request, and how far was looked for it."""

    erasure: Erasure
    events: Sequence[int] = ()
    receipts: Sequence[int] = ()


class Mention(NamedTuple):
    """An event that mentions a person, and its booking's key."""

    event: int
    key: str | None


class Bookings(NamedTuple):
    """Bookings whose events a request erased, by their ids, and the connections that they are of."""

    ids: Sought
    connections: frozenset[str]


class Emptied(Struct, frozen=True):
    """Some events or receipts that a request is about. `whole`: all events of the receipts too."""

    erasure: str
    events: Sequence[int] = ()
    receipts: Sequence[int] = ()
    whole: bool = False


class Erasing:
    """Requests, and the work on them."""

    def __init__(self, engine: Engine, keys: KeyRing, known: Known) -> None:
        self._engine = engine
        self._keys = keys
        self._known = known
        self._bookings: tuple[str, Bookings | None] = ("", None)
        self._said: set[str] = set()

    async def begin(self, whom: Whom) -> str:
        """Write down a request about all that is kept now; its id."""
        erasure = new_id("ers_")
        sealed = self._keys.seal(msgspec.json.encode(whom), _about(erasure))
        await self._engine.write(self._begin, (erasure, sealed))
        return erasure

    async def foresee(self, whom: Whom, seconds: float) -> Foreseen:
        """Look for what a request would empty, and change nothing; after so many seconds as far as it is by then."""
        ((receipt, event),) = await self._engine.read(partial(_run, statement=_sql.reached, values={}))
        at = Erasure("", whom, 0, None, receipt, event, 0, 0, 0, 0, 0, 0)
        events: set[int] = set()
        receipts: set[int] = set()
        until = time.monotonic() + seconds
        while (at.event, at.receipt) != (event, receipt) and time.monotonic() < until:
            look = self._look_at_events if at.event < event else self._look_at_receipts
            found = await look(at, whom)
            at = found.erasure
            receipts.update(found.receipts)
            for some in _some_of(found.events):
                for seq, call in await self._engine.read(partial(_run, statement=_sql.kept, values={"events": some})):
                    events.add(seq)
                    receipts.update(() if call is None else (call,))
        return Foreseen(len(events), len(receipts), (at.event, at.receipt) == (event, receipt))

    async def one(self, erasure: str) -> Erasure | None:
        """Say how far a request has come."""
        return await self._engine.read(partial(self._one, erasure=erasure))

    async def unfinished(self) -> list[str]:
        """Name the requests that are not done, oldest first."""
        return await self._engine.read(_unfinished)

    async def step(self, erasure_id: str) -> bool:
        """Do a little more of a request; False when nothing is left of it."""
        erasure = await self.one(erasure_id)
        if erasure is None or erasure.whom is None:
            self._say_lost(erasure_id, erasure)
            return False
        if erasure.event < erasure.last_event:
            found = await self._look_at_events(erasure, erasure.whom)
        elif erasure.receipt < erasure.last_receipt:
            found = await self._look_at_receipts(erasure, erasure.whom)
        else:
            await self._empty(await self._look_at_late(erasure, erasure.whom))
            await self._engine.write(self._finish, erasure.id)
            await self._engine.settle_log()
            return False
        await self._empty(found)
        return True

    # --- looking: on readers ---------------------------------------------------------------------------------------

    async def _look_at_events(self, erasure: Erasure, whom: Whom) -> Found:
        """Find events that mention a person, and then all of the same bookings: some may not repeat the address."""
        if whom.booking:
            far = min(erasure.event + FAR * STRETCH, erasure.last_event)
            events = await self._of_booking(whom.booking, erasure.event, far)
            return Found(replace(erasure, event=far), events)
        found: set[int] = set()
        keys: set[str] = set()
        at = erasure.event
        for _ in range(STRETCH):
            at, some = await self._engine.read(partial(self._some_events, erasure=erasure, whom=whom, after=at))
            found.update(seq for seq, _ in some)
            keys.update(key for _, key in some if key is not None)
            if at == erasure.last_event:
                break
        found.update(await self._of_bookings(keys, erasure.last_event))
        return Found(replace(erasure, event=at), sorted(found))

    def _some_events(self, tx: Tx, erasure: Erasure, whom: Whom, after: int) -> tuple[int, list[Mention]]:
        rows = tx.run(_sql.some_bodies, after=after, last=erasure.last_event, limit=LOOK)
        sought = whom.sought
        found = [Mention(seq, key) for seq, raw, key, sealed in rows if self._mentions(raw, sealed, sought)]
        return _reached(rows, erasure.last_event), found

    async def _of_booking(self, key: str, after: int, last: int) -> list[int]:
        found: list[int] = []
        for begin in range(after, last, FAR):
            end = min(begin + FAR, last)
            look = {"after": begin, "last": end, "key_hash": key_hash(key), "key": key}
            rows = await self._engine.read(partial(_run, statement=_sql.events_of_booking, values=look))
            found += [seq for (seq,) in rows]
        return found

    async def _of_bookings(self, keys: set[str], last: int) -> set[int]:
        """Find all events of some bookings by passing over narrow rows, once for all of them."""
        found: set[int] = set()
        hashes = [key_hash(key) for key in keys]
        for begin in range(0, last if keys else 0, FAR):
            look = {"after": begin, "last": min(begin + FAR, last), "hashes": hashes}
            rows = await self._engine.read(partial(_run, statement=_sql.events_of_bookings, values=look))
            found.update(seq for seq, key in rows if key in keys)
        return found

    async def _look_at_receipts(self, erasure: Erasure, whom: Whom) -> Found:
        look = (
            partial(self._some_receipts, bookings=await self._erased(erasure)) if whom.email else self._some_set_aside
        )
        events: list[int] = []
        receipts: list[int] = []
        at = erasure.receipt
        for _ in range(STRETCH):
            at, more, their_events = await self._engine.read(partial(look, erasure=erasure, whom=whom, after=at))
            receipts += more
            events += their_events
            if at == erasure.last_receipt:
                break
        return Found(replace(erasure, receipt=at), events, receipts)

    async def _erased(self, erasure: Erasure) -> Bookings | None:
        """Name the bookings of which this request erased events: a call about one may know the person by name only."""
        if self._bookings[0] != erasure.id:
            look = partial(_run, statement=_sql.bookings_erased, values={"since": erasure.begun_at})
            rows = await self._engine.read(look) if erasure.id else []
            ids = BookingId(*{key.split(":", 2)[-1] for _, key in rows}) if rows else None
            bookings = None if ids is None else Bookings(ids, frozenset(connection for connection, _ in rows))
            self._bookings = (erasure.id, bookings)
        return self._bookings[1]

    def _some_receipts(
        self, tx: Tx, erasure: Erasure, whom: Whom, after: int, bookings: Bookings | None
    ) -> tuple[int, list[int], list[int]]:
        """Find calls that mention a person, and their events, whose translation may have left the address out; and
        those that became no event and name a booking of theirs."""
        rows = tx.run(_sql.some_inbound, after=after, last=erasure.last_receipt, limit=LOOK)
        sought, found = whom.sought, list[tuple[int, bytes | None]]()
        for number, digest, events, connection, status, sealed in rows:
            content = self._opened(sealed, b"inbound:" + digest)
            theirs = bookings is not None and status != "understood" and connection in {None, *bookings.connections}
            if content is None:
                continue
            if sought.within(content) or (theirs and bookings is not None and bookings.ids.within(content)):
                found.append((number, events))
        events = self._numbers(tx, [each for _, each in found])
        return _reached(rows, erasure.last_receipt), [number for number, _ in found], events

    def _numbers(self, tx: Tx, of_receipts: Iterable[bytes | None]) -> list[int]:
        ids = [each[at : at + EVENT_BYTES] for each in of_receipts if each for at in range(0, len(each), EVENT_BYTES)]
        return [seq for raw in ids if (seq := self._known.event(tx, raw)) is not None]

    def _some_set_aside(self, tx: Tx, erasure: Erasure, whom: Whom, after: int) -> tuple[int, list[int], list[int]]:
        """Find calls that became no event and name a booking: those of its connection, and of nobody's."""
        rows = tx.run(_sql.some_set_aside, after=after, last=erasure.last_receipt, limit=LOOK)
        sought = whom.sought
        found = [
            number
            for number, digest, connection, sealed in rows
            if connection in (None, whom.connection) and self._tells(digest, sealed, sought)
        ]
        return _reached(rows, erasure.last_receipt), found, []

    async def _look_at_late(self, erasure: Erasure, whom: Whom) -> Found:
        """Find events of calls that waited when the request came and were understood before they were looked at.

        By now none waits that is about it; so this ends where the events end now.
        """
        ((last,),) = await self._engine.read(partial(_run, statement=_sql.reached_by_now, values={}))
        found: list[Mention] = []
        at = erasure.last_event
        while at < last:
            look = partial(self._some_late, erasure=erasure, whom=whom, after=at, last=min(at + FAR, last))
            at, some = await self._engine.read(look)
            found += some
        keys = {each.key for each in found if each.key is not None} if whom.email else set()
        before = await self._of_bookings(keys, erasure.last_event)
        return Found(erasure, sorted(before.union(each.event for each in found)))

    def _some_late(self, tx: Tx, erasure: Erasure, whom: Whom, after: int, last: int) -> tuple[int, list[Mention]]:
        rows = tx.run(_sql.some_late, after=after, last=last, last_receipt=erasure.last_receipt, limit=LOOK)
        sought = whom.sought
        found = [
            Mention(seq, key)
            for seq, raw, key, sealed in rows
            if (key == whom.booking if whom.booking else self._mentions(raw, sealed, sought))
        ]
        return _reached(rows, last), found

    def _mentions(self, raw: bytes, sealed: bytes, sought: Sought) -> bool:
        body = self._opened(sealed, b"bodies:" + raw)
        return body is not None and sought.within(body)

    def _tells(self, digest: bytes, sealed: bytes, sought: Sought) -> bool:
        content = self._opened(sealed, b"inbound:" + digest)
        return content is not None and sought.within(content)

    def _opened(self, sealed: bytes, about: bytes) -> bytes | None:
        """Open what can be opened: what cannot, nobody can read."""
        try:
            return self._keys.unseal(sealed, about)
        except SealBroken:
            return None

    def _one(self, tx: Tx, erasure: str) -> Erasure | None:
        rows = tx.run(_sql.one, id=erasure)
        if not rows:
            return None
        name, sealed, *rest = rows[0]
        told = None if sealed is None else self._opened(sealed, _about(name))
        return Erasure(name, None if told is None else msgspec.json.decode(told, type=Whom), *rest)

    def _say_lost(self, name: str, erasure: Erasure | None) -> None:
        """Say once that nobody can tell any more whom an unfinished request is about."""
        if erasure is not None and erasure.finished_at is None and name not in self._said:
            self._said.add(name)
            _log.error("erasure_damaged", id=name, reason="its row was changed on disk: ask for that erasure again")

    # --- emptying: on the writer's thread --------------------------------------------------------------------------

    async def _empty(self, found: Found) -> None:
        """Empty what was found, some at a time; only then is what was looked at written down as done."""
        name, whom = found.erasure.id, found.erasure.whom
        whole = whom is not None and bool(whom.email)
        for events in _some_of(found.events):
            await self._engine.write(self._erase, Emptied(name, events=events))
        for receipts in _some_of(found.receipts):
            await self._engine.write(self._erase, Emptied(name, receipts=receipts, whole=whole))
        await self._engine.write(_reach, found.erasure)

    def _begin(self, tx: Tx, items: Sequence[tuple[str, bytes]]) -> list[None]:
        for erasure, sealed in items:
            tx.run(_sql.begin, id=erasure, sealed=sealed, now=self._engine.now())
        return [None for _ in items]

    def _finish(self, tx: Tx, items: Sequence[str]) -> list[None]:
        for erasure in items:
            tx.run(_sql.finish, id=erasure, now=self._engine.now())
        return [None for _ in items]

    def _erase(self, tx: Tx, items: Sequence[Emptied]) -> list[None]:
        now = self._engine.now()
        for item in items:
            emptied: list[Row] = []
            skipped = 0
            events = item.events
            if item.whole:  # they may have been understood since they were looked at
                events = self._numbers(tx, [of for (of,) in tx.run(_sql.events_of_receipts, receipts=item.receipts)])
            if events:
                emptied = tx.run(_sql.empty_events, now=now, events=events)
                tx.run(_sql.drop_words, events=events)
                skipped = empty_events(tx, events, now)
            receipts = {*item.receipts, *[receipt for (receipt,) in emptied if receipt is not None]}
            dropped, waited = drop_receipts(tx, sorted(receipts), "erased")
            counts = {"receipts": dropped, "quarantined": waited, "events": len(emptied), "deliveries": skipped}
            tx.run(_sql.count, id=item.erasure, **counts)
        return [None for _ in items]


def _about(erasure: str) -> bytes:
    return f"erasures:{erasure}".encode()


def _unfinished(tx: Tx) -> list[str]:
    return [name for (name,) in tx.run(_sql.unfinished)]


def _reach(tx: Tx, items: Sequence[Erasure]) -> list[None]:
    for item in items:
        tx.run(_sql.reach, id=item.id, receipt=item.receipt, event=item.event)
    return [None for _ in items]


def _run(tx: Tx, statement: Statement, values: dict[str, Any]) -> list[Row]:
    return tx.run(statement, **values)


def _reached(rows: Sequence[Row], last: int) -> int:
    """Say up to which number everything was looked at."""
    reached: int = rows[-1][0] if len(rows) == LOOK else last
    return reached


def _some_of(numbers: Iterable[int]) -> Iterator[list[int]]:
    ordered = list(numbers)
    for at in range(0, len(ordered), AT_ONCE):
        yield ordered[at : at + AT_ONCE]

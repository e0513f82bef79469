"""Catch up: look at providers' bookings, and tell of what their webhooks did not.

What is missing is told under the ids that the webhooks would have had, so one that comes late is a duplicate. A look is
a row, written after each page: a restart goes on with it.
"""

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

import structlog
from msgspec.structs import replace

from gateway.contract.errors import ApiRefused, EgressRefused, NotUnderstood, ProviderApiError
from gateway.contract.events import UnknownEvent, decode_event
from gateway.contract.provider import Draft, Found, FoundPage, Provider, Told
from gateway.pipeline.normalize import missed_event
from gateway.pipeline.receive import Candidate
from gateway.registration.rules import Conflict
from gateway.store.looks import LastTold, Look, Looks, Reason
from gateway.store.model import Connection, NewEvent, VersionConflict

OVERLAP_MS = 5 * 60 * 1000
"""How much earlier a look begins: clocks differ, and a call may be on its way."""
GRACE_MS = 60 * 1000
"""What happened so lately is left to its call by a look on schedule; the next one overlaps."""
WAITS = (5.0, 30.0, 120.0, 600.0, 1800.0)
"""Seconds before a provider that did not answer is asked for the same page again; the last one repeats."""
LONGEST_ASKED = 3600.0
"""The longest wait that a provider's Retry-After is believed for."""
RESTARTS = 3
"""So often a look begins again because the list shrank; then what it has seen must do until the next one."""
SKEW_MS = 60 * 1000
"""Clocks that are less apart are taken for one: OVERLAP_MS covers that."""
LARGEST_SKEW_MS = 24 * 60 * 60 * 1000
"""What is more apart is no clock to go by: the oldest bookings would be taken for missed ones."""
LOOK_SECONDS = 30.0
"""How soon a gap is seen that nobody woke this loop for."""
JITTER = 0.1

_log = structlog.get_logger(__name__)


class ReconcileStore(Protocol):
    """What catching up asks of the store."""

    looks: Looks

    async def connections(self) -> list[Connection]: ...
    async def put_connection(self, connection: Connection, /) -> Connection: ...
    async def emit(self, *events: NewEvent) -> tuple[str, ...]: ...
    def now(self) -> int: ...


class Asker(Protocol):
    """The way to a connection's provider. Raises ProviderApiError, EgressRefused."""

    async def changed(self, connection_id: str, since: datetime, page: str | None, /) -> FoundPage: ...
    def skew(self, connection_id: str, /) -> int: ...


class Candidates(Protocol):
    """The connections as calls are held against them: gateway.pipeline.inboxes.Inboxes."""

    def candidate(self, connection_id: str, /) -> Candidate | None: ...


class Reconciler:
    """Look at bookings: where calls may have been missed, when somebody asks, and every so many seconds (or never)."""

    def __init__(
        self, store: ReconcileStore, candidates: Candidates, asker: Asker, *, every: float | None = None
    ) -> None:
        self._store = store
        self._candidates = candidates
        self._asker = asker
        self._every = every
        self._busy: set[str] = set()
        self._failures: dict[str, tuple[int, float]] = {}
        self._restarts: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled: each connection by itself, so that a slow provider delays no other."""
        async with asyncio.TaskGroup() as working:
            while True:
                self._wake.clear()
                for connection_id in await self._open():
                    self._busy.add(connection_id)
                    working.create_task(self._work(connection_id))
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):  # wait_for would lose a cancellation
                        await self._wake.wait()

    async def ask(self, connection_id: str, since: int | None = None) -> Look:
        """Begin a look, or join the one that is going on; `since` in epoch milliseconds, by default where the last one
        left off. Raises Conflict when there is nobody to ask."""
        row = next((c for c in await self._store.connections() if c.id == connection_id), None)
        if row is None:
            raise Conflict("It was removed meanwhile.")
        why_not = unaskable(self._candidates.candidate(connection_id))
        if why_not is not None:
            raise Conflict(why_not)
        look = replace(await self._begin(row, "asked", since), error=None)
        await self._store.looks.put(look)
        self._failures.pop(connection_id, None)
        self._wake.set()
        return look

    async def gap(self, connection_id: str) -> None:
        """Look soon: the row says from when on calls may be missing."""
        self._failures.pop(connection_id, None)
        self._wake.set()

    async def wait(self, connection_id: str, within: float) -> Look | None:
        """Wait until a connection's look has ended, for so many seconds at most; gives it as it is then."""
        ends = asyncio.get_running_loop().time() + within
        while True:
            self._moved.clear()
            look = (await self._store.looks.all()).get(connection_id)
            left = ends - asyncio.get_running_loop().time()
            if look is None or look.finished_at is not None or look.error is not None or left <= 0:
                return look
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, 1.0)):  # another process may be the one that looks
                    await self._moved.wait()

    # --- which looks there are -------------------------------------------------------------------------------------

    async def _open(self) -> list[str]:
        """Begin the looks that are due, and name the connections whose looks can go on now."""
        looks = await self._store.looks.all()
        open_ = []
        for row in await self._store.connections():
            if row.id in self._busy or row.status in ("registering", "removing") or self._resting(row.id):
                continue
            if unaskable(self._candidates.candidate(row.id)) is not None:
                continue
            look = looks.get(row.id)
            if row.missed_since is not None and (look is None or look.finished_at is not None):
                look = await self._begin(row, "gap", row.missed_since)
            elif self._scheduled(row, look):
                look = await self._begin(row, "schedule", None)
            if look is not None and look.finished_at is None:
                open_.append(row.id)
        return open_

    def _resting(self, connection_id: str) -> bool:
        return self._failures.get(connection_id, (0, 0.0))[1] > asyncio.get_running_loop().time()

    def _rest(self, connection_id: str, seconds: float, failures: int) -> None:
        loop = asyncio.get_running_loop()
        self._failures[connection_id] = (failures, loop.time() + seconds)
        loop.call_later(seconds, self._wake.set)

    def _scheduled(self, row: Connection, look: Look | None) -> bool:
        if self._every is None or (look is not None and look.finished_at is None):
            return False
        last = row.created_at if look is None else look.finished_at or look.begun_at
        spread = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 -- spreads load, hides nothing
        return self._store.now() - last >= self._every * 1000 * spread

    async def _begin(self, row: Connection, reason: Reason, since: int | None) -> Look:
        """Begin a look; one that is going on is widened when more is asked for. Bookings made before the connection
        was are looked at only when somebody names a time."""
        before = (await self._store.looks.all()).get(row.id)
        covered = before.covered if before else row.created_at
        since = max(0, (covered if since is None else since) - OVERLAP_MS)
        if before is not None and before.finished_at is None:
            if before.since <= since:
                return before
            look = replace(before, since=since, page=None, seen=0, total=None)
        else:
            look = Look(connection=row.id, reason=reason, since=since, begun_at=self._store.now(), covered=covered)
        self._restarts.pop(row.id, None)
        await self._store.looks.put(look)
        _log.info("catching_up", connection=row.id, reason=look.reason, since=_at(look.since).isoformat())
        return look

    # --- one look --------------------------------------------------------------------------------------------------

    async def _work(self, connection_id: str) -> None:
        try:
            while await self._step(connection_id):
                self._moved.set()
        finally:
            self._busy.discard(connection_id)
            self._moved.set()
            self._wake.set()

    async def _step(self, connection_id: str) -> bool:
        """Look at one page; False when the look has ended, or cannot go on now."""
        look = (await self._store.looks.all()).get(connection_id)
        candidate = self._candidates.candidate(connection_id)
        if look is None or look.finished_at is not None or candidate is None:
            return False
        try:
            page = await self._page(look)
        except (ProviderApiError, EgressRefused) as error:
            await self._failed(look, error)
            return False
        self._failures.pop(connection_id, None)
        return await self._note(look, await self._told(look, candidate, page), page)

    async def _page(self, look: Look) -> FoundPage:
        """Ask for the next page, from as much earlier as the provider's clock is behind ours; only an answer of its
        own tells that, so the first one may have to be asked for twice."""
        behind = self._skew(look).behind
        page = await self._asker.changed(look.connection, _at(max(0, look.since - behind)), look.page)
        found = self._skew(look)
        if found.behind > behind + SKEW_MS:
            _log.warning("clocks_differ", connection=look.connection, behind_seconds=found.behind // 1000)
            page = await self._asker.changed(look.connection, _at(max(0, look.since - found.behind)), look.page)
        return page

    def _skew(self, look: Look) -> "Skew":
        return Skew.of(self._asker.skew(look.connection))

    async def _note(self, before: Look, look: Look, page: FoundPage) -> bool:
        """Write down how far it has come, unless somebody widened it meanwhile."""
        now = (await self._store.looks.all()).get(look.connection)
        if now is None or now.since != before.since:
            return now is not None
        shrunk = before.total is not None and page.total is not None and page.total < before.total
        if shrunk and self._restarts.get(look.connection, 0) < RESTARTS:
            self._restarts[look.connection] = self._restarts.get(look.connection, 0) + 1
            await self._store.looks.put(replace(look, page=None, seen=0))
            return True
        if page.next is not None:
            await self._store.looks.put(replace(look, page=page.next))
            return True
        await self._end(look)
        return False

    async def _told(self, look: Look, candidate: Candidate, page: FoundPage) -> Look:
        """Tell of what is missing on one page, and count."""
        prefix = f"{candidate.provider.name}:{candidate.account.connection}:"
        keys = [prefix + found.id for found in page.bookings]
        latest, held = await self._store.looks.latest(keys), await self._store.looks.held(keys)
        free = [(key, found) for key, found in zip(keys, page.bookings, strict=True) if key not in held]
        now = self._store.now()
        skew = self._skew(look)
        until = now - GRACE_MS + skew.ahead if look.reason == "schedule" else None
        window = Window(look.since - skew.behind, until, now)
        events, unread = await asyncio.to_thread(_missing, candidate, free, latest, window)
        new = await self._store.emit(*events) if events else ()
        return replace(
            look,
            seen=look.seen + (len(page.bookings) if page.size is None else page.size),
            total=page.total,
            missed=look.missed + len(new),
            waiting=look.waiting + len(keys) - len(free),
            unread=look.unread + unread,
            error=None,
        )

    async def _failed(self, look: Look, error: ProviderApiError | EgressRefused) -> None:
        """Go on later from the same page; from the first when the provider knows nothing of this one any more."""
        failures = self._failures.get(look.connection, (0, 0.0))[0]
        asked = min(getattr(error, "retry_after", None) or 0.0, LONGEST_ASKED)
        self._rest(look.connection, max(WAITS[min(failures, len(WAITS) - 1)], asked), failures + 1)
        status = getattr(error, "status", 0)
        said = f"HTTP {status}" if status else "no answer" if isinstance(error, ProviderApiError) else str(error)
        page = None if isinstance(error, ApiRefused) else look.page
        await self._store.looks.put(replace(look, page=page, error=f"{type(error).__name__}: {said}"))
        _log.warning("catching_up_waits", connection=look.connection, error=type(error).__name__, status=status)

    async def _end(self, look: Look) -> None:
        """Note that all is known up to when the look began, but for what a held call keeps from being told."""
        whole = not look.waiting and (look.reason == "gap" or look.since <= look.covered)
        covered = max(look.covered, look.begun_at) if whole else look.covered
        await self._store.looks.put(replace(look, page=None, finished_at=self._store.now(), covered=covered))
        _log.info("caught_up", connection=look.connection, seen=look.seen, missed=look.missed, waiting=look.waiting)
        if look.waiting:
            self._rest(look.connection, LOOK_SECONDS, 0)
            return
        row = next((c for c in await self._store.connections() if c.id == look.connection), None)
        if row is not None and row.missed_since is not None and row.missed_since >= look.since:
            with suppress(VersionConflict):  # somebody changes it just now: then there is one look more
                await self._store.put_connection(replace(row, missed_since=None))


def unaskable(candidate: Candidate | None) -> str | None:
    """Say plainly why a connection cannot be caught up with; None when it can."""
    if candidate is None:
        return "Its plugin is not installed, or it is being removed."
    if candidate.provider.bookings is None:
        return cannot(candidate.provider)
    if not candidate.askable:
        return f"{candidate.provider.title} can be asked, but this connection has no `credentials` to ask with."
    return None


def cannot(provider: Provider) -> str:
    """Say what a provider without such an API means."""
    return (
        f"{provider.title} cannot be asked for bookings: what it called while this gateway did not listen, "
        "and does not send again, stays unknown here."
    )


class Skew(NamedTuple):
    """How far a provider's clock is from ours, in milliseconds; at most one of the two is not 0. A look is widened by
    it and never narrowed: the clock that an answer states need not be the one that bookings are stamped by."""

    behind: int
    ahead: int

    @classmethod
    def of(cls, skew: int) -> "Skew":
        known = skew if SKEW_MS < abs(skew) <= LARGEST_SKEW_MS else 0
        return cls(max(0, -known), max(0, known))


class Window(NamedTuple):
    """What is looked for, in epoch milliseconds by the provider's clock; `until` None: whatever happened up to now."""

    since: int
    until: int | None
    now: int


def _missing(
    candidate: Candidate, bookings: Iterable[tuple[str, Found]], latest: Mapping[str, LastTold], window: Window
) -> tuple[Sequence[NewEvent], int]:
    """Make the events of what was not told; also count what the plugin could not read.

    Of a booking that nothing was ever told of, what happened before `since` is not ours: it may be older than we are.
    """
    api, events, unread = candidate.provider.bookings, list[NewEvent](), 0
    assert api is not None, "only what can be asked is looked at"
    for key, found in bookings:
        known = _known(latest.get(key))
        since = None if known else window.since
        try:
            drafts = [d for d in api.missed(candidate.account, found, known) if _within(d, since, window.until)]
            events += [missed_event(candidate, draft, _at(window.now)) for draft in drafts]
        except NotUnderstood:
            unread += 1
        except Exception as error:  # noqa: BLE001 -- a plugin's own mistake about one booking must not hide the others
            unread += 1
            _log.error("plugin_error", provider=candidate.provider.name, error=type(error).__name__)
    return events, unread


def _within(draft: Draft, since: int | None, until: int | None) -> bool:
    at = draft.at or draft.revision
    return at is None or ((since is None or at >= _at(since)) and (until is None or at <= _at(until)))


def _known(told: LastTold | None) -> Told | None:
    if told is None:
        return None
    event = decode_event(told.body) if told.body else None
    booking = None if event is None or isinstance(event, UnknownEvent) else getattr(event.data, "booking", None)
    return Told(type=told.type, at=_at(told.timestamp), booking=booking)


def _at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)

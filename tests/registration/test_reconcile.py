"""Catching up: what was missed is told once, under the id that its call had, whatever happens meanwhile."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.contract.errors import ApiRefused, ApiUnavailable, CredentialRefused
from gateway.contract.events import BookingCancelled, BookingRescheduled, DeliveredBy, Verification
from gateway.contract.provider import Found, FoundPage
from gateway.pipeline.receive import Candidate
from gateway.registration import reconcile
from gateway.registration.reconcile import OVERLAP_MS, Reconciler
from gateway.registration.rules import Conflict
from gateway.store.looks import Look
from tests.pipeline.asked import Desk, Telling, confirming, fact, types
from tests.store.samples import START, HandClock, connection, open_store, subscribe

PAGE = 3


@dataclass
class List:
    """The vendor's list, newest first, in pages. `between` happens before each page but the first."""

    diary: dict[str, Any] = field(default_factory=dict)
    failing: list[Exception] = field(default_factory=list)
    between: Callable[[], None] = lambda: None
    asked: list[tuple[datetime, str | None]] = field(default_factory=list)
    totals: bool = True
    clock_ahead: int = 0
    """What each answer tells of the vendor's clock, in milliseconds."""
    known_ahead: int = 0

    def says(self, *facts: Any) -> None:
        self.diary |= {one["id"]: one for one in facts}

    async def changed(self, connection_id: str, since: datetime, page: str | None) -> FoundPage:
        self.asked.append((since, page))
        self.known_ahead = self.clock_ahead
        if self.failing:
            raise self.failing.pop(0)
        if page is not None:
            self.between()
        at, all_ = int(page or 0), list(reversed(self.diary.values()))
        some = [Found(one["id"], json.dumps(one).encode()) for one in all_[at : at + PAGE]]
        more = str(at + PAGE) if at + PAGE < len(all_) else None
        return FoundPage(bookings=some, next=more, size=len(some), total=len(all_) if self.totals else None)

    def skew(self, connection_id: str) -> int:
        return self.known_ahead


@dataclass
class Office(Desk):
    """A desk that catches up."""

    list: List = field(default_factory=List)

    def candidate(self, connection_id: str) -> Candidate | None:
        return next((c for c in self.inbox.candidates if c.account.connection == connection_id), None)

    def reconciler(self, every: float | None = None) -> Reconciler:
        return Reconciler(self.store, self, self.list, every=every)

    @contextlib.asynccontextmanager
    async def catching_up(self, every: float | None = None) -> AsyncIterator[Reconciler]:
        made = self.reconciler(every)
        async with asyncio.TaskGroup() as tasks:  # what it raises ends the test
            working = tasks.create_task(made.run())
            yield made
            working.cancel()

    async def catches_up(self, since: int | None = START) -> Look:
        """Ask for one look and wait for its end."""
        async with self.catching_up() as reconciler:
            await reconciler.ask("con_1", since)
            look = await reconciler.wait("con_1", 30)
        assert look is not None
        return look


class Deaf(Telling):
    """A provider without such an API."""

    bookings = None


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    clock = HandClock()
    made = Office(await open_store(tmp_path / "data", clock), clock)
    await made.store.put_connection(connection("con_1", status="active"))
    yield made
    await made.store.close()


async def test_what_was_missed_is_told_as_confirmed_by_the_provider(office: Office) -> None:
    office.list.says(fact("b1", title="as it is"))
    look = await office.catches_up()
    assert (look.seen, look.missed, look.error) == (1, 1, None)
    assert look.finished_at is not None
    (event,) = await office.told()
    assert event.type == "booking.scheduled"
    assert not isinstance(event, bytes)
    origin = event.origin  # type: ignore[union-attr]  # -- of a known type
    assert (origin.delivered_by, origin.verification) == (DeliveredBy.RECONCILED, Verification.CONFIRMED)
    assert origin.raw is None
    assert await office.sums() == (0, 0, 0, 0), "no call was received"


async def test_a_call_that_comes_late_is_a_duplicate(office: Office) -> None:
    office.list.says(fact("b1"))
    await office.catches_up()
    (event,) = await office.told()
    late = await office.takes(fact("b1", title="other words"))
    assert (late.status, late.events) == ("duplicate", (event.id,))
    assert len(await office.told()) == 1


async def test_what_a_call_told_is_not_missed(office: Office) -> None:
    await office.takes(fact("b1"))
    office.list.says(fact("b1", title="other words"))
    assert (await office.catches_up()).missed == 0
    assert len(await office.told()) == 1


async def test_of_several_steps_the_last_is_told_and_that_there_were_others_is_said(office: Office) -> None:
    await office.takes(fact("b1", day=1))
    office.list.says(fact("b1", "moved", day=4, step=90), fact("b2", "gone", step=80))
    await office.catches_up()
    events = {event.id: event for event in await office.told()}
    moved, gone = list(events.values())[2], list(events.values())[1]
    assert isinstance(moved, BookingRescheduled)
    assert isinstance(gone, BookingCancelled)
    assert moved.warnings == gone.warnings == ("steps_unknown",)
    assert moved.data.previous.start is not None, "as it was told last"
    assert moved.data.previous.start < (moved.data.booking.start or moved.data.previous.start)


async def test_late_calls_of_the_steps_between_are_told_and_sort_before(office: Office) -> None:
    office.list.says(fact("b1", "gone", day=2, step=30))
    await office.catches_up()
    for late in (fact("b1"), fact("b1", "moved", day=2, step=20), fact("b1", "gone", day=2, step=30)):
        await office.takes(late)
    events = await office.told()
    assert types(events) == ["booking.cancelled", "booking.scheduled", "booking.rescheduled"]
    sequences = [event.sequence for event in events]  # type: ignore[union-attr]  # -- of known types
    assert sorted(sequences) == [*sequences[1:], sequences[0]]
    assert (await office.catches_up()).missed == 0, "what was told last is by the provider's clock"


async def test_what_is_told_is_delivered_in_the_bookings_order(office: Office) -> None:
    destination = await subscribe(office.store)
    await office.takes(fact("b1"))
    office.list.says(fact("b1", "gone", step=9))
    await office.catches_up()
    (head,) = await office.store.claim(destination.number, 10, 60)
    assert head.event_type == "booking.scheduled", "the cancellation waits behind it"


# --- pages ---------------------------------------------------------------------------------------------------------


async def test_all_pages_are_looked_at(office: Office) -> None:
    office.list.says(*(fact(f"b{n}") for n in range(8)))
    look = await office.catches_up()
    assert (look.seen, look.total, look.missed) == (8, 8, 8)
    assert [page for _, page in office.list.asked] == [None, "3", "6"]


async def test_what_is_added_between_pages_is_told_once(office: Office) -> None:
    office.list.says(*(fact(f"b{n}") for n in range(6)))
    names = iter(range(100))
    office.list.between = lambda: office.list.says(fact(f"new{next(names)}"))
    await office.catches_up()
    told = [event.key for event in await office.told()]  # type: ignore[union-attr]  # -- of known types
    assert len(told) == len(set(told)) >= 6


async def test_a_list_that_shrinks_is_read_again(office: Office) -> None:
    office.list.says(*(fact(f"b{n}") for n in range(7)))
    gone = iter(["b6", "b5"])
    office.list.between = lambda: office.list.diary.pop(next(gone, ""), None)
    await office.catches_up()
    told = {event.key for event in await office.told()}  # type: ignore[union-attr]  # -- of known types
    assert {f"telling:con_1:b{n}" for n in range(5)} <= told


async def test_a_list_that_shrinks_for_ever_comes_to_an_end(office: Office) -> None:
    office.list.says(*(fact(f"b{n}") for n in range(60)))
    office.list.between = lambda: office.list.diary.pop(next(iter(office.list.diary)), None)
    assert (await office.catches_up()).finished_at is not None


async def test_a_look_goes_on_where_a_dead_process_left_it(tmp_path: Path) -> None:
    clock = HandClock()
    first = Office(await open_store(tmp_path / "data", clock), clock)
    await first.store.put_connection(connection("con_1", status="active"))
    first.list.says(*(fact(f"b{n}") for n in range(7)))

    def dies() -> None:
        raise asyncio.CancelledError

    first.list.between = dies
    reconciler = first.reconciler()
    await reconciler.ask("con_1", START)
    with contextlib.suppress(asyncio.CancelledError, asyncio.TimeoutError):
        await asyncio.wait_for(reconciler.run(), 1)
    await first.store.close()

    again = Office(await open_store(tmp_path / "data", clock), clock)
    again.list.diary = first.list.diary
    async with again.catching_up() as reconciler:
        look = await reconciler.wait("con_1", 30)
    assert look is not None
    assert [page for _, page in again.list.asked] == ["3", "6"]
    assert (look.seen, look.missed) == (7, 7)
    await again.store.close()


# --- a provider in trouble -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [ApiUnavailable("x", status=429, retry_after=0.02), CredentialRefused("x", status=401)]
)
async def test_a_look_waits_and_goes_on_from_the_same_page(
    office: Office, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "WAITS", (0.01,))
    office.list.says(*(fact(f"b{n}") for n in range(5)))
    office.list.between = lambda: office.list.failing.append(error) if len(office.list.asked) == 1 else None
    async with office.catching_up() as reconciler:
        await reconciler.ask("con_1", START)
        while len(await office.told()) < 5:
            await office.store.changed(1)
    assert [page for _, page in office.list.asked][-1] == "3"
    assert None not in [page for _, page in office.list.asked][1:]


async def test_what_it_waits_for_is_said(office: Office) -> None:
    office.list.failing = [CredentialRefused("words that may repeat a key", status=401)]
    look = await office.catches_up()
    assert (look.finished_at, look.error) == (None, "CredentialRefused: HTTP 401")


async def test_a_page_that_is_not_there_any_more_begins_the_list_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "WAITS", (0.01,))
    office.list.says(*(fact(f"b{n}") for n in range(5)))
    refusals = [ApiRefused("no such page", status=400)]

    def refuse() -> None:
        if refusals:
            raise refusals.pop()

    office.list.between = refuse
    async with office.catching_up() as reconciler:
        await reconciler.ask("con_1", START)
        while len(await office.told()) < 5:
            await office.store.changed(1)
    assert [page for _, page in office.list.asked] == [None, "3", None, "3"]


async def test_one_booking_that_cannot_be_read_hides_no_other(office: Office) -> None:
    office.list.says(fact("b1"), {"id": "b2", "word": "?"}, fact("b3"))
    look = await office.catches_up()
    assert (look.missed, look.unread) == (2, 1)


async def test_a_booking_with_a_held_call_is_left_to_it(office: Office) -> None:
    office.settings = confirming("try")
    await office.takes(fact("b1"))
    office.list.says(fact("b1", "moved", day=3, step=5), fact("b2"))
    office.clock.advance(60)
    look = await office.catches_up()
    assert (look.missed, look.waiting) == (1, 1)
    assert look.covered < look.begun_at, "and looked at again"


# --- when ----------------------------------------------------------------------------------------------------------


async def test_a_gap_is_looked_at_from_when_it_may_have_begun(office: Office) -> None:
    (row,) = await office.store.connections()
    await office.store.put_connection(replace(row, missed_since=START + 60_000))
    office.list.says(fact("b1", step=61))
    async with office.catching_up() as reconciler:
        while (await office.store.connections())[0].missed_since is not None:
            await office.store.changed(1)
        look = await reconciler.wait("con_1", 1)
    assert look is not None
    assert (look.reason, look.since) == ("gap", START + 60_000 - OVERLAP_MS)
    assert len(await office.told()) == 1


async def test_on_schedule_a_look_begins_where_the_last_one_ended(office: Office) -> None:
    await office.catches_up()
    begun = office.clock.at
    office.clock.advance(200)
    async with office.catching_up(every=100):
        while len(office.list.asked) < 2:
            await office.store.changed(1)
    assert office.list.asked[1][0].timestamp() * 1000 == begun - OVERLAP_MS


async def test_on_schedule_what_just_happened_is_left_to_its_call(office: Office) -> None:
    office.clock.advance(200)
    office.list.says(fact("b1", step=100), fact("b2", step=190))
    async with office.catching_up(every=100) as reconciler:
        while (await office.store.looks.all()).get("con_1") is None:
            await office.store.changed(1)
        await reconciler.wait("con_1", 10)
    (event,) = await office.told()
    assert event.key == "telling:con_1:b1"  # type: ignore[union-attr]  # -- of a known type
    assert (await office.catches_up()).missed == 1, "whoever asks is told of all"


TWO_HOURS = 2 * 60 * 60


async def test_what_a_clock_two_hours_behind_stamped_is_not_taken_for_older_than_the_gap(office: Office) -> None:
    office.list.clock_ahead = -TWO_HOURS * 1000
    office.list.says(fact("b0", step=-TWO_HOURS - 600), fact("b1", step=-TWO_HOURS + 10))
    assert (await office.catches_up()).missed == 1
    (event,) = await office.told()
    assert event.key == "telling:con_1:b1"  # type: ignore[union-attr]  # -- of a known type
    asked = [round(since.timestamp() * 1000) for since, _ in office.list.asked]
    assert asked == [START - OVERLAP_MS, START - OVERLAP_MS - TWO_HOURS * 1000]


async def test_on_schedule_what_a_clock_two_hours_ahead_stamped_does_not_wait_for_two_hours(office: Office) -> None:
    office.list.clock_ahead = TWO_HOURS * 1000
    office.clock.advance(200)
    office.list.says(fact("b1", step=TWO_HOURS + 100), fact("b2", step=TWO_HOURS + 190))
    async with office.catching_up(every=100) as reconciler:
        while (await office.store.looks.all()).get("con_1") is None:
            await office.store.changed(1)
        await reconciler.wait("con_1", 10)
    assert [event.key for event in await office.told()] == ["telling:con_1:b1"]  # type: ignore[union-attr]  # -- of a known type


@pytest.mark.parametrize("ahead", [-40_000, 40_000, -40 * 365 * 86_400_000, 14 * 365 * 86_400_000])
async def test_a_clock_that_is_nearly_right_or_no_clock_at_all_moves_nothing(office: Office, ahead: int) -> None:
    office.list.clock_ahead = ahead
    office.list.says(*(fact(f"b{n}", step=-3600) for n in range(5)), fact("b9"))
    assert (await office.catches_up()).missed == 1
    assert [page for _, page in office.list.asked] == [None, "3"]


async def test_without_a_schedule_nothing_is_asked(office: Office) -> None:
    office.clock.advance(10**6)
    async with office.catching_up():
        await asyncio.sleep(0.05)
    assert office.list.asked == []


async def test_what_is_older_than_the_window_and_was_never_told_is_not_ours(office: Office) -> None:
    office.list.says(fact("b1", step=0), fact("b2", step=1000))
    assert (await office.catches_up(START + 900_000)).missed == 1


async def test_who_asks_for_more_widens_the_look_that_is_going_on(office: Office) -> None:
    office.list.failing = [ApiUnavailable("down", retry_after=600)] * 2
    async with office.catching_up() as reconciler:
        await reconciler.ask("con_1", START + 10**7)
        await reconciler.wait("con_1", 5)
        look = await reconciler.ask("con_1", START)
        narrower = await reconciler.ask("con_1", START + 10**6)
    assert look.since == narrower.since == START - OVERLAP_MS


async def test_where_nobody_can_be_asked_it_says_so(office: Office) -> None:
    reconciler = office.reconciler()
    office.askable = False
    with pytest.raises(Conflict, match="no `credentials`"):
        await reconciler.ask("con_1")
    office.provider = Deaf()
    with pytest.raises(Conflict, match="telling cannot be asked for bookings"):
        await reconciler.ask("con_1")
    with pytest.raises(Conflict, match="removed"):
        await reconciler.ask("con_2")

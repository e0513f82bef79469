"""Booking API: what the vendor answers when it is asked is what its webhooks told, or would have told."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import msgspec
import pytest
from msgspec.structs import replace

from gateway.contract.asked import STEPS, booking_of
from gateway.contract.errors import ApiUnavailable, CredentialRefused, NotUnderstood
from gateway.contract.events import EVENT_OF
from gateway.contract.http import Http
from gateway.contract.provider import BookingApi, BookingSettings, Draft, Found, FoundPage, Told
from gateway.contract.simulator import BookingSimulator, Call
from gateway.contract.testing import probing
from gateway.contract.testing.suite import URL, Suite
from gateway.contract.testing.webhooks import AsgiHttp, Nonsense, awaited, refusal

MINUTE = timedelta(minutes=1)


class Clock:
    """The vendor's time: a minute later at each look, so that no two things happen at once."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        self.now += MINUTE
        return self.now


class BookingApiSuite(Suite):
    """Booking API: tried on the simulator, held against the calls that the simulator makes for the same bookings."""

    bookings: ClassVar[Callable[[Callable[[], datetime]], BookingSimulator]]
    """Makes a simulator that lives by a clock."""

    def booking_api(self) -> BookingApi:
        api = self.provider.bookings
        assert isinstance(api, BookingApi), "bookings: not declared"
        return api

    def vendor(self) -> BookingSimulator:
        """Make a vendor with one webhook."""
        vendor = type(self).bookings(Clock())
        vendor.paste(URL)
        return vendor

    def asking(self, vendor: BookingSimulator, **credentials: str) -> Http:
        settings = msgspec.convert(vendor.settings("http://localhost:1"), self.provider.settings)
        given = msgspec.convert({**vendor.credentials, **credentials}, self.provider.credentials)
        return AsgiHttp(vendor.app, self.booking_api().base_url(settings), self.booking_api().headers(given))

    async def found(self, vendor: BookingSimulator, booking: str) -> Found:
        body = await self.booking_api().fetch(self.asking(vendor), booking)
        assert body is not None, "fetch: a booking that is there was not found"
        return Found(booking, body)

    def state(self, found: Found) -> Draft:
        return self.booking_api().state(self.account(), found)

    def told(self, call: Call) -> Draft:
        """Translate a call of the simulator's."""
        (draft,) = self.provider.translate(self.receipt(call.body, {n.lower(): v for n, v in call.headers}))
        return draft

    def test_its_settings_can_ask_for_it(self) -> None:
        assert issubclass(self.provider.settings, BookingSettings), "settings: inherit BookingSettings"

    @awaited
    async def test_a_booking_is_found_by_its_id_and_no_other_is(self) -> None:
        vendor = self.vendor()
        bookings = [vendor.book() for _ in range(3)]
        assert booking_id(self.state(await self.found(vendor, bookings[1]))) == bookings[1]
        for unknown in ("no-such-booking", "a/b?c=d", "\u00fc \u0000", "../webhooks"):
            assert await self.booking_api().fetch(self.asking(vendor), unknown) is None

    @awaited
    async def test_a_state_is_what_the_last_call_told(self) -> None:
        vendor = self.vendor()
        booking = vendor.book()
        for happens in (None, vendor.move, vendor.move, vendor.cancel):
            if happens:
                happens(booking)
            state, told = self.state(await self.found(vendor, booking)), self.told(vendor.outbox[-1])
            assert state.parts == told.parts, "parts: a call that comes late would be a second event"
            assert (type(state.data), state.word, state.revision) == (type(told.data), told.word, told.revision)
            assert slot(state) == slot(told)

    @awaited
    async def test_a_booking_that_is_as_it_was_told_misses_nothing(self) -> None:
        vendor = self.vendor()
        booking = vendor.book()
        for happens in (None, vendor.move, vendor.cancel):
            if happens:
                happens(booking)
            told = as_told(self.told(vendor.outbox[-1]))
            found = await self.found(vendor, booking)
            assert not self.missed(found, told)
            if happens is not vendor.cancel:
                assert not self.missed(found, replace(told, booking=None)), "its content need not be kept any more"

    @awaited
    async def test_what_was_not_told_is_missed_under_the_id_that_the_call_had(self) -> None:
        vendor = self.vendor()
        booking = vendor.book()
        before = None
        for happens in (None, vendor.move, vendor.cancel):
            if happens:
                happens(booking)
            found, told = await self.found(vendor, booking), self.told(vendor.outbox[-1])
            for known in {before, None}:
                (missing,) = self.missed(found, known)
                assert missing.parts == told.parts
                assert type(missing.data) is type(told.data)
            before = as_told(told)

    @awaited
    async def test_steps_that_a_state_does_not_tell_are_said(self) -> None:
        vendor = self.vendor()
        moved, cancelled = vendor.book(), vendor.book()
        for _ in range(2):
            vendor.move(moved)
        vendor.cancel(cancelled)
        for booking in (moved, cancelled):
            (missing, *_) = self.missed(await self.found(vendor, booking), None)
            assert STEPS in missing.warnings, f"warnings: {STEPS}"

    @awaited
    async def test_all_pages_are_read(self) -> None:
        vendor = self.vendor()
        bookings = [vendor.book() for _ in range(2 * vendor.page + 1)]
        pages = await self.pages(vendor)
        assert set(bookings) <= {found.id for page in pages for found in page.bookings}

    @awaited
    async def test_what_is_added_meanwhile_hides_nothing(self) -> None:
        vendor = self.vendor()
        bookings = [vendor.book() for _ in range(2 * vendor.page)]
        pages = await self.pages(vendor, lambda: [vendor.book() for _ in range(3)])
        assert set(bookings) <= {found.id for page in pages for found in page.bookings}

    @awaited
    async def test_what_is_removed_meanwhile_shows_in_the_total(self) -> None:
        vendor = self.vendor()
        bookings = [vendor.book() for _ in range(2 * vendor.page)]
        first, second, *_ = await self.pages(vendor, lambda: vendor.forget(bookings.pop()))
        if first.total is not None:
            assert second.total is not None
            assert second.total < first.total

    @awaited
    async def test_what_changed_is_among_what_changed(self) -> None:
        vendor = self.vendor()
        moved, cancelled = vendor.book(), vendor.book()
        since = vendor.clock()
        vendor.move(moved)
        vendor.cancel(cancelled)
        found = {found.id for page in await self.pages(vendor, since=since) for found in page.bookings}
        assert {moved, cancelled} <= found

    @awaited
    async def test_a_listed_booking_is_the_one_that_is_fetched(self) -> None:
        vendor = self.vendor()
        booking = vendor.book()
        vendor.move(booking)
        ((listed,),) = [page.bookings for page in await self.pages(vendor)][:1]
        assert self.state(listed) == self.state(await self.found(vendor, booking))

    @awaited
    async def test_reading_is_pure_and_gives_no_secret_away(self) -> None:
        vendor = self.vendor()
        found = await self.found(vendor, vendor.book())
        value = probing.planted(msgspec.json.decode(found.body), sorted(self.provider.masked))
        planted = Found(found.id, msgspec.json.encode(value))
        assert self.state(planted) == self.state(planted)
        assert probing.CANARY not in msgspec.json.encode(self.state(planted)).decode()

    @awaited
    async def test_whatever_is_found_is_read_or_not_understood(self) -> None:
        vendor = self.vendor()
        found = await self.found(vendor, vendor.book())
        for body in (*probing.BROKEN, *probing.spoilt(found.body, ".json")):
            for read in (self.state, lambda spoilt: self.missed(spoilt, None)):
                try:
                    read(Found(found.id, body))
                except NotUnderstood:
                    continue

    @awaited
    async def test_a_wrong_credential_is_refused_when_bookings_are_asked_for(self) -> None:
        vendor = self.vendor()
        http = self.asking(vendor, **dict.fromkeys(vendor.credentials, "not-this-one"))
        await refusal(CredentialRefused, self.booking_api().fetch(http, vendor.book()))
        await refusal(CredentialRefused, self.booking_api().changed(http, vendor.clock(), None))

    @awaited
    async def test_an_answer_about_bookings_that_cannot_be_read_is_an_outage(self) -> None:
        await refusal(ApiUnavailable, self.booking_api().fetch(Nonsense(), "x"))
        await refusal(ApiUnavailable, self.booking_api().changed(Nonsense(), datetime.now(UTC), None))

    def missed(self, found: Found, told: Told | None) -> Sequence[Draft]:
        return self.booking_api().missed(self.account(), found, told)

    async def pages(
        self, vendor: BookingSimulator, between: Callable[[], Any] = lambda: None, since: datetime | None = None
    ) -> list[FoundPage]:
        """Read on to the last page; after the first, `between` happens."""
        http, since = self.asking(vendor), since or datetime.now(UTC) - 60 * MINUTE
        pages = [await self.booking_api().changed(http, since, None)]
        between()
        while pages[-1].next is not None:
            pages.append(await self.booking_api().changed(http, since, pages[-1].next))
            assert len(pages) < 50, "next: there is no end of pages"  # noqa: PLR2004 -- far more than were made
        return pages


def booking_id(draft: Draft) -> str:
    booking = booking_of(draft)
    assert booking is not None, "state: not about a booking"
    return booking.id


def slot(draft: Draft) -> tuple[datetime | None, datetime | None]:
    booking = booking_of(draft)
    assert booking is not None
    return booking.start, booking.end


def as_told(draft: Draft) -> Told:
    """Keep of a draft what the gateway keeps."""
    kind = str(EVENT_OF[type(draft.data)].__struct_config__.tag)
    at = draft.at or draft.revision
    if at is None:
        pytest.fail("at, revision: a vendor that states no time of a change cannot be caught up with")
    return Told(type=kind, at=at, booking=booking_of(draft))

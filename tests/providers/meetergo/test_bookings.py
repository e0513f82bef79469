"""What their API says of a booking is read in the words of the webhook that told of it last."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from gateway.contract.asked import settled
from gateway.contract.errors import ApiUnavailable, Contradicted
from gateway.contract.events import AttendeeRemoved, Cancelled, CancelScope, Rescheduled
from gateway.contract.http import Answer
from gateway.contract.provider import BookingApi, Found
from gateway.contract.testing.bookings import as_told
from gateway.contract.testing.webhooks import AsgiHttp
from providers.meetergo import Meetergo
from providers.meetergo.simulator import ATTENDEES, MOST_REQUESTS, Simulation
from tests.providers.meetergo.bodies import account, draft

API = Meetergo.bookings
assert isinstance(API, BookingApi)
HEADERS = {"authorization": f"Bearer {Simulation.credentials['api_key']}"}


def vendor() -> Simulation:
    made = Simulation()
    made.paste("https://gateway.example.com/in/x")
    return made


def http(made: Simulation) -> AsgiHttp:
    return AsgiHttp(made.app, "http://localhost:1", HEADERS)


def found(made: Simulation, booking: str) -> Found:
    return Found(booking, msgspec.json.encode(made.appointments[booking]))


class Said:
    """An API that answers what it is given."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def request(self, *_: Any, **__: Any) -> Answer:
        return Answer(200, msgspec.json.encode(self.answer))


def test_an_attendee_who_left_a_group_is_missed_by_name() -> None:
    made = vendor()
    booking = made.book(attendees=ATTENDEES)
    told = as_told(draft(made.outbox[-1].body))
    made.leave(booking)
    (missing,) = API.missed(account(), found(made, booking), told)
    assert isinstance(missing.data, AttendeeRemoved)
    assert [person.name for person in missing.data.removed or ()] == ["Ada Lindqvist"]
    assert missing.parts == draft(made.outbox[-1].body).parts, "the call that comes late is a duplicate"


def test_their_ambiguous_cancellation_of_a_group_is_settled_by_their_answer() -> None:
    made = vendor()
    booking = made.book(attendees=ATTENDEES)
    made.cancel(booking)
    call = draft(made.outbox[-1].body)
    assert call.warnings == ("cancel_scope_ambiguous",)
    whole = settled(call, API.state(account(), found(made, booking)))
    assert isinstance(whole.data, Cancelled)
    assert (whole.data.cancellation.scope, whole.warnings) == (CancelScope.BOOKING, ())
    made.appointments[booking] |= {"isCancelled": False}
    part = settled(call, API.state(account(), found(made, booking)))
    assert isinstance(part.data, AttendeeRemoved)


def test_a_forged_cancellation_is_contradicted() -> None:
    made = vendor()
    booking = made.book()
    forged = msgspec.json.decode(made.outbox[-1].body) | {"webhookType": "booking_cancelled", "isCancelled": True}
    with pytest.raises(Contradicted, match="not cancelled"):
        settled(draft(forged), API.state(account(), found(made, booking)))


def test_a_reconciled_move_names_the_slot_that_was_told_last() -> None:
    made = vendor()
    booking = made.book()
    first = draft(made.outbox[-1].body)
    made.move(booking)
    made.move(booking)
    (missing,) = API.missed(account(), found(made, booking), as_told(first))
    assert isinstance(missing.data, Rescheduled)
    assert missing.data.previous.start == first.data.booking.start  # type: ignore[union-attr]  # -- it has one
    assert missing.warnings == ("steps_unknown",)


async def test_what_did_not_change_since_is_left_out_and_counted() -> None:
    made = vendor()
    made.book(updatedAt="2026-01-01T00:00:00.000Z")
    undated, fresh = made.book(updatedAt=None), made.book()
    page = await API.changed(http(made), datetime.now(UTC) - timedelta(hours=1), None)
    assert {one.id for one in page.bookings} == {undated, fresh}
    assert (page.size, page.total, page.next) == (3, 3, None)


async def test_a_page_may_be_shorter_than_asked_for() -> None:
    """Their most may be less than ours: only an empty page, or their total, says that it is the last."""
    one = {"id": "a", "updatedAt": None}
    since = datetime.now(UTC)
    assert (await API.changed(Said({"appointments": [one] * 50, "total": 120}), since, "1")).next == "2"
    assert (await API.changed(Said({"appointments": [one] * 50}), since, "7")).next == "8"
    assert (await API.changed(Said({"appointments": [], "total": 120}), since, "3")).next is None


async def test_what_has_no_id_is_passed_over() -> None:
    page = await API.changed(Said({"appointments": [{}, None, [], {"id": 7}], "total": 4}), datetime.now(UTC), None)
    assert [one.id for one in page.bookings] == ["7"]


async def test_the_simulator_takes_a_hundred_requests_a_minute() -> None:
    now = [datetime.now(UTC)]
    made = Simulation(lambda: now[0])
    for _ in range(MOST_REQUESTS):
        assert await API.fetch(http(made), "x") is None
    with pytest.raises(ApiUnavailable) as refusal:
        await API.fetch(http(made), "x")
    assert (refusal.value.status, refusal.value.retry_after) == (429, 60)
    now[0] += timedelta(minutes=1)
    assert await API.fetch(http(made), "x") is None

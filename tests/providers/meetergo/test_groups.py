"""A cancellation of theirs is a booking that ends, one attendee who leaves, or not told: a consumer refunds on this."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract import events
from gateway.contract.events import BookingStatus, CancelScope
from providers.meetergo.simulator import Simulation
from tests.providers.meetergo.bodies import draft, payload

SEVERAL = payload("group_cancelled")["attendees"]
CALL = {**payload("cancelled"), "updatedAt": "2026-03-03T12:00:01.000Z"}


@given(
    attendees=st.sampled_from([None, [], SEVERAL[:1], SEVERAL]),
    flag=st.sampled_from([None, False, True]),
    ended=st.sampled_from([None, False, True]),
)
def test_only_a_group_that_is_not_cancelled_lives_on(
    attendees: list[object] | None, flag: bool | None, ended: bool | None
) -> None:
    info = {"channel": "zoom", "groupBooking": flag}
    told = draft({**CALL, "attendees": attendees, "meetingInfo": info, "isCancelled": ended})
    group = flag or len(attendees or ()) > 1
    assert isinstance(told.data, events.AttendeeRemoved if group and not ended else events.Cancelled)
    assert (told.data.booking.status is BookingStatus.CANCELLED) == isinstance(told.data, events.Cancelled)
    unclear = told.data.cancellation.scope is CancelScope.UNKNOWN
    assert unclear == ("cancel_scope_ambiguous" in told.warnings)


@pytest.mark.parametrize(
    ("case", "scope"),
    [
        ("cancelled", CancelScope.BOOKING),
        ("cancelled_without_start", CancelScope.BOOKING),
        ("cancelled_with_attendees_not_stated", CancelScope.UNKNOWN),
        ("cancelled_says_not_cancelled", CancelScope.UNKNOWN),
        ("group_cancelled", CancelScope.UNKNOWN),
        ("group_left_by_one", CancelScope.ATTENDEE),
        ("group_left_by_one_untold", CancelScope.ATTENDEE),
        ("group_by_its_flag_left_by_one", CancelScope.ATTENDEE),
    ],
)
def test_the_scope_is_as_sure_as_the_body_is(case: str, scope: CancelScope) -> None:
    told = draft(payload(case)).data
    assert isinstance(told, events.Cancelled | events.AttendeeRemoved)
    assert told.cancellation.scope is scope


def test_the_simulators_group_becomes_what_it_says() -> None:
    for scene in Simulation().group():
        told = draft(scene.body)
        assert events.EVENT_OF[type(told.data)].__struct_config__.tag == scene.type, scene.title

"""What a provider answers, beside what it called and beside what was told: which event is missing, and what is true."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.contract.asked import missed, settled
from gateway.contract.errors import Contradicted
from gateway.contract.events import (
    AttendeeRemoved,
    Booking,
    BookingStatus,
    Cancellation,
    Cancelled,
    CancelScope,
    Identity,
    Other,
    Person,
    Rescheduled,
    Scheduled,
)
from gateway.contract.provider import Draft, Told
from tests.pipeline.asked import AT, drafted, fact

ADA, BO = Person(id="att-ada"), Person(email="bo@example.com")


def draft(word: str = "made", day: int = 1, step: int = 0, **more: Any) -> Draft:
    return drafted(fact("b1", word, day, step, **more))


def told(one: Draft) -> Told:
    kind = {Scheduled: "scheduled", Rescheduled: "rescheduled", Cancelled: "cancelled"}[type(one.data)]
    assert one.at is not None
    return Told(type=f"booking.{kind}", at=one.at, booking=booking(one))


def booking(one: Draft) -> Booking:
    found = one.data.booking  # type: ignore[union-attr]  # -- all that `draft` makes have one
    assert isinstance(found, Booking)
    return found


def attended(one: Draft, *people: Person) -> Draft:
    group = replace(booking(one), attendees=people, is_group=True)
    return replace(one, data=replace(one.data, booking=group))


# --- missed --------------------------------------------------------------------------------------------------------


def test_what_was_never_told_is_missing_and_may_have_had_steps_before() -> None:
    assert missed(draft(), None) == [draft()]
    for word in ("moved", "gone"):
        (only,) = missed(draft(word), None)
        assert (only.parts, only.warnings) == (draft(word).parts, ("steps_unknown",))


def test_what_is_as_it_was_told_is_not_missing() -> None:
    for word in ("made", "moved", "gone"):
        assert not missed(draft(word), told(draft(word)))
    assert not missed(draft("made", day=1, step=9), told(draft("made", day=1))), "something else was changed in it"
    assert not missed(draft("moved", day=3, step=9), told(draft("made", day=3))), "it moved away and back"


def test_a_move_is_missing_with_the_slot_that_was_told_last() -> None:
    (only,) = missed(draft("moved", day=5, step=60), told(draft("made", day=2)))
    assert isinstance(only.data, Rescheduled)
    assert (only.data.previous.start, only.data.previous.identity) == (AT + timedelta(days=2), Identity.SAME)
    assert only.warnings == ("steps_unknown",)


def test_a_slot_that_the_provider_states_is_kept() -> None:
    state = draft("moved", day=5, step=60)
    assert isinstance(state.data, Rescheduled)
    state = replace(state, data=replace(state.data, previous=replace(state.data.previous, start=AT)))
    (only,) = missed(state, told(draft("made", day=2)))
    assert isinstance(only.data, Rescheduled)
    assert only.data.previous.start == AT


def test_of_what_is_not_kept_any_more_only_what_happened_since_is_missing() -> None:
    for since, count in ((0, 1), (60, 0), (90, 0)):
        known = replace(told(draft("made", step=since)), booking=None)
        assert len(missed(draft("moved", day=5, step=60), known)) == count


def test_a_state_older_than_what_was_told_is_no_news() -> None:
    assert not missed(draft("moved", day=5, step=10), told(draft("moved", day=7, step=60)))


def test_a_cancellation_is_missing_once() -> None:
    (only,) = missed(draft("gone", day=1, step=60), told(draft("made", day=1)))
    assert only.warnings == (), "nothing can have happened before"
    (only,) = missed(draft("gone", day=4, step=60), told(draft("made", day=1)))
    assert only.warnings == ("steps_unknown",)
    assert not missed(draft("gone", step=60), told(draft("gone", step=30)))


def test_who_left_a_group_is_missing_under_the_word_for_that() -> None:
    before = told(attended(draft(), ADA, BO))
    (only,) = missed(attended(draft(step=60), BO), before, left="gone")
    assert isinstance(only.data, AttendeeRemoved)
    assert (only.data.removed, only.word, only.parts) == ((ADA,), "gone", ("gone", "b1", "60"))
    assert not missed(attended(draft(step=60), BO, ADA), before, left="gone")
    assert not missed(attended(draft(step=60), BO), before), "unless there is no word for it"
    assert not missed(draft(step=60), told(draft()), left="gone"), "who is not a group has nobody to leave"


def test_what_is_about_no_booking_is_never_missing() -> None:
    assert not missed(Draft(data=Other(), parts=("x",)), None)


# --- settled -------------------------------------------------------------------------------------------------------


def test_the_same_fact_takes_its_booking_from_the_provider() -> None:
    call, state = draft(title="as called"), draft(title="as it is")
    assert booking(settled(call, state)).title == "as it is"
    assert settled(call, state).warnings == ()


@pytest.mark.parametrize(
    ("call", "state"),
    [
        (draft(day=2), draft(day=1)),
        (draft("moved", day=2, step=60), draft(day=1)),
        (draft("moved", step=5), draft("made", step=5)),
        (draft("gone", step=60), draft(step=60)),
        (draft("gone", step=30), draft("moved", day=4, step=60)),
        (draft("gone", group=True, step=60), draft(group=True, step=30)),
        (draft("made", step=60), draft("gone", step=60)),
    ],
)
def test_what_cannot_be_is_contradicted(call: Draft, state: Draft) -> None:
    with pytest.raises(Contradicted) as refusal:
        settled(call, state)
    assert str(refusal.value).startswith("the provider")


@pytest.mark.parametrize(
    ("call", "state"),
    [
        (draft("made"), draft("moved", day=4, step=60)),
        (draft("made"), draft("gone", step=60)),
        (draft("moved", day=2, step=30), draft("moved", day=4, step=60)),
        (draft("gone", group=True, step=30), draft("moved", group=True, step=60)),
    ],
)
def test_what_was_so_before_something_else_happened_is_outdated(call: Draft, state: Draft) -> None:
    assert settled(call, state).warnings[-1:] == ("confirm_outdated",)


def test_a_change_that_matters_to_nobody_leaves_a_call_confirmed() -> None:
    assert settled(draft(), draft(step=60)) == draft()


def test_an_ambiguous_cancellation_is_told_apart() -> None:
    whole = settled(draft("gone", group=True), draft("gone", group=True, step=9))
    assert isinstance(whole.data, Cancelled)
    assert (whole.data.cancellation.scope, whole.warnings) == (CancelScope.BOOKING, ())
    part = settled(draft("gone", group=True), draft("moved", group=True))
    assert isinstance(part.data, AttendeeRemoved)
    assert part.data.cancellation.scope is CancelScope.ATTENDEE
    assert part.data.booking.status is BookingStatus.SCHEDULED
    assert part.warnings == ()


def test_an_attendee_who_left_stands_when_it_is_the_last_that_happened() -> None:
    left = Cancellation(scope=CancelScope.ATTENDEE)
    call = replace(draft("gone", step=9), data=AttendeeRemoved(booking=booking(draft(group=True)), cancellation=left))
    assert settled(call, draft("made", group=True, step=9)) == call
    assert settled(call, draft("moved", group=True, step=20)).warnings == ("confirm_outdated",)
    assert settled(call, draft("gone", group=True, step=20)).warnings == ("confirm_outdated",)


def test_a_call_about_no_booking_is_left_as_it_is() -> None:
    call = Draft(data=Other(), parts=("x",))
    assert settled(call, draft()) == call

"""Lay what a provider answers when it is asked beside what it called, or beside what was passed on. Pure."""

from collections.abc import Sequence

from msgspec.structs import replace

from gateway.contract.errors import Contradicted
from gateway.contract.events import (
    AttendeeRemoved,
    Booking,
    BookingStatus,
    Cancellation,
    Cancelled,
    CancelScope,
    Identity,
    Person,
    Previous,
    Rescheduled,
)
from gateway.contract.provider import Draft, Told

STEPS = "steps_unknown"
OUTDATED = "confirm_outdated"
ENDED = frozenset({"booking.cancelled", "booking.declined"})
"""The types after which a booking does not take place."""


def booking_of(draft: Draft) -> Booking | None:
    """Find the booking that a draft is about."""
    booking: Booking | None = getattr(draft.data, "booking", None)
    return booking


# --- what was missed -----------------------------------------------------------------------------------------------


def missed(state: Draft, told: Told | None, left: str | None = None) -> Sequence[Draft]:
    """Say which event is missing, given the provider's state as the draft of its last webhook, and what was told last.

    There is at most one: what happened in between is not in a state, and `steps_unknown` says so where something may
    have. `left`: their event word for a call that tells of an attendee who left a group.
    """
    booking = booking_of(state)
    if booking is None:
        return ()
    if told is None:
        return [_guessed(state) if isinstance(state.data, Cancelled | Rescheduled) else state]
    if isinstance(state.data, Cancelled):
        return () if told.type in ENDED else [state if _same_slot(booking, told.booking) else _guessed(state)]
    if isinstance(state.data, Rescheduled) and _moved(state, booking, told):
        return [_after(state, state.data, told.booking)]
    return _left(state, booking, told, left) if left else ()


def _guessed(state: Draft) -> Draft:
    return replace(state, warnings=tuple(dict.fromkeys((*state.warnings, STEPS))))


def _moved(state: Draft, booking: Booking, told: Told) -> bool:
    """Say whether it is elsewhere than was told; where that is not kept any more, whether it moved since."""
    if told.booking is None or told.booking.start is None:
        return state.at is not None and state.at > told.at
    return not _same_slot(booking, told.booking) and (state.revision is None or state.revision >= told.at)


def _after(state: Draft, data: Rescheduled, before: Booking | None) -> Draft:
    """Fill in the slot it had when it was told last: there may have been others since."""
    if before is None or data.previous.start is not None:
        return _guessed(state)
    previous = Previous(identity=Identity.SAME, start=before.start, end=before.end)
    warnings = tuple(code for code in state.warnings if code != "previous_slot_not_stated")
    return _guessed(replace(state, data=replace(data, previous=previous), warnings=warnings))


def _left(state: Draft, booking: Booking, told: Told, word: str) -> Sequence[Draft]:
    """Find who was told of and is not there any more: a group lives on without them."""
    before = told.booking
    if before is None or not before.is_group or told.type in ENDED or booking.attendees is None:
        return ()
    there = {_who(person) for person in booking.attendees}
    gone = tuple(person for person in before.attendees or () if _who(person) not in there)
    if not gone:
        return ()
    cancellation = Cancellation(scope=CancelScope.ATTENDEE)
    data = AttendeeRemoved(booking=booking, removed=gone, cancellation=cancellation)
    return [_guessed(replace(state, data=data, word=word, parts=(word, *state.parts[1:]), at=state.revision))]


def _who(person: Person) -> str | None:
    return person.id or person.email or person.phone or person.name


def _same_slot(one: Booking, other: Booking | None) -> bool:
    return other is not None and (one.start, one.end) == (other.start, other.end)


# --- what was called -----------------------------------------------------------------------------------------------


def settled(call: Draft, state: Draft) -> Draft:
    """Hold a call's draft against the provider's state, given as the draft of its last webhook.

    A cancellation whose scope was ambiguous is told apart. Where both are the same fact, the booking is taken from the
    provider's answer. Where it changed since the call, what that said can no more be checked: `confirm_outdated`.
    Raises Contradicted.
    """
    said, true = booking_of(call), booking_of(state)
    if said is None or true is None:
        return call
    ended = isinstance(state.data, Cancelled)
    if isinstance(call.data, Cancelled) and ended:
        return _in_whole(call, call.data)
    if call.revision and state.revision and call.revision > state.revision:
        raise Contradicted("the provider knows of no change that late")
    if isinstance(call.data, Cancelled):
        return _in_part(call, call.data, state)
    if isinstance(call.data, AttendeeRemoved):
        return call if call.revision == state.revision and not ended else _warned(call)
    return _standing(call, said, state, true)


def _in_whole(call: Draft, data: Cancelled) -> Draft:
    """All of it is cancelled."""
    unclear = data.cancellation.scope is CancelScope.UNKNOWN
    scope = CancelScope.BOOKING if unclear else data.cancellation.scope
    told = replace(data, cancellation=replace(data.cancellation, scope=scope))
    return _unambiguous(replace(call, data=told))


def _in_part(call: Draft, data: Cancelled, state: Draft) -> Draft:
    """It is not cancelled: then one of a group has left, or the call is wrong."""
    if data.cancellation.scope is not CancelScope.UNKNOWN:
        raise Contradicted("the provider says that it is not cancelled")
    cancellation = replace(data.cancellation, scope=CancelScope.ATTENDEE)
    booking = replace(data.booking, status=BookingStatus.SCHEDULED)
    told = _unambiguous(replace(call, data=AttendeeRemoved(booking=booking, cancellation=cancellation)))
    return told if call.revision == state.revision else _warned(told)


def _unambiguous(call: Draft) -> Draft:
    return replace(call, warnings=tuple(code for code in call.warnings if code != "cancel_scope_ambiguous"))


def _standing(call: Draft, said: Booking, state: Draft, true: Booking) -> Draft:
    """Check a call that says that the booking takes place."""
    if call.parts == state.parts:
        if not _same_slot(said, true):
            raise Contradicted("the provider states another time for it")
        return replace(call, data=replace(call.data, booking=true))
    if call.revision and call.revision == state.revision:
        raise Contradicted("the provider states another change at that time")
    alike = _same_slot(said, true) and said.status == true.status
    return call if alike else _warned(call)


def _warned(call: Draft) -> Draft:
    return replace(call, warnings=tuple(dict.fromkeys((*call.warnings, OUTDATED))))

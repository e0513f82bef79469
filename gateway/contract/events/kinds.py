"""Every event there is: the envelope with one kind of data, named as on the wire, and how a delivered body is read."""

from functools import cache
from typing import ClassVar, get_args, get_type_hints

import msgspec
from msgspec import Struct

from gateway.contract.events.envelope import Event
from gateway.contract.events.facts import (
    Activity,
    AttendeeAdded,
    AttendeeRemoved,
    Cancelled,
    ConnectionChanged,
    Data,
    Declined,
    DestinationPaused,
    Erased,
    FormSubmission,
    NewMember,
    NoShow,
    Other,
    Ping,
    Requested,
    Rescheduled,
    Scheduled,
    Superseded,
    Updated,
)


class BookingRequested(Event, frozen=True, kw_only=True, tag="booking.requested"):
    data: Requested


class BookingScheduled(Event, frozen=True, kw_only=True, tag="booking.scheduled"):
    rank: ClassVar[int] = 1
    data: Scheduled


class BookingUpdated(Event, frozen=True, kw_only=True, tag="booking.updated"):
    rank: ClassVar[int] = 2
    data: Updated


class BookingRescheduled(Event, frozen=True, kw_only=True, tag="booking.rescheduled"):
    rank: ClassVar[int] = 2
    data: Rescheduled


class BookingAttendeeAdded(Event, frozen=True, kw_only=True, tag="booking.attendee_added"):
    rank: ClassVar[int] = 3
    data: AttendeeAdded


class BookingAttendeeRemoved(Event, frozen=True, kw_only=True, tag="booking.attendee_removed"):
    rank: ClassVar[int] = 4
    data: AttendeeRemoved


class BookingDeclined(Event, frozen=True, kw_only=True, tag="booking.declined"):
    rank: ClassVar[int] = 5
    data: Declined


class BookingCancelled(Event, frozen=True, kw_only=True, tag="booking.cancelled"):
    rank: ClassVar[int] = 5
    data: Cancelled


class BookingNoShow(Event, frozen=True, kw_only=True, tag="booking.no_show"):
    rank: ClassVar[int] = 6
    data: NoShow


class BookingSuperseded(Event, frozen=True, kw_only=True, tag="booking.superseded"):
    rank: ClassVar[int] = 7
    data: Superseded


class BookingErased(Event, frozen=True, kw_only=True, tag="booking.erased"):
    rank: ClassVar[int] = 9
    data: Erased


class FormSubmitted(Event, frozen=True, kw_only=True, tag="form.submitted"):
    data: FormSubmission


class MemberAdded(Event, frozen=True, kw_only=True, tag="member.added"):
    data: NewMember


class ConversationActivity(Event, frozen=True, kw_only=True, tag="conversation.activity"):
    data: Activity


class ProviderEvent(Event, frozen=True, kw_only=True, tag="provider.event"):
    data: Other


class GatewayTest(Event, frozen=True, kw_only=True, tag="gateway.test"):
    data: Ping


class GatewayConnectionChanged(Event, frozen=True, kw_only=True, tag="gateway.connection_changed"):
    data: ConnectionChanged


class GatewayDestinationPaused(Event, frozen=True, kw_only=True, tag="gateway.destination_paused"):
    data: DestinationPaused


AnyEvent = (
    BookingRequested
    | BookingScheduled
    | BookingUpdated
    | BookingRescheduled
    | BookingAttendeeAdded
    | BookingAttendeeRemoved
    | BookingDeclined
    | BookingCancelled
    | BookingNoShow
    | BookingSuperseded
    | BookingErased
    | FormSubmitted
    | MemberAdded
    | ConversationActivity
    | ProviderEvent
    | GatewayTest
    | GatewayConnectionChanged
    | GatewayDestinationPaused
)

EVENT_TYPES: dict[str, type[AnyEvent]] = {str(c.__struct_config__.tag): c for c in get_args(AnyEvent)}
"""Every type by its name on the wire."""
RESERVED = frozenset(
    f"booking.{word}"
    for word in ("requested", "updated", "attendee_added", "declined", "no_show", "superseded", "erased")
)
"""Types that have a schema, and that nothing sends yet."""
GATEWAY = "gateway"
"""The provider in the origin of events about the gateway itself; their types begin with it."""
EVENT_OF: dict[type[Data], type[AnyEvent]] = {get_type_hints(c)["data"]: c for c in get_args(AnyEvent)}
"""The event that carries a piece of data."""


class UnknownEvent(Struct, frozen=True, kw_only=True):
    """An event of a type that this version does not know; `raw` is the whole body."""

    id: str
    type: str
    raw: bytes


class _Tag(Struct):
    id: str
    type: str


@cache
def _decoder(kind: type[AnyEvent]) -> "msgspec.json.Decoder[AnyEvent]":
    return msgspec.json.Decoder(kind)


_tag_decoder = msgspec.json.Decoder(_Tag)


def decode_event(body: bytes) -> AnyEvent | UnknownEvent:
    """Read a delivered body.

    Raises `msgspec.DecodeError` when it is no event at all. Verify the signature over the same bytes first.
    """
    tag = _tag_decoder.decode(body)
    kind = EVENT_TYPES.get(tag.type)
    if kind is None:
        return UnknownEvent(id=tag.id, type=tag.type, raw=body)
    return _decoder(kind).decode(body)

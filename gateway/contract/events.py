"""The canonical booking event: what consumers receive, what the log stores, what a translation returns.

Every key is always present on the wire: `null` means the provider did not say, `[]` that it said there are none.
Instants are UTC and end in `Z`. Text that may identify a person carries a mark (`pii`); a test fails when a new
text field is neither marked nor listed as safe. Words are open: an unknown one reads as `unknown` or `other`.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache, lru_cache
from typing import Annotated, Any, ClassVar, Literal, Self, get_args, get_type_hints

import msgspec
from msgspec import Meta, Struct

from gateway.contract.base32 import STANDARD, base32

SCHEMA_VERSION = "1.0"


def _pii(kind: str) -> Meta:
    return Meta(extra={"pii": kind}, extra_json_schema={"x-pii": kind})


Name = Annotated[str, _pii("name")]
Email = Annotated[str, _pii("email")]
Phone = Annotated[str, _pii("phone")]
FreeText = Annotated[str, _pii("free_text")]
"""Anything a person typed, so anything a person may have given away."""
Link = Annotated[str, _pii("link")]
"""A URL that lets its holder into a meeting."""
AnyValue = Annotated[Any, _pii("free_text")]

WARNINGS: dict[str, str] = {
    "answer_type_unrecognised": "an answer's type is not in the provider's table: kept as text and value",
    "account_not_stated": "the provider did not say whose account this is",
    "attendees_not_stated": "the provider did not say who attends",
    "cancel_scope_ambiguous": "a whole booking or one attendee was cancelled: the provider's call does not tell",
    "confirm_outdated": "the provider was asked about this call, but the booking has changed since: not confirmed",
    "confirm_unavailable": "the provider should have been asked about this call and did not answer",
    "end_derived": "the end was computed from the start and the service's duration",
    "end_not_stated": "the provider stated no end and no duration",
    "event_time_not_stated": "the provider did not say when this happened: the timestamp is the receipt's",
    "hosts_not_stated": "the provider did not say who hosts",
    "id_disambiguated": "another fact already had this event's id: its content is part of this one's",
    "id_from_digest": "the provider gave no key for this fact: the id is derived from the content",
    "location_unrecognised": "the place is in a form that is not known: kept as text",
    "no_event_name": "the call does not name its event",
    "payload_bare": "the booking came without the provider's usual envelope: the type is derived from its fields",
    "payload_undocumented": "the provider does not document this payload: it was read by shape",
    "previous_slot_not_stated": "the provider did not say when the booking was before",
    "start_not_stated": "the provider did not say when the booking is",
    "status_unrecognised": "the provider's status word is not in its table",
    "steps_unknown": "found by asking the provider, which states what is so now: there may have been steps before",
    "timezone_unrecognised": "the stated time zone is not an IANA name: dropped",
    "value_unreadable": "an optional value was not in a readable form: dropped",
}
"""What `warnings` may say. The list grows; consumers keep an unknown code as text."""


class _Open(StrEnum):
    """Read a word that is not in the list as the list's catch-all, its last member."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return list(cls)[-1] if isinstance(value, str) else None


class BookingStatus(_Open):
    SCHEDULED = "scheduled"
    REQUESTED = "requested"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    NO_SHOW = "no_show"
    UNKNOWN = "unknown"


class LocationKind(_Open):
    ONLINE = "online"
    IN_PERSON = "in_person"
    PHONE = "phone"
    OTHER = "other"


class CancelScope(_Open):
    BOOKING = "booking"
    ATTENDEE = "attendee"
    SERIES = "series"
    UNKNOWN = "unknown"


class Actor(_Open):
    HOST = "host"
    ATTENDEE = "attendee"
    SYSTEM = "system"
    OTHER = "other"


class Identity(_Open):
    """Whether a moved booking kept its provider id."""

    SAME = "same"
    NEW = "new"
    UNKNOWN = "unknown"


class PaymentStatus(_Open):
    PAID = "paid"
    PENDING = "pending"
    REFUNDED = "refunded"
    FAILED = "failed"
    UNKNOWN = "unknown"


class AnswerType(_Open):
    TEXT = "text"
    BOOLEAN = "boolean"
    NUMBER = "number"
    CHOICE = "choice"
    PHONE = "phone"
    EMAIL = "email"
    OTHER = "other"


class Basis(_Open):
    """Whose clock a time comes from."""

    PROVIDER = "provider"
    RECEIPT = "receipt"
    UNKNOWN = "unknown"


class Verification(_Open):
    """How the call was proven: signed by the provider, by the token in the URL, or by asking the provider."""

    SIGNATURE = "signature"
    TOKEN = "token"  # noqa: S105 -- a word of the schema
    CONFIRMED = "confirmed"
    UNKNOWN = "unknown"


class DeliveredBy(_Open):
    WEBHOOK = "webhook"
    RECONCILED = "reconciled"
    GATEWAY = "gateway"
    UNKNOWN = "unknown"


class ConnectionState(_Open):
    """How a connection to a provider stands."""

    REGISTERING = "registering"
    WAITING = "waiting"
    ACTIVE = "active"
    NEEDS_REPAIR = "needs_repair"
    BROKEN = "broken"
    REMOVING = "removing"
    UNKNOWN = "unknown"


class Person(Struct, frozen=True, kw_only=True):
    """A host or an attendee. `timezone` is an IANA name, `locale` as the provider writes it."""

    id: str | None = None
    name: Name | None = None
    given_name: Name | None = None
    family_name: Name | None = None
    email: Email | None = None
    phone: Phone | None = None
    timezone: str | None = None
    locale: str | None = None


class Service(Struct, frozen=True, kw_only=True):
    """What is booked: the provider's event type or meeting type."""

    id: str | None = None
    slug: str | None = None
    name: str | None = None
    duration_minutes: int | None = None


class Location(Struct, frozen=True, kw_only=True):
    """Where it takes place. `conference` is a product (`zoom`, `google_meet`, ...), null when not recognised."""

    kind: LocationKind
    text: FreeText | None = None
    url: Link | None = None
    conference: str | None = None
    phone: Phone | None = None


class Answer(Struct, frozen=True, kw_only=True):
    """One answer to one question. `value` is any JSON, `text` always printable."""

    question: FreeText | None = None
    question_id: str | None = None
    type: AnswerType = AnswerType.OTHER
    provider_type: str | None = None
    value: AnyValue = None
    text: FreeText | None = None


class Payment(Struct, frozen=True, kw_only=True):
    """What was paid. `amount` is a decimal number as text in units of `currency` (ISO 4217)."""

    status: PaymentStatus = PaymentStatus.UNKNOWN
    amount: str | None = None
    currency: str | None = None
    processor: str | None = None
    reference: str | None = None


class Booking(Struct, frozen=True, kw_only=True):
    """One booking in the state after the event.

    `id` is the provider's and opaque. `key` (`provider:connection:id`) is filled in by the gateway and orders events.
    `start`, `end`, `created_at`, `updated_at` are UTC; `utc_offset` (`+01:00`) is as the provider wrote the start.
    `timezone` is stated only when the provider stated one for the booking itself.
    """

    id: str
    key: str = ""
    series_id: str | None = None
    status: BookingStatus
    provider_status: str | None = None
    title: FreeText | None = None
    service: Service | None = None
    start: datetime | None = None
    end: datetime | None = None
    timezone: str | None = None
    utc_offset: str | None = None
    location: Location | None = None
    is_group: bool | None = None
    hosts: tuple[Person, ...] | None = None
    attendees: tuple[Person, ...] | None = None
    answers: tuple[Answer, ...] | None = None
    notes: FreeText | None = None
    payment: Payment | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class Cancellation(Struct, frozen=True, kw_only=True):
    """Why and by whom. `replaced_by` is the provider's id of the booking that takes its place."""

    scope: CancelScope = CancelScope.UNKNOWN
    by: Actor | None = None
    reason: FreeText | None = None
    at: datetime | None = None
    follow_up: str | None = None
    replaced_by: str | None = None


class Previous(Struct, frozen=True, kw_only=True):
    """The slot a booking had before it moved; `booking_id` is the old id when the provider gave a new one."""

    identity: Identity = Identity.UNKNOWN
    booking_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None


class Form(Struct, frozen=True, kw_only=True):
    id: str | None = None
    name: str | None = None


class Conversation(Struct, frozen=True, kw_only=True):
    """A recorded meeting or call."""

    id: str | None = None
    title: FreeText | None = None
    url: Link | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


class Subject(Struct, frozen=True, kw_only=True):
    """What a `provider.event` is about, as far as its shape tells."""

    id: str | None = None
    name: Name | None = None


# --- what happened: one struct a type ------------------------------------------------------------------------------


class Scheduled(Struct, frozen=True, kw_only=True):
    booking: Booking


class Rescheduled(Struct, frozen=True, kw_only=True):
    booking: Booking
    previous: Previous
    by: Actor | None = None
    reason: FreeText | None = None


class Cancelled(Struct, frozen=True, kw_only=True):
    booking: Booking
    cancellation: Cancellation


class AttendeeRemoved(Struct, frozen=True, kw_only=True):
    booking: Booking
    removed: tuple[Person, ...] | None = None
    cancellation: Cancellation


class FormSubmission(Struct, frozen=True, kw_only=True):
    form: Form
    respondent: Person | None = None
    answers: tuple[Answer, ...] | None = None


class NewMember(Struct, frozen=True, kw_only=True):
    member: Person
    role: str | None = None


class Activity(Struct, frozen=True, kw_only=True):
    conversation: Conversation
    action: str
    participants: tuple[Person, ...] | None = None


class Other(Struct, frozen=True, kw_only=True):
    """Something authentic that has no type of its own: `entity` and `action` as the provider words them."""

    entity: str | None = None
    action: str | None = None
    subject: Subject | None = None


class Requested(Struct, frozen=True, kw_only=True):
    booking: Booking


class Declined(Struct, frozen=True, kw_only=True):
    booking: Booking
    by: Actor | None = None
    reason: FreeText | None = None


class Updated(Struct, frozen=True, kw_only=True):
    booking: Booking


class AttendeeAdded(Struct, frozen=True, kw_only=True):
    booking: Booking
    added: tuple[Person, ...] | None = None


class NoShow(Struct, frozen=True, kw_only=True):
    booking: Booking
    absent: tuple[Person, ...] | None = None


class Superseded(Struct, frozen=True, kw_only=True):
    """The booking was replaced by another one of the provider's, named in `replaced_by`."""

    booking: Booking
    replaced_by: str | None = None


class Erased(Struct, frozen=True, kw_only=True):
    """Personal data of this booking was removed at `at` (UTC)."""

    booking_id: str | None = None
    at: datetime


class Ping(Struct, frozen=True, kw_only=True):
    """A test delivery asked for by the operator of the gateway."""

    message: str


class ConnectionChanged(Struct, frozen=True, kw_only=True):
    """A connection needs its operator, or is well again.

    `provider` and `name` are the connection's own. `silent`: nothing came for longer than is usual. `reason` says what
    was found, with the provider's words where it gave some.
    """

    connection: str
    provider: str
    name: str
    status: ConnectionState
    previous_status: ConnectionState
    silent: bool = False
    reason: FreeText | None = None


class DestinationPaused(Struct, frozen=True, kw_only=True):
    """The gateway stopped delivering to a destination; what it subscribed to waits. `reason`: the gateway's words."""

    destination: str
    name: str
    reason: str


# --- the envelope --------------------------------------------------------------------------------------------------


class Raw(Struct, frozen=True, kw_only=True):
    """The bytes an event came from, by reference: `sha256` in hex, `size` in bytes."""

    sha256: str
    size: int
    content_type: str | None = None
    href: str | None = None


class Origin(Struct, frozen=True, kw_only=True):
    """Where an event came from and how far it may be trusted. `received_at` is UTC, on the gateway's clock."""

    provider: str
    connection: str
    account: str | None = None
    variant: str | None = None
    event_type: str | None = None
    event_id: str | None = None
    verification: Verification
    delivered_by: DeliveredBy
    received_at: datetime
    raw: Raw | None = None


class Event(Struct, frozen=True, kw_only=True, tag_field="type"):
    """What every event carries. `type` names the subclass and decides the shape of `data`."""

    id: str
    schema_version: str = SCHEMA_VERSION
    timestamp: datetime
    timestamp_basis: Basis
    sequence: str
    sequence_basis: Basis
    origin: Origin
    key: str | None = None
    test: bool = False
    warnings: tuple[str, ...] = ()
    extensions: dict[str, AnyValue] = {}

    @property
    def type(self) -> str:
        """Name the type as on the wire, such as `booking.scheduled`."""
        return str(self.__struct_config__.tag)

    rank: ClassVar[int] = 0
    """Breaks a tie between two events of one booking with the same stamp: what ends a booking comes last."""


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
Data = (
    Requested
    | Scheduled
    | Updated
    | Rescheduled
    | AttendeeAdded
    | AttendeeRemoved
    | Declined
    | Cancelled
    | NoShow
    | Superseded
    | Erased
    | FormSubmission
    | NewMember
    | Activity
    | Other
    | Ping
    | ConnectionChanged
    | DestinationPaused
)

EVENT_TYPES: dict[str, type[AnyEvent]] = {str(c.__struct_config__.tag): c for c in get_args(AnyEvent)}
"""Every type by its name on the wire."""
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


def event_digest(parts: Sequence[str | None]) -> bytes:
    """Hash the parts of an identity to 20 bytes; length-prefixed, so no two lists collide, and None is not ""."""
    text = "".join(["-;" if part is None else f"{len(part)}:{part};" for part in parts])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:20]


@lru_cache(maxsize=1024)  # each is written twice: into the envelope and into the answer to the provider
def event_id(digest: bytes) -> str:
    """Write a 20-byte digest as `evt_` and 32 lower-case base32 characters."""
    return "evt_" + base32(digest, STANDARD)


def sequence(stamp: datetime, rank: int) -> str:
    """Write a UTC stamp and a rank so that they compare as text, e.g. `20260301T093000000000Z-02`."""
    # Four digits of the year, unlike strftime; and three replacements take a third of what one translation takes.
    written: str = msgspec.to_builtins(stamp if stamp.tzinfo is UTC else stamp.astimezone(UTC))
    digits = written[:-1].replace("-", "").replace(":", "").replace(".", "")
    return f"{digits:0<21}Z-{rank:02d}"


Format = Literal["standard", "cloudevents"]
Profile = Literal["full", "thin"]

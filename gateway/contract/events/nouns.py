"""What events are about: bookings, the people in them, and what belongs to them."""

from datetime import datetime

from msgspec import Struct

from gateway.contract.events.marks import AnyValue, Email, FreeText, Link, Name, Phone
from gateway.contract.events.words import (
    Actor,
    AnswerType,
    BookingStatus,
    CancelScope,
    Identity,
    LocationKind,
    PaymentStatus,
)


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

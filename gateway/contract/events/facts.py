"""What happened: one struct a type, the `data` of an event."""

from datetime import datetime

from msgspec import Struct

from gateway.contract.events.marks import FreeText
from gateway.contract.events.nouns import Answer, Booking, Cancellation, Conversation, Form, Person, Previous, Subject
from gateway.contract.events.words import Actor, ConnectionState


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

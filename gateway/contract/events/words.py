"""The lists of words that events are written in, and what `warnings` may say."""

from enum import StrEnum
from typing import Literal, Self

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


Format = Literal["standard", "cloudevents"]
Profile = Literal["full", "thin"]

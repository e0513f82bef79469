"""What they send: only the fields that are read. Of the bodies only `meetingScheduled`'s is documented."""

from typing import Annotated, Any

from msgspec import Meta, Raw, Struct

from gateway.contract.reading import Instant


class EventType(Struct):
    name: str | None = None
    slug: str | None = None
    duration: Annotated[int, Meta(ge=0, le=525_600)] | None = None  # minutes
    type: str | None = None  # `regular` is the only word documented


class Person(Struct):
    first_name: str | None = None
    full_name: str | None = None
    email: str | None = None
    phone_number: str | None = None
    timezone: str | None = None
    locale: str | None = None


class Answer(Struct):
    question_label: str | None = None
    question_type: str | None = None
    value: Any = None


class Meeting(Struct):
    uuid: Annotated[str, Meta(min_length=1)]  # opaque: not always a valid UUID
    scheduled_at: Instant | None = None
    end_date: Instant | None = None
    canceled_at: Instant | None = None
    state: str | None = None
    notes: str | None = None
    location: str | None = None
    event_type: EventType | None = None
    invitee: Person | None = None
    participants: list[Person] | None = None  # not documented, seen in 2023 with nothing but `email`
    answers: list[Answer] | None = None
    rescheduling: Any = None  # the shapes of these four are not documented
    cancellation: Any = None
    payment: Any = None
    details: Any = None


class Call(Struct):
    event: str | None = None
    uuid: Any = None
    data: Raw = Raw("null")

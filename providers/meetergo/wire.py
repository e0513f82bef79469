"""What they send: only the fields that are read, nearly all optional. The page: .../developer-docs/webhooks/events"""

from typing import Annotated, Any

from msgspec import Meta, Raw, Struct

from gateway.contract.reading import Instant


class Call(Struct, rename="camel"):
    webhook_type: Any = None  # stands among the fields of a fact
    event: Any = None  # the older envelope: `{"event", "data"}`
    data: Raw = Raw(b"null")


class MeetingInfo(Struct, rename="camel"):
    name: str | None = None  # these two in a meeting type
    duration: Annotated[int, Meta(ge=0, le=525_600)] | None = None  # minutes
    channel: str | None = None  # these in an appointment
    meeting_link: str | None = None
    group_booking: bool | None = None


class MeetingType(Struct, rename="camel"):
    id: str | None = None
    slug: str | None = None
    meeting_info: MeetingInfo | None = None
    metadata: dict[str, Any] | None = None


class Cancel(Struct, rename="camel"):
    cancelled_at: Instant | None = None
    cancelled_by: str | None = None
    action_at: Instant | None = None  # the same two as their API spells them
    action_source: str | None = None
    reason: str | None = None


class Fact(Struct, rename="camel"):
    id: str | None = None
    company_id: str | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
    user_type: str | None = None  # of an employee
    form_id: str | None = None  # of a form, whose answers are documented nowhere
    submitted_at: Instant | None = None
    start: Instant | None = None
    end: Instant | None = None
    location: str | None = None
    is_cancelled: bool | None = None
    rescheduled_at: Instant | None = None
    meeting_info: MeetingInfo | None = None
    attendees: list[Any] | None = None
    hosts: list[Any] | None = None
    meeting_type: MeetingType | None = None
    meeting_type_id: str | None = None
    cancel: Cancel | None = None
    old_start_date: Instant | None = None
    rescheduled_appointment: "Fact | None" = None

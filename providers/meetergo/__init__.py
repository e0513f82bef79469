"""meetergo: a scheduler with a light CRM, forms and a staff list. Its calls are proven by the token in the URL only.

Every call carries a `secret` that cancels and moves a booking without a login: it is blanked before anything is read.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

from msgspec.structs import replace

from gateway.contract import events, likely, people, places, reading
from gateway.contract.errors import NotUnderstood
from gateway.contract.events import BookingStatus, CancelScope, LocationKind
from gateway.contract.provider import Account, Draft, Inbound, Provider, Receipt, decode
from gateway.contract.reading import Warn, kept, keys, stamp, text, utc
from gateway.contract.signatures import Unsigned
from providers.meetergo import api, bookings, wire

Told = tuple[events.Data, datetime | None]  # what happened, and when by their clock

IN_PERSON, PHONE, ONLINE = LocationKind.IN_PERSON, LocationKind.PHONE, LocationKind.ONLINE
CHANNELS: Mapping[str, tuple[LocationKind, str | None]] = {  # some only in older pages and in meetergo-mcp-server
    **dict.fromkeys(("local", "local-attendee", "in_person"), (IN_PERSON, None)),
    **dict.fromkeys(("phone", "phone-incoming"), (PHONE, None)),
    **dict.fromkeys(("google", "google_meet"), (ONLINE, "google_meet")),
    **dict.fromkeys(("teamsForBusiness2", "teams2ForExchange", "teams"), (ONLINE, "microsoft_teams")),
    **{same: (ONLINE, same) for same in ("zoom", "webex", "whatsapp", "whereby", "jitsi", "kmeet", "alfaview")},
    **{word: (ONLINE, word.lower()) for word in ("nextcloudTalk", "openTalk")},
    "connect": (ONLINE, "meetergo_connect"),  # their own rooms
}
MASKED = frozenset({"secret", "ics"})
"""`ics` is the calendar invite; the link to cancel stands in it: https://help.meetergo.com/en/article/1klz4df"""


class Meetergo(Provider):
    name = "meetergo"
    title = "meetergo"
    docs = "https://developer.meetergo.com/developer-docs/webhooks/overview"
    credentials = api.Credentials
    settings = api.AddressSettings
    signature = Unsigned("meetergo does not sign webhooks: https://www.npmjs.com/package/n8n-nodes-meetergo")
    webhooks = api.Webhooks()
    bookings = bookings.Bookings(lambda word, body: _known(word, reading.wiped(body, MASKED), "$"))
    types = tuple(f"booking.{word}" for word in ("scheduled", "rescheduled", "cancelled", "attendee_removed"))
    types += ("form.submitted", "member.added", "provider.event")
    masked = MASKED

    def recognises(self, inbound: Inbound, body: object, account: Account) -> bool:
        del inbound
        told, flat = keys(body), bool(keys(body).get("webhookType"))
        word, fact = told.get("webhookType" if flat else "event"), told if flat else keys(told.get("data"))
        known = isinstance(word, str) and (flat or (bool(fact) and (word in FACTS or word.startswith("booking_"))))
        company = fact.get("companyId") or keys(fact.get("rescheduledAppointment")).get("companyId")
        return known and (company is None or account.account in (None, company))

    def translate(self, receipt: Receipt) -> Sequence[Draft]:
        body = reading.wiped(receipt.inbound.body, MASKED)
        call = decode(body, wire.Call)
        word, body, at = (w, body, "$") if (w := call.webhook_type) else (call.event, bytes(call.data), "$.data")
        if not isinstance(word, str) or not word:
            raise NotUnderstood("no event word - at `$.webhookType` or `$.event`")
        return [_known(word, body, at) if word in FACTS else _unknown(word, body)]


def _known(word: str, body: bytes, at: str) -> Draft:
    outer, lost = reading.read(body, wire.Fact, at)
    fact, said = outer.rescheduled_appointment or outer, list(lost)
    fact.company_id, fact.old_start_date = fact.company_id or outer.company_id, outer.old_start_date
    fact.id = text(fact.form_id if word == "form_submission" else fact.id or outer.id)
    if fact.id is None:
        raise NotUnderstood(f"no id - at `{at}.id`, of a form `{at}.formId`")
    return _draft(word, body, fact, FACTS[word](fact, body, said.append), said)


def _unknown(word: str, body: bytes) -> Draft:
    stated = keys(decode(body, object))
    about, at = people.identifier(stated.get("id")), reading.moment(stated.get("updatedAt"))
    fact = wire.Fact(id=about, company_id=text(stated.get("companyId")), updated_at=at)
    told = events.Other(action=word, subject=events.Subject(id=about) if about else None), at
    return _draft(word, body, fact, told, ["payload_undocumented"])


def _draft(word: str, body: bytes, fact: wire.Fact, told: Told, said: list[str]) -> Draft:
    """Identify a fact as their own example does, by id and `updatedAt`; without that its content has to tell."""
    data, at = told
    parts: tuple[str | None, ...] = (word, fact.id, stamp(fact.updated_at))
    if fact.updated_at is None:
        parts = (word, fact.id, stamp(at), reading.body_digest(body, MASKED | {"webhookType"}))  # in either envelope
        said += ("id_from_digest",) if at else ("id_from_digest", "event_time_not_stated")
    if not text(fact.company_id):
        said.append("account_not_stated")
    metadata = kept(fact.meeting_type.metadata, MASKED) if fact.meeting_type else None
    return Draft(
        data=data,
        parts=parts,
        word=word,
        at=utc(at or fact.updated_at),
        revision=utc(fact.updated_at or at or fact.rescheduled_at or fact.created_at),
        account=text(fact.company_id),
        warnings=tuple(dict.fromkeys(said)),
        extensions={"meetergo": {"metadata": metadata}} if metadata else {},
    )


def _scheduled(fact: wire.Fact, _: bytes, warn: Warn) -> Told:
    return events.Scheduled(booking=_booking(fact, warn)), fact.created_at


def _rescheduled(fact: wire.Fact, _: bytes, warn: Warn) -> Told:
    if fact.old_start_date is None:
        warn("previous_slot_not_stated")
    previous = events.Previous(identity=events.Identity.SAME, start=utc(fact.old_start_date))
    return events.Rescheduled(booking=_booking(fact, warn), previous=previous), fact.rescheduled_at


def _cancelled(fact: wire.Fact, _: bytes, warn: Warn) -> Told:
    """Tell a booking that ends from a group that one attendee has left; who that was is not stated."""
    cancel, booking = fact.cancel or wire.Cancel(), _booking(fact, warn, BookingStatus.CANCELLED)
    at, by = cancel.cancelled_at or cancel.action_at, likely.actor(cancel.cancelled_by or cancel.action_source)
    told = partial(events.Cancellation, by=by, reason=text(cancel.reason), at=utc(at))
    if booking.is_group and not fact.is_cancelled:
        booking = replace(booking, status=BookingStatus.SCHEDULED)
        return events.AttendeeRemoved(booking=booking, cancellation=told(scope=CancelScope.ATTENDEE)), at
    scope = CancelScope.UNKNOWN if booking.is_group is not False or fact.is_cancelled is False else CancelScope.BOOKING
    if scope is CancelScope.UNKNOWN:
        warn("cancel_scope_ambiguous")
    return events.Cancelled(booking=booking, cancellation=told(scope=scope)), at


def _joined(fact: wire.Fact, body: bytes, warn: Warn) -> Told:
    member = people.person(decode(body, object), warn) or events.Person(id=fact.id)
    return events.NewMember(member=member, role=text(fact.user_type)), fact.created_at


def _submitted(fact: wire.Fact, body: bytes, warn: Warn) -> Told:
    warn("payload_undocumented")
    fact.updated_at, told = None, kept(decode(body, object), MASKED)  # when the form was changed would be no identity
    who, what = likely.respondent(told, warn), likely.answers(told, warn)
    return events.FormSubmission(form=events.Form(id=fact.id), respondent=who, answers=what), fact.submitted_at


FACTS: Mapping[str, Callable[[wire.Fact, bytes, Warn], Told]] = {
    "booking_created": _scheduled,
    "booking_rescheduled": _rescheduled,
    "booking_cancelled": _cancelled,
    "new_employee": _joined,
    "form_submission": _submitted,
}


def _booking(fact: wire.Fact, warn: Warn, status: BookingStatus | None = None) -> events.Booking:
    if fact.start is None:
        if status is None:
            raise NotUnderstood("no start - at `start`")
        warn("start_not_stated")
    place, kind = fact.meeting_info or wire.MeetingInfo(), fact.meeting_type or wire.MeetingType()
    about = kind.meeting_info or wire.MeetingInfo()
    attendees = people.people(fact.attendees, "attendees_not_stated", warn)
    kind_id = text(kind.id) or text(fact.meeting_type_id)
    service = events.Service(id=kind_id, slug=text(kind.slug), name=text(about.name), duration_minutes=about.duration)
    return events.Booking(
        id=str(fact.id),
        status=status or (BookingStatus.CANCELLED if fact.is_cancelled else BookingStatus.SCHEDULED),
        title=service.name,
        service=None if service == events.Service() else service,
        start=utc(fact.start),
        end=reading.ending(fact.end, utc(fact.start), about.duration, warn),
        utc_offset=reading.offset(fact.start),
        location=places.venue(place.channel, place.meeting_link, fact.location, CHANNELS, warn),
        is_group=place.group_booking if attendees is None else len(attendees) > 1 or bool(place.group_booking),
        hosts=people.people(fact.hosts, "hosts_not_stated", warn),
        attendees=attendees,
        created_at=utc(fact.created_at),
        updated_at=utc(fact.updated_at),
    )

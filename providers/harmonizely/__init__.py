"""Harmonizely, and SimplyMeet.me, which is the same product under another name.

Their calls are signed only when the webhook was made with a secret, and ours always are. They state no host, no account
and, but for a cancellation, no time of the event itself.
"""

from collections.abc import Callable, Mapping, Sequence

from gateway.contract import events, likely, places, reading
from gateway.contract.errors import NotUnderstood
from gateway.contract.events import AnswerType, BookingStatus
from gateway.contract.provider import Account, Draft, Inbound, Provider, Receipt, decode
from gateway.contract.reading import Warn, bounded, kept, keys, stamp, text, utc
from gateway.contract.signatures import Hmac
from providers.harmonizely import api, wire

STATUSES = {"new": BookingStatus.SCHEDULED, "canceled": BookingStatus.CANCELLED, "cancelled": BookingStatus.CANCELLED}
"""Of these only `new` is documented."""
ANSWERS = {**likely.ANSWERS, "checkbox": AnswerType.BOOLEAN}
VARIANTS = {"Harmonizely": "harmonizely", "SimplyMeet.me": "simplymeet"}
SHAPELESS = ("rescheduling", "cancellation", "payment", "details")
MASKED = frozenset({"secret", "cancel_link", "cancel_url", "reschedule_link", "reschedule_url"})
"""`secret` stands in their list of webhooks; the links are a precaution, no such key is documented."""


class Harmonizely(Provider):
    name = "harmonizely"
    title = "Harmonizely / SimplyMeet.me"
    docs = "https://developers.harmonizely.com/harmonizely-api/webhooks"
    credentials = api.Credentials
    settings = api.SiteSettings
    signature = Hmac(header="webhook-signature", encoding="base64")
    webhooks = api.Webhooks()
    types = ("booking.scheduled", "booking.rescheduled", "booking.cancelled", "provider.event")
    masked = MASKED

    def recognises(self, inbound: Inbound, body: object, account: Account) -> bool:
        del inbound, account  # the user agent proves nothing, and they state no account
        word, meeting = keys(body).get("event"), keys(keys(body).get("data", body))
        return (isinstance(word, str) and word in FACTS) or meeting.keys() >= {"uuid", "scheduled_at", "invitee"}

    def translate(self, receipt: Receipt) -> Sequence[Draft]:
        call = decode(receipt.inbound.body, wire.Call)
        if call.event in FACTS:
            meeting, warnings = reading.read(call.data, wire.Meeting, "$.data")
            return [_known(receipt, call, meeting, list(warnings))]
        if call.event:
            return [_unknown(receipt, call.event, call)]
        # Without an envelope: seen from their Zapier hooks. What happened shows in its fields only.
        meeting, warnings = reading.read(receipt.inbound.body, wire.Meeting)
        return [_known(receipt, wire.Call(), meeting, [*warnings, "payload_bare"])]


def _known(receipt: Receipt, call: wire.Call, meeting: wire.Meeting, said: list[str]) -> Draft:
    said += "account_not_stated", "hosts_not_stated"
    fact, at, event_id = call.event or _implied(meeting), utc(meeting.canceled_at), text(call.uuid)
    data = FACTS[fact](meeting, said.append)
    if at is None:
        said.append("event_time_not_stated")
    # What the envelope's uuid names is not documented: where it is the webhook's, it tells no two events apart.
    delivery = None if event_id in receipt.account.webhook_ids else event_id
    shapeless = {name: kept(value, MASKED) for name in SHAPELESS if (value := getattr(meeting, name))}
    if shapeless:
        said.append("payload_undocumented")
    return Draft(
        data=data,
        parts=(fact, meeting.uuid, stamp(meeting.scheduled_at), stamp(at), delivery),
        word=call.event,
        at=at,
        event_id=event_id,
        variant=VARIANTS.get(receipt.inbound.header("user-agent") or ""),
        warnings=tuple(dict.fromkeys(said)),
        extensions={"harmonizely": shapeless} if shapeless else {},
    )


def _unknown(receipt: Receipt, word: str, call: wire.Call) -> Draft:
    """Pass on a word that is not in the table; two such events may differ in content only, hence the digest."""
    uuid, entity = text(keys(decode(call.data, object)).get("uuid")), "meeting" if word[:7] == "meeting" else None
    return Draft(
        data=events.Other(entity=entity, action=word, subject=events.Subject(id=uuid) if uuid else None),
        parts=(word, uuid, reading.body_digest(receipt.inbound.body)),
        word=word,
        event_id=text(call.uuid),
        variant=VARIANTS.get(receipt.inbound.header("user-agent") or ""),
        warnings=("account_not_stated", "event_time_not_stated", "id_from_digest", "payload_undocumented"),
    )


def _implied(meeting: wire.Meeting) -> str:
    if meeting.canceled_at or meeting.cancellation:
        return "meetingCancelled"
    return "meetingRescheduled" if meeting.rescheduling else "meetingScheduled"


def _scheduled(meeting: wire.Meeting, warn: Warn) -> events.Scheduled:
    return events.Scheduled(booking=_booking(meeting, _status(meeting, warn), warn))


def _rescheduled(meeting: wire.Meeting, warn: Warn) -> events.Rescheduled:
    told = meeting.rescheduling
    booking = _booking(meeting, _status(meeting, warn), warn)
    previous = likely.previous(told, meeting.uuid, warn)  # whether a move keeps the uuid is not documented
    return events.Rescheduled(booking=booking, previous=previous, by=likely.by(told), reason=likely.reason(told))


def _cancelled(meeting: wire.Meeting, warn: Warn) -> events.Cancelled:
    told, kind = meeting.cancellation, meeting.event_type.type if meeting.event_type else None
    scope = events.CancelScope.BOOKING
    if meeting.rescheduling or kind not in (None, "regular"):  # half of a move, or one of many invitees: not told
        scope = events.CancelScope.UNKNOWN
        warn("cancel_scope_ambiguous")
    booking, at = _booking(meeting, BookingStatus.CANCELLED, warn), utc(meeting.canceled_at)
    cancellation = events.Cancellation(scope=scope, by=likely.by(told), reason=likely.reason(told), at=at)
    return events.Cancelled(booking=booking, cancellation=cancellation)


FACTS: Mapping[str, Callable[[wire.Meeting, Warn], events.Data]] = {
    "meetingScheduled": _scheduled,
    "meetingRescheduled": _rescheduled,
    "meetingCancelled": _cancelled,
}


def _status(meeting: wire.Meeting, warn: Warn) -> BookingStatus:
    if meeting.scheduled_at is None:
        raise NotUnderstood("no start - at `$.data.scheduled_at`")
    status = STATUSES.get(text(meeting.state) or "new", BookingStatus.UNKNOWN)
    if status is BookingStatus.UNKNOWN:
        warn("status_unrecognised")
    return status


def _booking(meeting: wire.Meeting, status: BookingStatus, warn: Warn) -> events.Booking:
    if meeting.scheduled_at is None:
        warn("start_not_stated")
    location, unclear = places.place(meeting.location)
    if unclear:
        warn(unclear)
    if meeting.invitee is None:
        warn("attendees_not_stated")
    attendees = [_person(person, warn) for person in (meeting.invitee, *bounded(meeting.participants or ())) if person]
    told = [(a.question_label, a.question_type, kept(a.value, MASKED)) for a in bounded(meeting.answers or ())]
    kind, start = meeting.event_type, utc(meeting.scheduled_at)
    return events.Booking(
        id=meeting.uuid,
        status=status,
        provider_status=text(meeting.state),
        title=text(kind.name) if kind else None,
        service=events.Service(slug=text(kind.slug), name=text(kind.name), duration_minutes=kind.duration)
        if kind
        else None,
        start=start,
        end=reading.ending(meeting.end_date, start, kind.duration if kind else None, warn),
        utc_offset=reading.offset(meeting.scheduled_at),
        location=location,
        attendees=tuple(attendees) or None,
        answers=None if meeting.answers is None else tuple([reading.answer(*a, ANSWERS, warn) for a in told]),
        notes=text(meeting.notes),
        payment=likely.payment(meeting.payment),
    )


def _person(person: wire.Person, warn: Warn) -> events.Person:
    timezone, unclear = reading.zone(person.timezone)
    if unclear:
        warn(unclear)
    return events.Person(
        name=text(person.full_name) or text(person.first_name),  # never split
        given_name=text(person.first_name),
        email=text(person.email),
        phone=text(person.phone_number),
        timezone=timezone,
        locale=text(person.locale),
    )

"""Stamped signs time and body inside one header, and tells a move as one booking that ends and another that starts."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from gateway.contract import events
from gateway.contract.errors import NotUnderstood
from gateway.contract.events import Booking, BookingStatus, Identity, Person
from gateway.contract.provider import Account, ByHand, Draft, Inbound, Provider, Receipt, decode
from gateway.contract.reading import Instant, keys, text, utc
from gateway.contract.signatures import Hmac

Id = Annotated[str, Meta(min_length=1)]


class Slot(Struct):
    start: Instant
    end: Instant
    title: str | None = None


class Invitee(Struct):
    id: Id
    slot: Slot
    name: str | None = None
    email: str | None = None
    replaces: str | None = None
    replaced_by: str | None = None


class Call(Struct):
    happened: str
    at: Instant
    invitee: Invitee


class Stamped(Provider):
    name = "stamped"
    title = "Stamped"
    docs = "https://stamped.example.com/webhooks"
    signature = Hmac(header="stamped-signature", encoding="hex", fields=("t", "v1"), signed="{t}.{body}", tolerance=180)
    webhooks = ByHand("Paste {url} as {name}.")
    types = ("booking.scheduled", "booking.rescheduled", "booking.cancelled", "booking.superseded")

    def recognises(self, inbound: Inbound, body: object, account: Account) -> bool:
        return "stamped-signature" in dict(inbound.headers) or "happened" in keys(body)

    def translate(self, receipt: Receipt) -> Sequence[Draft]:
        call = decode(receipt.inbound.body, Call)
        return [
            Draft(
                data=_data(call),
                parts=(call.happened, call.invitee.id),
                word=call.happened,
                at=utc(call.at),
                revision=utc(call.at),
                warnings=("hosts_not_stated",),
            )
        ]


def _data(call: Call) -> events.Data:
    invitee = call.invitee
    match call.happened:
        case "created" if invitee.replaces:
            previous = events.Previous(identity=Identity.NEW, booking_id=invitee.replaces)
            return events.Rescheduled(booking=_booking(invitee, BookingStatus.SCHEDULED), previous=previous)
        case "created":
            return events.Scheduled(booking=_booking(invitee, BookingStatus.SCHEDULED))
        case "canceled" if invitee.replaced_by:
            booking = _booking(invitee, BookingStatus.CANCELLED)
            return events.Superseded(booking=booking, replaced_by=invitee.replaced_by)
        case "canceled":
            booking = _booking(invitee, BookingStatus.CANCELLED)
            return events.Cancelled(booking=booking, cancellation=events.Cancellation(at=utc(call.at)))
        case _:
            raise NotUnderstood("an unknown word - at `$.happened`")


def _booking(invitee: Invitee, status: BookingStatus) -> Booking:
    return Booking(
        id=invitee.id,
        status=status,
        title=text(invitee.slot.title),
        start=utc(invitee.slot.start),
        end=utc(invitee.slot.end),
        attendees=(Person(name=text(invitee.name), email=text(invitee.email)),),
    )

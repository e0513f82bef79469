"""Formed sends a form that holds ids only, signed with the account's API key."""

from collections.abc import Callable, Mapping, Sequence

from gateway.contract import events
from gateway.contract.errors import NotUnderstood
from gateway.contract.events import Booking, BookingStatus, Service
from gateway.contract.provider import Account, ByHand, Draft, Inbound, Provider, Receipt, form
from gateway.contract.reading import keys, text
from gateway.contract.signatures import Hmac


def _cancelled(booking: Booking) -> events.Cancelled:
    return events.Cancelled(booking=booking, cancellation=events.Cancellation())


FACTS: Mapping[str, tuple[BookingStatus, Callable[[Booking], events.Data]]] = {
    "scheduled": (BookingStatus.SCHEDULED, lambda booking: events.Scheduled(booking=booking)),
    "changed": (BookingStatus.SCHEDULED, lambda booking: events.Updated(booking=booking)),
    "canceled": (BookingStatus.CANCELLED, _cancelled),
}


class Formed(Provider):
    name = "formed"
    title = "Formed"
    docs = "https://formed.example.com/webhooks"
    signature = Hmac(header="x-formed-signature", encoding="base64")
    webhooks = ByHand("Paste {url} as {name}.")
    types = ("booking.scheduled", "booking.updated", "booking.cancelled", "provider.event")

    def recognises(self, inbound: Inbound, body: object, account: Account) -> bool:
        return keys(body).keys() >= {"action", "id", "serviceID"}

    def translate(self, receipt: Receipt) -> Sequence[Draft]:
        fields = form(receipt.inbound.body)
        word, booking_id = text(fields.get("action")), text(fields.get("id"))
        if word is None or booking_id is None:
            raise NotUnderstood("no action or no id - at `action`, `id`")
        return [
            Draft(
                data=_data(word, booking_id, text(fields.get("serviceID"))),
                parts=(word, booking_id, text(fields.get("serviceID"))),
                word=word,
                warnings=("attendees_not_stated", "event_time_not_stated", "hosts_not_stated", "start_not_stated"),
            )
        ]


def _data(word: str, booking_id: str, service: str | None) -> events.Data:
    if word not in FACTS:
        return events.Other(action=word, subject=events.Subject(id=booking_id))
    status, fact = FACTS[word]
    return fact(Booking(id=booking_id, status=status, service=Service(id=service)))

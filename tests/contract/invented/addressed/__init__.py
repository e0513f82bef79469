"""Addressed signs the address it calls together with the body, with a prefix before the digest and a secret in hex."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from gateway.contract import events
from gateway.contract.events import Booking, BookingStatus
from gateway.contract.provider import Account, ByHand, Draft, Inbound, Provider, Receipt, decode
from gateway.contract.reading import Instant, keys, utc
from gateway.contract.signatures import Hmac


class Call(Struct):
    addressed_id: Annotated[str, Meta(min_length=1)]
    start: Instant


class Addressed(Provider):
    name = "addressed"
    title = "Addressed"
    docs = "https://addressed.example.com/webhooks"
    signature = Hmac(
        header="x-addressed-signature", encoding="base64", prefix="sha256=", signed="{url}{body}", key="hex"
    )
    webhooks = ByHand("Paste {url} as {name}.")
    types = ("booking.scheduled",)

    def recognises(self, inbound: Inbound, body: object, account: Account) -> bool:
        return "addressed_id" in keys(body)

    def translate(self, receipt: Receipt) -> Sequence[Draft]:
        call = decode(receipt.inbound.body, Call)
        booking = Booking(id=call.addressed_id, status=BookingStatus.SCHEDULED, start=utc(call.start))
        return [Draft(data=events.Scheduled(booking=booking), parts=(call.addressed_id,), warnings=("end_not_stated",))]

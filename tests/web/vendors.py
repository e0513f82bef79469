"""An invented provider whose calls become events."""

from collections.abc import Sequence

from msgspec import Struct

from gateway.contract.errors import NotUnderstood
from gateway.contract.events import Booking, BookingStatus, Cancellation, Cancelled, Scheduled
from gateway.contract.provider import Account, Draft, Inbound, Receipt
from gateway.contract.reading import decode
from gateway.contract.signatures import Unsigned
from tests.registration.vendors import Key, Office, Silent, Site


class Said(Struct):
    booking: str
    word: str = "made"
    title: str | None = None


class Talking(Silent):
    """Unsigned, with an API. `understands` False: as before a plugin fix."""

    name, title = "talking", "Talking AG"
    credentials, settings = Key, Site
    signature = Unsigned("it never signs, https://vendor.example/docs")
    masked = frozenset({"secret"})

    def __init__(self, office: Office) -> None:
        self.webhooks = office  # type: ignore[misc]  # -- an office for each test, not for the class
        self.understands = True

    def recognises(self, inbound: Inbound, body: object, account: Account) -> bool:
        del inbound, account
        return isinstance(body, dict) and body.get("from") == self.name

    def translate(self, receipt: Receipt) -> Sequence[Draft]:
        if not self.understands:
            raise NotUnderstood("not yet - at `$.booking`")
        said = decode(receipt.inbound.body, Said)
        booking = Booking(id=said.booking, status=BookingStatus.SCHEDULED, title=said.title)
        data = (
            Scheduled(booking=booking)
            if said.word == "made"
            else Cancelled(booking=booking, cancellation=Cancellation())
        )
        return [Draft(data=data, parts=(said.booking, said.word), word=said.word)]

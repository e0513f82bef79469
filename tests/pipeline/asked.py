"""Two invented providers that can be asked, and a desk to try on: one tells all in its calls, the other ids only."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from msgspec.structs import replace

from gateway.contract import asked
from gateway.contract.errors import ApiUnavailable, NotUnderstood
from gateway.contract.events import (
    AnyEvent,
    Booking,
    BookingStatus,
    Cancellation,
    Cancelled,
    CancelScope,
    Data,
    Previous,
    Rescheduled,
    Scheduled,
    UnknownEvent,
    decode_event,
)
from gateway.contract.http import Http
from gateway.contract.provider import (
    Account,
    BookingApi,
    BookingSettings,
    ByHand,
    Draft,
    Found,
    FoundPage,
    Inbound,
    Provider,
    Receipt,
    Told,
)
from gateway.contract.reading import form
from gateway.contract.signatures import Unsigned
from gateway.pipeline.confirm import Confirmation
from gateway.pipeline.normalize import accept
from gateway.pipeline.receive import Candidate, Inbox, receive
from gateway.store.model import Accepted
from gateway.store.store import Store
from tests.store.samples import START, HandClock

AT = datetime.fromtimestamp(START / 1000, UTC)
Fact = Mapping[str, Any]


def fact(booking: str, word: str = "made", day: int = 1, step: int = 0, **more: Any) -> dict[str, Any]:
    """Say what a booking is like; `step` is the vendor's clock."""
    return {"id": booking, "word": word, "day": day, "step": step, **more}


def drafted(told: Fact) -> Draft:
    when, start = AT + timedelta(seconds=told["step"]), AT + timedelta(days=told["day"])
    gone = told["word"] == "gone"
    status = BookingStatus.CANCELLED if gone else BookingStatus.SCHEDULED
    group = told.get("group", False)
    booking = Booking(id=told["id"], status=status, start=start, title=told.get("title"), is_group=group)
    scope = CancelScope.UNKNOWN if group else CancelScope.BOOKING
    data: dict[str, Callable[[], Data]] = {
        "made": lambda: Scheduled(booking=booking),
        "moved": lambda: Rescheduled(booking=booking, previous=Previous()),
        "gone": lambda: Cancelled(booking=booking, cancellation=Cancellation(scope=scope)),
    }
    return Draft(
        data=data[told["word"]](),
        parts=(told["word"], told["id"], str(told["step"])),
        word=told["word"],
        at=when,
        revision=when,
        warnings=("cancel_scope_ambiguous",) if gone and group else (),
    )


class Diary(BookingApi):
    """Its network half is never called: the tests answer for it."""

    def base_url(self, settings: Any) -> str:
        return "https://diary.example"

    def headers(self, credentials: Any) -> Mapping[str, str]:
        return {}

    async def fetch(self, http: Http, booking_id: str) -> bytes | None:
        raise AssertionError

    async def changed(self, http: Http, since: datetime, page: str | None) -> FoundPage:
        raise AssertionError

    def state(self, account: Account, found: Found) -> Draft:
        return drafted(json.loads(found.body))

    def missed(self, account: Account, found: Found, told: Told | None) -> Sequence[Draft]:
        return asked.missed(self.state(account, found), told)


class Telling(Provider):
    """Its calls are facts in JSON."""

    name = title = docs = "telling"
    settings = BookingSettings
    signature = Unsigned("invented, see this file")
    webhooks = ByHand("paste {url}")
    bookings: ClassVar[BookingApi | None] = Diary()
    types = ("booking.scheduled", "booking.rescheduled", "booking.cancelled", "booking.attendee_removed")

    def recognises(self, inbound: Inbound, body: object, account: Account) -> bool:
        return isinstance(body, dict)

    def translate(self, receipt: Receipt) -> Sequence[Draft]:
        return [drafted(json.loads(receipt.inbound.body))]


class Ids(Telling):
    """Its calls are forms that name a booking and no more, as Acuity's are: what is true must be asked for."""

    name = title = docs = "ids"

    def wants(self, receipt: Receipt) -> Sequence[str]:
        return [_id(receipt)]

    def translate(self, receipt: Receipt) -> Sequence[Draft]:
        answer = receipt.fetched.get(_id(receipt))
        if answer is None:
            raise NotUnderstood("the call holds an id only, and the provider did not answer")
        return [drafted(json.loads(answer))]


def _id(receipt: Receipt) -> str:
    fields = form(receipt.inbound.body)
    if "id" not in fields:
        raise NotUnderstood("no id - at `id`")
    return fields["id"]


@dataclass
class Vendor:
    """What the provider answers. `down`: the error instead."""

    diary: dict[str, Fact] = field(default_factory=dict)
    down: Exception | None = None
    asked: list[str] = field(default_factory=list)

    def says(self, *facts: Fact) -> None:
        self.diary |= {one["id"]: one for one in facts}

    async def fetch(self, connection_id: str, booking_id: str) -> bytes | None:
        self.asked.append(booking_id)
        if self.down:
            raise self.down
        return json.dumps(self.diary[booking_id]).encode() if booking_id in self.diary else None


@dataclass
class Desk:
    """A store, one connection on it, and the step that confirms."""

    store: Store
    clock: HandClock
    provider: Provider = field(default_factory=Telling)
    settings: BookingSettings = field(default_factory=BookingSettings)
    vendor: Vendor = field(default_factory=Vendor)
    connection: str = "con_1"
    connected: bool = True
    askable: bool = True

    @property
    def inbox(self) -> Inbox:
        account = Account(self.connection, "acme", self.settings)
        candidate = Candidate(self.provider, account, self.provider.signature, (), self.askable)
        return Inbox("url_1", "https://gateway.example/in/x", False, (candidate,) if self.connected else ())

    def by_id(self, token_id: str, connection_id: str | None) -> Inbox:
        del token_id, connection_id
        return self.inbox

    async def takes(self, body: Fact | bytes, kind: str = "application/json") -> Accepted:
        """Take a call."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        at = datetime.fromtimestamp(self.clock.at / 1000, UTC)
        headers = (("content-type", kind.encode()),)
        call = receive(Inbound(self.inbox.url, headers, raw, at), self.inbox)
        return await accept(self.store, call, self.inbox)  # type: ignore[arg-type]  # -- nothing here is refused

    async def confirms(self, rounds: int = 1) -> None:
        """Look at what is held and due, so many times."""
        step = Confirmation(self.store, self, self.vendor)
        for _ in range(rounds):
            for call in await self.store.held.first(100):
                if call.due <= self.store.now():
                    await step.settle(call)

    async def told(self) -> list[AnyEvent | UnknownEvent]:
        return [decode_event(event.body) for event in await self.store.events(limit=500)]

    async def sums(self) -> tuple[int, int, int, int]:
        """Count receipts: understood, quarantined, held, discarded."""
        counts = await self.store.counts()
        return counts.understood, counts.quarantined, counts.held, counts.discarded

    async def reason(self) -> str | None:
        (row,) = await self.store.receipts(status="quarantined")
        return row.reason


def unavailable(retry_after: float | None = None) -> ApiUnavailable:
    return ApiUnavailable("words of the provider's", status=503, retry_after=retry_after)


def confirming(how: Any, seconds: int = 900) -> BookingSettings:
    return replace(BookingSettings(), confirm=how, confirm_seconds=seconds)


def types(events: Iterable[AnyEvent | UnknownEvent]) -> list[str]:
    return [event.type for event in events]

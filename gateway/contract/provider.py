"""What a scheduler's plugin is: a few declarations, one pure translation, and its HTTP API when it has one.

What a plugin needs of http.py (`Http`, `Answer`, `find`, `discard`) and of reading.py (`decode`, `form`, `instant`) can
be imported from here too.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct

from gateway.contract.errors import NotUnderstood
from gateway.contract.events import Booking, Data
from gateway.contract.http import Answer, Http, discard, find, judge
from gateway.contract.reading import decode, form, instant
from gateway.contract.signatures import Hmac, Unsigned

__all__ = [
    "Account",
    "Answer",
    "Api",
    "BookingApi",
    "BookingSettings",
    "ByHand",
    "Draft",
    "Found",
    "FoundPage",
    "Http",
    "Inbound",
    "NoCredentials",
    "Provider",
    "Receipt",
    "Settings",
    "Told",
    "Wanted",
    "Webhook",
    "WebhookApi",
    "decode",
    "discard",
    "find",
    "form",
    "instant",
    "judge",
    "parsed",
]

# --- nouns ---------------------------------------------------------------------------------------------------------


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every connection can set. A plugin with settings of its own inherits and repeats the keywords."""

    events: Annotated[
        tuple[str, ...] | None, Meta(description="the provider's event names to subscribe to; all when left out")
    ] = None


class BookingSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a connection can set besides, when its provider can be asked for bookings."""

    confirm: Annotated[
        Literal["no", "try", "must"],
        Meta(
            description="ask the provider before an unsigned call is passed on; "
            "without an answer in time, `try` passes it on unconfirmed, `must` quarantines it"
        ),
    ] = "no"
    confirm_seconds: Annotated[int, Meta(ge=0, le=86_400, description="how long an answer is waited for")] = 900


class NoCredentials(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say that there is nothing to log in with."""


class Inbound(Struct, frozen=True):
    """One call as it came. Nobody has vouched for this one yet.

    `url` is ours, from settings, never from Host. `headers`: lower-case names, repeats kept. `received_at`: UTC.
    """

    url: str
    headers: tuple[tuple[str, bytes], ...]
    body: bytes
    received_at: datetime

    def header(self, name: str) -> str | None:
        """Read one header as text; one that is repeated, or not ASCII, counts as missing."""
        found = None
        for key, value in self.headers:
            if key == name:
                if found is not None:
                    return None
                found = value
        return found.decode("ascii") if found is not None and found.isascii() else None


class Account(Struct, frozen=True):
    """What a plugin may know of a connection; never a secret.

    `account` is the provider's tenant id, learnt from its API only. `webhook_ids` holds every id the webhook ever had
    at the provider, retired ones too.
    """

    connection: str
    account: str | None
    settings: Settings
    webhook_ids: frozenset[str] = frozenset()


class Receipt(Struct, frozen=True):
    """One call whose sender is known. Only `gateway.pipeline.receive` makes one.

    `fetched`: what the provider's API answered, by booking id, when it was asked about this call.
    """

    account: Account
    proof: Literal["signature", "token"]
    inbound: Inbound
    fetched: Mapping[str, bytes] = {}


class Draft(Struct, frozen=True, kw_only=True):
    """One fact. The gateway adds id, key, origin, timestamp and sequence.

    `data`: its class decides the event's type. `parts`: the provider's own keys that make it this fact and no other;
    the event id is their hash, so never a receive time and nothing personal. `word`: their event name, verbatim.
    `at`: when it happened by their clock, UTC. `revision`: their clock that orders the events of one booking, UTC;
    a plugin states it for all of its events or for none. `account`: whose it is, when the body says so.
    """

    data: Data
    parts: tuple[str | None, ...]
    word: str | None = None
    at: datetime | None = None
    revision: datetime | None = None
    event_id: str | None = None
    account: str | None = None
    variant: str | None = None
    test: bool = False
    warnings: tuple[str, ...] = ()
    extensions: Mapping[str, Any] = {}


class Wanted(Struct, frozen=True, kw_only=True):
    """The webhook that should exist. `label` names this gateway and connection, for providers that keep a text."""

    url: str
    events: tuple[str, ...]
    secret: str | None
    label: str


class Webhook(Struct, frozen=True, kw_only=True):
    """A webhook that does exist, as the provider states it; None where it says nothing."""

    id: str
    url: str
    events: tuple[str, ...]
    active: bool | None = None
    secret: str | None = None
    label: str | None = None
    account: str | None = None


class ByHand(Struct, frozen=True):
    """Say what a person pastes and ticks where there is no API; `{url}`, `{name}`, `{events}` and `{id}` (the
    connection's) are filled in.

    `unsigned`: what to say besides as long as the calls of a connection carry no signature.
    """

    steps: str
    unsigned: str = ""


class Found(Struct, frozen=True):
    """One booking as the provider's API states it; `body` is JSON."""

    id: str
    body: bytes


class FoundPage(Struct, frozen=True, kw_only=True):
    """Some of the bookings that were asked for. `next` leads to the next page, None after the last.

    `size`: how many the page had, those that did not change included. `total`: how many the provider says there are in
    all. It may grow between pages; when it shrinks, what was on a later page may have moved to one that was read
    before, and the reading begins again.
    """

    bookings: Sequence[Found]
    next: str | None = None
    size: int | None = None
    total: int | None = None


class Told(Struct, frozen=True, kw_only=True):
    """What was passed on last of a booking: the event's type, when it happened (UTC), the booking after it.

    `booking` is None when its content is not kept any more.
    """

    type: str
    at: datetime
    booking: Booking | None


# --- verbs ---------------------------------------------------------------------------------------------------------


class Api(ABC):
    """Where a provider's API is, and how it is told who calls."""

    timeout: ClassVar[float] = 20.0
    """Seconds that one request may take, its answer included."""
    per_minute: ClassVar[int] = 60
    """How many requests a minute one account may make."""

    @abstractmethod
    def base_url(self, settings: Any) -> str:
        """Name the address that paths are under, without a slash at the end."""

    @abstractmethod
    def headers(self, credentials: Any) -> Mapping[str, str]:
        """Make the headers that log in."""


class WebhookApi(Api):
    """A provider's way to register webhooks by program."""

    events: ClassVar[tuple[str, ...]]
    """The event names that can be subscribed to."""
    shows_secret: ClassVar[bool] = False
    """Whether the list tells a webhook's signing secret: then one without it is a webhook that does not sign."""
    keeps_label: ClassVar[bool] = True
    """Whether a webhook can be told by `Wanted.label`. Say False where it has no text: on a URL that is one
    connection's alone, one without secret and label then counts as ours when calls are not signed."""

    @abstractmethod
    async def create(self, http: Http, wanted: Wanted) -> Webhook:
        """Make one. Raises WebhookLimit when the account is full."""

    @abstractmethod
    async def list(self, http: Http) -> Sequence[Webhook]:
        """List all, through all pages."""

    async def update(self, http: Http, webhook_id: str, wanted: Wanted) -> Webhook | None:
        """Change one in place; None when the provider has no such verb."""
        del http, webhook_id, wanted
        return None

    @abstractmethod
    async def delete(self, http: Http, webhook_id: str) -> None:
        """Remove one; one that is gone already is done."""


class BookingApi(Api):
    """A provider's way to be asked for bookings: what a webhook that never came would have told, and what is true."""

    @abstractmethod
    async def fetch(self, http: Http, booking_id: str) -> bytes | None:
        """Ask for one booking, as JSON; None when there is none of this id."""

    @abstractmethod
    async def changed(self, http: Http, since: datetime, page: str | None) -> FoundPage:
        """Ask for one page of the bookings that changed since then (UTC), or may have. `page` None is the first.

        One that stays as it is while the pages are read must be on one of them, whatever is added meanwhile.
        """

    @abstractmethod
    def state(self, account: Account, found: Found) -> Draft:
        """Say what the last webhook about this booking told, with the parts that it had. Pure.

        Raises NotUnderstood.
        """

    @abstractmethod
    def missed(self, account: Account, found: Found, told: Told | None) -> Sequence[Draft]:
        """Say which webhooks about this booking were missed, given what was passed on last. Pure.

        Nothing, where the booking is as it was told. `gateway.contract.asked.missed` does it for a provider that
        keeps no history. Raises NotUnderstood.
        """


class Provider(ABC):
    """One scheduler. All of it but `translate` is declared."""

    name: ClassVar[str]
    """Lower-case letters and digits: in keys, in `gateway connect NAME`."""
    title: ClassVar[str]
    docs: ClassVar[str]
    """The page that documents the webhooks."""
    credentials: ClassVar[type[Struct]] = NoCredentials
    settings: ClassVar[type[Settings]] = Settings
    signature: ClassVar[Hmac | Unsigned]
    webhooks: ClassVar[WebhookApi | ByHand]
    bookings: ClassVar[BookingApi | None] = None
    """How it can be asked for bookings; its settings then inherit `BookingSettings`."""
    types: ClassVar[tuple[str, ...]]
    """The canonical event types it can give rise to."""
    masked: ClassVar[frozenset[str]] = frozenset()
    """JSON keys whose values act without a login: masked wherever a raw body is shown."""

    def scheme(self, settings: Any) -> Hmac | Unsigned:
        """Say how calls of one connection are signed, for providers whose scheme is a setting."""
        del settings
        return self.signature

    @abstractmethod
    def recognises(self, inbound: Inbound, body: object, account: Account) -> bool:
        """Say whether an unsigned call looks like this provider's, and this account's if the body names one.

        `body` is `parsed(inbound)`: decoded JSON, a dict of a form's fields, or None. Pure, and true for no other
        provider's bodies.
        """

    def wants(self, receipt: Receipt) -> Sequence[str]:
        """Name the bookings that `translate` cannot do without: for calls that hold ids only.

        They are fetched into `receipt.fetched` first. What `settings.confirm` asks for is not this verb's business.
        Pure; raises NotUnderstood.
        """
        del receipt
        return ()

    @abstractmethod
    def translate(self, receipt: Receipt) -> Sequence[Draft]:
        """Say what happened. Pure: no clock, no network, no randomness.

        What `wants` asked for is in `receipt.fetched`, unless the provider did not answer. Raises NotUnderstood when
        the body is not what its event word promises; an unknown event word becomes a `provider.event` instead.
        """


# --- reading -------------------------------------------------------------------------------------------------------


def parsed(inbound: Inbound) -> object:
    """Decode a body once, without a promise of shape: JSON, the fields of a form as a dict, or None.

    What is JSON is JSON whatever its content-type says: whoever forges a call chooses that freely.
    """
    try:
        return decode(inbound.body, object)
    except NotUnderstood:
        stated = (inbound.header("content-type") or "").lower()
    try:
        return form(inbound.body) if stated.startswith("application/x-www-form-urlencoded") else None
    except NotUnderstood:
        return None

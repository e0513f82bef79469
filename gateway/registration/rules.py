"""What a connection must be before it may exist. Pure: requests and rows in, a decision or a refusal out.

The rules about URLs keep one thing true: `pipeline.receive` can decide whose call it is from the call alone.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain, count
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field
from msgspec.structs import asdict

from gateway.contract.errors import GatewayError
from gateway.contract.provider import Api, BookingSettings, ByHand, Provider, Settings, WebhookApi
from gateway.contract.signatures import Hmac, Unsigned, usable
from gateway.registration import words
from gateway.registration.possible import possible
from gateway.store.model import Connection

SECRET_LENGTH = 8
"""The fewest characters a signing secret may have."""

S = TypeVar("S", bound=Struct)
Name = Annotated[str, Meta(min_length=1, max_length=100)]
Text = Annotated[str, Meta(max_length=1024)]


class Invalid(GatewayError):
    """Say which field of a request is wrong (`credentials.api_key`), and why; never repeats the value."""

    def __init__(self, field: str, message: str, sentence: str | None = None) -> None:
        super().__init__(sentence or (f"{field}: {message}" if field else message))
        self.field = field
        self.message = message

    @classmethod
    def of(cls, error: msgspec.ValidationError, kind: Any, under: str = "", *, what: str = "field") -> "Invalid":
        """Say in plain words what msgspec found wrong in a value that was to be of a kind.

        `under`: the name of the field that holds the value. `what`: how people call a member of it.
        """
        return cls(*words.explain(str(error), kind, under, what))


class Conflict(GatewayError):
    """Say why something cannot be done in the state things are in."""


class ConnectRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to connect. `register`: make the webhook through the provider's API where there is one."""

    provider: str
    name: Name | None = None
    credentials: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    signing_secret: Text | None = None
    unsigned: bool = False
    own_url: bool = False
    register: bool = True


class ConnectionChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change. `credentials` and `settings` are merged key by key; null removes a key."""

    name: Name | UnsetType = UNSET
    credentials: dict[str, Any] | UnsetType = UNSET
    settings: dict[str, Any] | UnsetType = UNSET
    signing_secret: Text | UnsetType = UNSET


def free_name(name: str, taken: Collection[str]) -> str:
    """Number a name that nobody chose and that is taken, so that people can tell which is which: `Acme`, `Acme 2`."""
    numbered = chain([name], (f"{name} {number}" for number in count(2)))
    return next(one for one in numbered if one not in taken)


def not_installed(name: str, providers: Mapping[str, Provider]) -> Invalid:
    """Say what to write in the place of a provider that there is not: it may be what another one calls a `site`."""
    for provider in providers.values():
        if name in possible(provider.settings, "site"):
            how = f"`gateway connect {provider.name} --set site={name}`"
            return Invalid("provider", f"{name} is connected as {provider.name}, with the setting site={name}: {how}")
    known = sorted(providers)
    return Invalid("provider", f"not installed{words.near(name, known)}; there is {', '.join(known)}")


def converted(given: Mapping[str, Any], kind: type[S], under: str) -> S:
    """Check what was given against what the plugin declares. Raises Invalid, naming the field."""
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise Invalid.of(error, kind, under) from None


def login_headers(api: Api, credentials: Struct) -> Mapping[str, str]:
    """Make the headers that log in. Raises Invalid when a credential cannot stand in a header."""
    headers = api.headers(credentials)
    if not all(value.isascii() and value.isprintable() for value in headers.values()):
        raise Invalid("credentials", "printable ASCII characters only, without line breaks")
    return headers


def check_events(provider: Provider, settings: Settings) -> None:
    """See that the events to subscribe to exist at a provider that is asked by program. Raises Invalid."""
    if settings.events is None:
        return
    if not settings.events:
        raise Invalid("settings.events", "at least one, or leave it out for all")
    known = provider.webhooks.events if isinstance(provider.webhooks, WebhookApi) else settings.events
    for position, event in enumerate(settings.events):
        if event not in known:
            raise Invalid(f"settings.events[{position}]", f"not one of {', '.join(known)}")


def confirms(settings: Settings) -> bool:
    """Say whether the provider is asked about calls before they are passed on: then there must be a way to ask it."""
    return isinstance(settings, BookingSettings) and settings.confirm != "no"


def check_secret(scheme: Hmac | Unsigned, secret: str) -> None:
    """See that a signing secret can be used. Raises Invalid."""
    if isinstance(scheme, Unsigned):
        raise Invalid("signing_secret", f"calls of this connection carry no signature: {scheme.why}")
    if len(secret) < SECRET_LENGTH:
        raise Invalid("signing_secret", f"at least {SECRET_LENGTH} characters")
    if not usable(scheme, secret):
        raise Invalid("signing_secret", f"cannot be read as {scheme.key}, as the signature scheme says")


def secret_for(
    provider: Provider, scheme: Hmac | Unsigned, request: ConnectRequest, generate: Callable[[], str]
) -> tuple[tuple[str, ...], str | None]:
    """Choose a new connection's live secrets, and name the one among them that was made here. Raises Invalid."""
    if request.signing_secret is not None:
        if request.unsigned:
            raise Invalid("unsigned", "a signing secret is given as well: one or the other")
        check_secret(scheme, request.signing_secret)
        return (request.signing_secret,), None
    if isinstance(scheme, Unsigned) or request.unsigned:
        return (), None
    if isinstance(provider.webhooks, ByHand):
        raise secret_missing(provider)
    made = generate()
    check_secret(scheme, made)
    return (made,), made


def secrets_after(
    provider: Provider, before: Connection, scheme: Hmac | Unsigned, change: ConnectionChange
) -> tuple[str, ...]:
    """Choose the live secrets of a connection that is changed; `scheme` is the new one. Raises Invalid."""
    if isinstance(change.signing_secret, str):
        check_secret(scheme, change.signing_secret)
        return (change.signing_secret,)
    if isinstance(scheme, Unsigned):
        return ()
    for secret in before.secrets:
        check_secret(scheme, secret)
    if not before.secrets and isinstance(scheme_of(provider, before), Unsigned):
        raise secret_missing(provider)
    return before.secrets


def check_registered(provider: Provider, before: Connection, after: Settings, change: ConnectionChange) -> None:
    """See that a change asks for nothing that a repair of the registered webhook cannot bring. Raises Conflict."""
    if before.remote is None or not isinstance(provider.webhooks, WebhookApi):
        return
    api, now = provider.webhooks, msgspec.convert(before.settings, provider.settings)
    if change.signing_secret is not UNSET:
        raise Conflict("The provider has to learn a new secret: `gateway connections rotate` sees to it.")
    if api.base_url(now) != api.base_url(after):
        raise Conflict("At another address there is another webhook: delete the connection and make it again.")


def secret_missing(provider: Provider) -> Invalid:
    """Say what to do about a connection that could be signed and is not."""
    return Invalid("signing_secret", f"{provider.title} signs its calls: give its secret, or say `unsigned`")


def address_field(settings: Settings) -> str:
    """Name the setting that says where the provider's API is."""
    return "settings.base_url" if getattr(settings, "base_url", None) else "settings"


def address_settings(provider: Provider) -> tuple[str, ...]:
    """Name the settings of a provider that say where its API is."""
    return tuple(name for name in ("site", "base_url") if name in provider.settings.__struct_fields__)


def needs_own_url(new: Connection, scheme: Hmac | Unsigned, others: Sequence[Connection]) -> bool:
    """Say whether a connection would make the shared URL undecidable.

    `others` include those that are being removed: their provider may still call.
    """
    if isinstance(scheme, Hmac) and not new.secrets:
        return True
    return any(_confusable(new, other) for other in _on_url(new, others))


def _confusable(one: Connection, other: Connection) -> bool:
    """Two of one provider, of which one is unsigned, are told apart by their accounts or not at all."""
    same_shape = one.provider == other.provider and not (one.secrets and other.secrets)
    return same_shape and (one.account is None or other.account is None or one.account == other.account)


def check_unique(
    new: Connection, scheme: Hmac | Unsigned, others: Sequence[Connection], providers: Mapping[str, Provider]
) -> None:
    """See that no call could be proven by two connections. Raises Conflict."""
    for other in _on_url(new, others):
        if set(new.secrets) & set(other.secrets) and _same_proof(new, scheme, other, providers):
            raise Conflict(f"signing_secret: connection {other.id} on the same URL has this secret already")


def _same_proof(new: Connection, scheme: Hmac | Unsigned, other: Connection, providers: Mapping[str, Provider]) -> bool:
    if new.provider == other.provider or other.provider not in providers:
        return True
    theirs = scheme_of(providers[other.provider], other)
    return isinstance(scheme, Hmac) and isinstance(theirs, Hmac) and _untimed(scheme) == _untimed(theirs)


def _untimed(scheme: Hmac) -> dict[str, Any]:
    """Take a scheme as plain fields: a plugin's own subclass proves the same calls."""
    return {**asdict(scheme), "tolerance": 0}


def _on_url(new: Connection, others: Sequence[Connection]) -> list[Connection]:
    """An own URL is one connection's alone, so neighbours are only on the shared one."""
    return [other for other in others if new.token is None and other.token is None and other.id != new.id]


def scheme_of(provider: Provider, connection: Connection) -> Hmac | Unsigned:
    """Say how calls of a connection that exists are signed."""
    return provider.scheme(msgspec.convert(connection.settings, provider.settings))

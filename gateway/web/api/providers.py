"""/v1/providers: the installed plugins, and what each wants to be connected."""

from typing import Any, Literal

import msgspec
from litestar import get
from litestar.di import NamedDependency
from msgspec import Struct, inspect

from gateway.contract.provider import Provider, WebhookApi
from gateway.contract.signatures import Hmac
from gateway.web.api.calls import call
from gateway.web.api.pages import Page, Paging, of_all
from gateway.web.api.reading import Asker, wired


class CredentialField(Struct, frozen=True, kw_only=True):
    """One credential. `secret`: not to be shown or logged."""

    name: str
    required: bool
    secret: bool
    description: str | None


class SettingField(Struct, frozen=True, kw_only=True):
    """One setting and what it is when left out."""

    name: str
    default: Any
    description: str | None


class ProviderView(Struct, frozen=True, kw_only=True):
    """One plugin. `events`: the canonical event types that it can give rise to."""

    name: str
    title: str
    docs: str
    signature: Literal["hmac", "unsigned"]
    webhooks: Literal["api", "by_hand"]
    bookings: bool
    credentials: tuple[CredentialField, ...]
    settings: tuple[SettingField, ...]
    events: tuple[str, ...]


@get("/providers", **call("config:read"))
async def list_providers(request: Asker, asked: NamedDependency[Paging]) -> Page[ProviderView]:
    """List the installed providers."""
    services = wired(request)
    return of_all([_view(provider) for provider in services.providers.values()], asked, lambda p: p.name)


def _view(provider: Provider) -> ProviderView:
    return ProviderView(
        name=provider.name,
        title=provider.title,
        docs=provider.docs,
        signature="hmac" if isinstance(provider.signature, Hmac) else "unsigned",
        webhooks="api" if isinstance(provider.webhooks, WebhookApi) else "by_hand",
        bookings=getattr(provider, "bookings", None) is not None,
        credentials=tuple(_credential(field) for field in _fields(provider.credentials)),
        settings=tuple(_setting(provider, field) for field in _fields(provider.settings)),
        events=provider.types,
    )


def _fields(kind: type[Struct]) -> tuple[inspect.Field, ...]:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return info.fields


def _credential(field: inspect.Field) -> CredentialField:
    """Describe a credential; it is a secret unless the plugin marks it `Meta(extra={"secret": False})`."""
    told = _told(field.type)
    secret = bool(told.get("secret", True))
    return CredentialField(
        name=field.encode_name, required=field.required, secret=secret, description=told.get("description")
    )


def _setting(provider: Provider, field: inspect.Field) -> SettingField:
    default = None if field.default is msgspec.NODEFAULT else msgspec.to_builtins(field.default)
    description = _told(field.type).get("description")
    if field.name == "events" and isinstance(provider.webhooks, WebhookApi):
        description = f"{description}: {', '.join(provider.webhooks.events)}"
    return SettingField(name=field.encode_name, default=default, description=description)


def _told(kind: inspect.Type) -> dict[str, Any]:
    """Collect what a plugin says of a field, also where it stands inside `... | None`."""
    if isinstance(kind, inspect.UnionType):
        return {name: said for part in kind.types for name, said in _told(part).items()}
    if isinstance(kind, inspect.Metadata):
        return {**_told(kind.type), **(kind.extra_json_schema or {}), **(kind.extra or {})}
    return {}


HANDLERS: list[Any] = [list_providers]

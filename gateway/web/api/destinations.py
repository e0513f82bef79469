"""/v1/destinations: who gets the events."""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from msgspec import UNSET, Meta, Struct, UnsetType, field
from msgspec.structs import asdict, replace

from gateway.contract.errors import ConfigurationError, EgressRefused
from gateway.pipeline.deliver import check_headers
from gateway.registration.rules import Invalid, free_name
from gateway.sealing import new_id, new_signing_secret
from gateway.store import model
from gateway.store.model import SigningSecret
from gateway.web.api.calls import call
from gateway.web.api.pages import Page, Paging, Time, moment, of_all
from gateway.web.api.reading import Asker, Id, wired
from gateway.web.api.trial import Trial, attempt
from gateway.web.api.types import Pattern, expand
from gateway.web.damaged import absent, all_destinations
from gateway.web.problems import missing
from gateway.web.services import Services

OVERLAP_MS = 24 * 60 * 60 * 1000
"""So long an old secret keeps signing beside the new one."""

HIDDEN = "***"

Url = Annotated[str, Meta(min_length=1, max_length=2048)]
Name = Annotated[str, Meta(min_length=1, max_length=100)]
Types = Annotated[tuple[Pattern, ...], Meta(min_length=1, max_length=50)]
Names = Annotated[tuple[str, ...], Meta(min_length=1, max_length=500)]
Rate = Annotated[float, Meta(gt=0, le=10_000, description="requests a second")]
Headers = Annotated[dict[str, str], Meta(description="sent with each delivery")]


class DestinationView(Struct, frozen=True, kw_only=True):
    """A destination. The values of its headers are hidden; its secret is shown only when made."""

    id: str
    name: str
    url: str
    types: tuple[str, ...]
    providers: tuple[str, ...] | None
    connections: tuple[str, ...] | None
    headers: dict[str, str]
    format: Literal["standard", "cloudevents"]
    profile: Literal["full", "thin"]
    rate: float | None
    paused: bool
    paused_reason: str | None
    created_at: Time


class DestinationWithSecret(DestinationView, frozen=True, kw_only=True):
    """A destination and its new signing secret, shown this once."""

    secret: str


class NewDestination(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A destination to make. `providers` and `connections` narrow whose events it gets; null is all."""

    url: Url
    name: Name | None = None
    types: Types = ("*",)
    providers: Names | None = None
    connections: Names | None = None
    headers: Headers = field(default_factory=dict)
    format: Literal["standard", "cloudevents"] = "standard"
    profile: Literal["full", "thin"] = "full"
    rate: Rate | None = None


class DestinationChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change. `headers` replaces all of them; a value of `***` keeps the one that is there."""

    url: Url | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    types: Types | UnsetType = UNSET
    providers: Names | UnsetType | None = UNSET
    connections: Names | UnsetType | None = UNSET
    headers: Headers | UnsetType = UNSET
    format: Literal["standard", "cloudevents"] | UnsetType = UNSET
    profile: Literal["full", "thin"] | UnsetType = UNSET
    rate: Rate | UnsetType | None = UNSET


@get("/destinations", **call("config:read"))
async def list_destinations(request: Asker, asked: NamedDependency[Paging]) -> Page[DestinationView]:
    """List the destinations."""
    services = wired(request)
    return of_all([_view(row) for row in await all_destinations(services.store)], asked, lambda row: row.id)


@post("/destinations", **call("config:write"))
async def create_destination(request: Asker, given: NamedDependency[NewDestination]) -> DestinationWithSecret:
    """Make a destination; it gets events from now on. Its signing secret is shown in this answer and never again."""
    services = wired(request)
    secret = new_signing_secret()
    made = model.Destination(
        id=new_id("dst_"),
        secrets=(SigningSecret(secret=secret),),
        created_at=services.store.now(),
        **{**asdict(given), "name": given.name or await _free_name(services, given.url)},
    )
    await _check(services, made)
    return _with_secret(await services.store.put_destination(made), secret)


@get("/destinations/{destination_id:str}", **call("config:read"))
async def show_destination(request: Asker, destination_id: Id) -> DestinationView:
    """Show one destination."""
    for row in await all_destinations(wired(request).store):
        if row.id == destination_id:
            return _view(row)
    raise missing("destination")


@patch("/destinations/{destination_id:str}", **call("config:write", 409))
async def change_destination(
    request: Asker, destination_id: Id, given: NamedDependency[DestinationChange]
) -> DestinationView:
    """Change a destination, also for what waits to be delivered; its subscriptions count for events from now on."""
    services = wired(request)
    row = await _find(services, destination_id)
    changes = {name: value for name, value in asdict(given).items() if value is not UNSET}
    if given.headers is not UNSET:
        kept = {name: row.headers.get(name, value) for name, value in given.headers.items() if value == HIDDEN}
        changes["headers"] = {**given.headers, **kept}
    changed = replace(row, **changes)
    await _check(services, changed)
    return _view(await services.store.put_destination(changed))


@delete("/destinations/{destination_id:str}", **call("config:write"))
async def delete_destination(request: Asker, destination_id: Id) -> None:
    """Delete a destination; what waits for it is skipped."""
    services = wired(request)
    if not await services.store.remove_destination(destination_id):
        raise missing("destination")


@post("/destinations/{destination_id:str}/pause", status_code=200, **call("config:write", 409))
async def pause_destination(request: Asker, destination_id: Id) -> DestinationView:
    """Send nothing until it is resumed; what happens meanwhile waits."""
    services = wired(request)
    row = await _find(services, destination_id)
    paused = replace(row, paused=True, paused_reason="paused by an operator")
    return _view(row if row.paused else await services.store.put_destination(paused))


@post("/destinations/{destination_id:str}/resume", status_code=200, **call("config:write", 409))
async def resume_destination(request: Asker, destination_id: Id) -> DestinationView:
    """Send again, what waits first."""
    services = wired(request)
    row = await _find(services, destination_id)
    return _view(await services.store.put_destination(replace(row, paused=False, paused_reason=None)))


@post("/destinations/{destination_id:str}/rotate-secret", status_code=200, **call("config:write", 409))
async def rotate_secret(request: Asker, destination_id: Id) -> DestinationWithSecret:
    """Make a new signing secret. The old one keeps signing beside it for 24 hours."""
    services = wired(request)
    row, now = await _find(services, destination_id), services.store.now()
    secret = new_signing_secret()
    old = [
        each if each.expires_at is not None else replace(each, expires_at=now + OVERLAP_MS)
        for each in row.secrets
        if each.expires_at is None or each.expires_at > now
    ]
    rotated = replace(row, secrets=(SigningSecret(secret=secret), *old))
    return _with_secret(await services.store.put_destination(rotated), secret)


@post("/destinations/{destination_id:str}/test", status_code=200, **call("config:write", 409))
async def try_destination(request: Asker, destination_id: Id) -> Trial:
    """Send one signed `gateway.test` event now, also to a paused destination; it is not retried and not in the log."""
    services = wired(request)
    return await attempt(services, await _find(services, destination_id))


async def _find(services: Services, destination_id: str) -> model.Destination:
    for row in await services.store.destinations():
        if row.id == destination_id:
            return row
    raise await absent(services.store, "destination", destination_id)


async def _free_name(services: Services, url: str) -> str:
    """Name a destination that nobody named after its host."""
    host = urlsplit(url).hostname or url
    return free_name(host, {each.name for each in await services.store.destinations()})


async def _check(services: Services, row: model.Destination) -> None:
    """See that a destination can be delivered to, and names what exists. Raises Invalid."""
    expand(row.types)
    try:
        services.egress.check_url(row.url)
        check_headers(row.headers)
    except EgressRefused as error:
        raise Invalid("url", str(error)) from None
    except ConfigurationError as error:
        raise Invalid("headers", str(error).removeprefix("headers: ")) from None
    _check_known("providers", row.providers, set(services.providers))
    if row.connections is not None:
        _check_known("connections", row.connections, {c.id for c in await services.store.connections()})


def _check_known(name: str, given: tuple[str, ...] | None, known: set[str]) -> None:
    for position, each in enumerate(given or ()):
        if each not in known:
            raise Invalid(f"{name}[{position}]", "there is none of this name")


def _fields(row: model.Destination) -> dict[str, Any]:
    shown = {name: getattr(row, name) for name in DestinationView.__struct_fields__}
    return {**shown, "headers": dict.fromkeys(row.headers, HIDDEN), "created_at": moment(row.created_at)}


def _view(row: model.Destination) -> DestinationView:
    return DestinationView(**_fields(row))


def _with_secret(row: model.Destination, secret: str) -> DestinationWithSecret:
    return DestinationWithSecret(**_fields(row), secret=secret)


HANDLERS: list[Any] = [
    list_destinations,
    create_destination,
    show_destination,
    change_destination,
    delete_destination,
    pause_destination,
    resume_destination,
    rotate_secret,
    try_destination,
]

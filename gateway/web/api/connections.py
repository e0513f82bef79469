"""/v1/connections: the accounts at providers that are listened to."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.di import NamedDependency
from msgspec import UNSET, Meta, Struct, UnsetType

from gateway.registration.reconcile import unaskable
from gateway.registration.rotate import GRACE_MS
from gateway.registration.rules import ConnectionChange, ConnectRequest
from gateway.registration.steps import instructions
from gateway.store import model
from gateway.store.model import ConnectionStatus
from gateway.web.api import latest_call
from gateway.web.api.calls import call
from gateway.web.api.pages import Page, Paging, Time, moment, of_all, perhaps
from gateway.web.api.reading import Asker, Id, wired
from gateway.web.auth import holds
from gateway.web.damaged import absent, all_connections
from gateway.web.problems import missing
from gateway.web.services import Services

HIDDEN = "***"


class Disconnecting(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to disconnect."""

    force: Annotated[
        bool, Meta(description="forget it even if the provider cannot be asked, and leave its webhook there")
    ] = False


class RemoteView(Struct, frozen=True, kw_only=True):
    """The webhook at the provider, as last seen."""

    id: str
    url: str
    events: tuple[str, ...]
    checked_at: Time


class ReplacedView(Struct, frozen=True, kw_only=True):
    """A secret or a URL of the connection's own that has a successor. `retires_at`: accepted until then, if known."""

    kind: Literal["secret", "inbound_url"]
    since: Time
    retires_at: Time | None


class ConnectionView(Struct, frozen=True, kw_only=True):
    """A connection. Tokens in URLs are shown to keys with the scope config:write.

    `verification`: how its calls are proven. `cannot_catch_up`: why nobody can be asked for what was missed; null:
    somebody can, see `/reconcile`. `silent`: no call for longer than is usual. `problem`: what the latest
    look at the provider found, in words. `missed_since`: events may be missing from then on, until that is looked up.
    `signing_secret` is there once: in the answer that tells of its making.
    """

    id: str
    provider: str
    name: str
    status: ConnectionStatus
    problem: str | None
    silent: bool
    verification: Literal["signature", "token"]
    inbound_url: str
    account: str | None
    settings: dict[str, Any]
    remote: RemoteView | None
    instructions: str | None
    replaced: tuple[ReplacedView, ...]
    missed_since: Time | None
    cannot_catch_up: str | None
    last_received_at: Time | None
    rejected: int
    last_rejected_at: Time | None
    created_at: Time
    signing_secret: str | UnsetType = UNSET


@get("/connections", **call("config:read"))
async def list_connections(request: Asker, asked: NamedDependency[Paging]) -> Page[ConnectionView]:
    """List the connections."""
    services = wired(request)
    rows = await all_connections(services.store)
    heard = await services.store.activity()
    whole = holds(request.auth, "config:write")
    return of_all([_view(services, row, heard, whole=whole) for row in rows], asked, lambda row: row.id)


@post("/connections", **call("config:write", 409, 502))
async def connect(request: Asker, given: NamedDependency[ConnectRequest]) -> ConnectionView:
    """Connect an account at a provider.

    The webhook is made through the provider's API where there is one, unless `register` is false; elsewhere
    `instructions` says what to paste and tick. 502: the provider refused; its words are in `detail`, and no
    connection remains.
    """
    services = wired(request)
    made = await services.registrar.connect(given)
    return _view(services, made.connection, {}, whole=True, signing_secret=made.generated)


@get("/connections/{connection_id:str}", **call("config:read"))
async def show_connection(request: Asker, connection_id: Id) -> ConnectionView:
    """Show one connection."""
    services = wired(request)
    return await shown(services, connection_id, whole=holds(request.auth, "config:write"))


@patch("/connections/{connection_id:str}", **call("config:write", 409))
async def change_connection(
    request: Asker, connection_id: Id, given: NamedDependency[ConnectionChange]
) -> ConnectionView:
    """Change name, credentials, and what needs no new webhook.

    New credentials are tried at the provider before this answers: `broken`, with its words in `problem`, if it refuses
    them. 409: it does need one, or the latest call is not signed as is said here for the first time.
    """
    services = wired(request)
    await latest_call.check(services, connection_id, given)
    if await services.registrar.change(connection_id, given) is None:
        raise await absent(services.store, "connection", connection_id)
    return await shown(services, connection_id, whole=True)


@delete("/connections/{connection_id:str}", status_code=204, **call("config:write", 202, 409))
async def disconnect(request: Asker, connection_id: Id, asked: NamedDependency[Disconnecting]) -> Response[None]:
    """Disconnect: its calls are refused at once, and its webhook at the provider is deleted.

    204: all of it is gone. 202: the provider could not be asked; the connection is `removing` until that is done. With
    `force` it is forgotten then: its webhook stays at the provider, to be deleted there by hand.
    """
    services = wired(request)
    gone = await services.registrar.disconnect(connection_id, force=asked.force)
    if gone is None and not await services.store.remove_connection(connection_id):  # one that cannot be opened
        raise missing("connection")
    return Response(None, status_code=202 if gone is False else 204)


async def shown(services: Services, connection_id: str, *, whole: bool) -> ConnectionView:
    """Show the connection of an id. Raises Refusal when there is none."""
    for row in await all_connections(services.store):
        if row.id == connection_id:
            return _view(services, row, await services.store.activity(), whole=whole)
    raise missing("connection")


def _view(
    services: Services,
    row: model.Connection,
    heard: Mapping[str, int],
    *,
    whole: bool,
    signing_secret: str | None = None,
) -> ConnectionView:
    fields = described(services, row, heard, whole=whole)
    return ConnectionView(**fields, signing_secret=signing_secret or UNSET)


def is_silent(row: model.Connection, heard_at: int | None) -> bool:
    """Say whether a connection was found silent, and was not heard of since."""
    return row.silent_since is not None and heard_at == row.silent_since


def described(services: Services, row: model.Connection, heard: Mapping[str, int], *, whole: bool) -> dict[str, Any]:
    """Describe a connection, for the views that show one. `whole`: with its tokens."""
    url = services.inboxes.url_of(row)
    shown = url if whole else _hidden(url)
    rejected, last_rejected_at = services.refusals.of(row.id)  # since the row was written
    return {
        "id": row.id,
        "provider": row.provider,
        "name": row.name,
        "status": row.status,
        "problem": row.problem,
        "silent": is_silent(row, heard.get(row.id)),
        "verification": "signature" if row.secrets else "token",
        "inbound_url": shown,
        "account": row.account,
        "settings": _settings(services, row),
        "remote": _remote(services, row, whole=whole),
        "instructions": _instructions(services, row, shown),
        "replaced": tuple(map(_replaced, row.replaced)),
        "missed_since": perhaps(row.missed_since),
        "cannot_catch_up": unaskable(services.inboxes.candidate(row.id)),
        "last_received_at": perhaps(heard.get(row.id)),
        "rejected": row.rejected + rejected,
        "last_rejected_at": last_rejected_at or perhaps(row.last_rejected_at),
        "created_at": moment(row.created_at),
    }


def _replaced(old: model.Replaced) -> ReplacedView:
    kind: Literal["secret", "inbound_url"] = "secret" if old.kind == "secret" else "inbound_url"
    retires_at = None if old.free_at is None else moment(old.free_at + GRACE_MS)
    return ReplacedView(kind=kind, since=moment(old.since), retires_at=retires_at)


def _hidden(url: str) -> str:
    """Put `***` in place of the token, the last part of an inbound URL."""
    return url.rpartition("/")[0] + "/" + HIDDEN


def _settings(services: Services, row: model.Connection) -> dict[str, Any]:
    """Show the settings as they are in force, defaults filled in; as they lie there when the plugin is gone."""
    provider = services.providers.get(row.provider)
    if provider is None:
        return row.settings
    settings: dict[str, Any] = msgspec.to_builtins(msgspec.convert(row.settings, provider.settings))
    return settings


def _remote(services: Services, row: model.Connection, *, whole: bool) -> RemoteView | None:
    if row.remote is None:
        return None
    url = row.remote.url if whole else _hidden(row.remote.url)
    checked_at = max(row.remote.checked_at, services.registrar.repairs.checked.get(row.id, 0))
    return RemoteView(id=row.remote.id, url=url, events=row.remote.events, checked_at=moment(checked_at))


def _instructions(services: Services, row: model.Connection, url: str) -> str | None:
    provider = services.providers.get(row.provider)
    return None if provider is None else instructions(provider, row, url)


HANDLERS: list[Any] = [list_connections, connect, show_connection, change_connection, disconnect]

"""/connections: connect a provider step by step, see how it goes, put it right, let go of it."""

from collections.abc import Mapping
from typing import Any

from litestar import Response, get, post

from gateway.contract.provider import ByHand, Provider
from gateway.contract.signatures import Hmac
from gateway.registration.rules import ConnectionChange, ConnectRequest, scheme_of
from gateway.store.model import Connection
from gateway.web import damaged
from gateway.web.api import catching_up, latest_call, providers
from gateway.web.api import connections as api
from gateway.web.api.pages import Page, Paging
from gateway.web.api.reading import Asker, Id, wired
from gateway.web.api.repairs import CheckedView
from gateway.web.dashboard import inputs, signing
from gateway.web.dashboard.calls import REFUSALS, act, ask
from gateway.web.dashboard.forms import Form, form_of, made
from gateway.web.dashboard.inputs import Input
from gateway.web.dashboard.overview import all_connections
from gateway.web.dashboard.pages import elsewhere, page, session_of
from gateway.web.problems import missing

NAME = Input(name="name", label="Name", kind="text", hint="What it is called on these pages.")
SECRET = Input(
    name="signing_secret",
    label="Signing secret",
    kind="secret",
    hint="What the provider signs its calls with. Left empty, one is made where the provider takes it from us.",
)


@get("/connections", include_in_schema=False)
async def list_connections(request: Asker) -> Response[bytes]:
    """List the connections."""
    found = await all_connections(request)
    return await page(request, "connections.html", found=found, titles=_titles(request))


@get("/connections/new", include_in_schema=False)
async def choose_provider(request: Asker) -> Response[bytes]:
    """Step one: which provider."""
    return await page(request, "connect.html", providers=(await _providers(request)).values())


@get("/connections/new/{name:str}", include_in_schema=False)
async def ask_for_connection(request: Asker, name: Id) -> Response[bytes]:
    """Step two: what is needed to connect it."""
    return await _form(request, name)


@post("/connections/new/{name:str}", include_in_schema=False)
async def connect(request: Asker, name: Id) -> Response[Any]:
    """Connect it, and go to step three: what is left to do, and what is shown once."""
    form, provider, view = form_of(request), _plugin(request, name), await _view(request, name)
    try:
        given = made(ConnectRequest, {"provider": name, **_said(form, provider, view), **_ways(form)})
        connected: api.ConnectionView = await ask(request, api.connect, given=given)
    except REFUSALS as error:
        return await _form(request, name, form, error)
    secret = connected.signing_secret if isinstance(connected.signing_secret, str) else None
    told = f"{connected.name} is connected."
    if secret:
        told += (
            " This signing secret was made for it; the provider has it already if it was registered through its API."
        )
    session_of(request).tell(told, secret=secret)
    return elsewhere(f"/connections/{connected.id}")


@get("/connections/{connection_id:str}", include_in_schema=False)
async def show_connection(request: Asker, connection_id: Id) -> Response[bytes]:
    """Show one connection, and what can be done with it."""
    return await shown(request, connection_id)


@post("/connections/{connection_id:str}", include_in_schema=False)
async def change_connection(request: Asker, connection_id: Id) -> Response[Any]:
    """Change its name, credentials and settings; a credential left empty stays."""
    form = form_of(request)
    view: api.ConnectionView = await ask(request, api.show_connection, connection_id)
    try:
        given = _said(form, _plugin(request, view.provider), await _view(request, view.provider))
        change = {name: value for name, value in given.items() if value and name != "settings"}
        settings = {name: given["settings"].get(name) for name in view.settings}
        if settings != _stated(view.settings, await _view(request, view.provider)):
            change["settings"] = settings
        await ask(request, api.change_connection, connection_id, given=made(ConnectionChange, change))
    except REFUSALS as error:
        return await shown(request, connection_id, form, error)
    session_of(request).tell("It was changed.")
    return elsewhere(f"/connections/{connection_id}")


@post("/connections/{connection_id:str}/remove", include_in_schema=False)
async def disconnect(request: Asker, connection_id: Id) -> Response[Any]:
    """Let go of it, and of its webhook at the provider."""
    asked = api.Disconnecting(force=form_of(request).has("force"))
    return await act(request, "/connections", _gone, api.disconnect, connection_id, asked=asked)


async def shown(
    request: Asker,
    connection_id: str,
    form: Form | None = None,
    error: Exception | None = None,
    looked: CheckedView | None = None,
) -> Response[bytes]:
    """Show a connection; `looked`: with what was just found at its provider."""
    services = wired(request)
    view: api.ConnectionView = await ask(request, api.show_connection, connection_id)
    provider = services.providers.get(view.provider)
    row = next((each for each in await damaged.all_connections(services.store) if each.id == connection_id), None)
    if row is None:
        raise missing("connection")
    fields = [] if provider is None else await _change_fields(request, provider, view, form, error)
    return await page(
        request,
        "connection.html",
        view=view,
        title=provider.title if provider else f"{view.provider} (its plugin is not installed)",
        docs=provider.docs if provider else None,
        looked=looked,
        newest=await ask(request, latest_call.show_latest_call, connection_id) if row.provider else None,
        look=None if view.cannot_catch_up else await ask(request, catching_up.show_look, connection_id),
        own_url=row.token is not None,
        signed=_signed(provider, row),
        credentials=sorted(row.credentials),
        by_hand=provider is not None and isinstance(provider.webhooks, ByHand),
        fields=fields,
        **inputs.outcome(fields, error),
        events=await services.store.overview.events(connection=connection_id, limit=5),
    )


async def _change_fields(
    request: Asker, provider: Provider, view: api.ConnectionView, form: Form | None, error: Exception | None
) -> list[Input]:
    declared = await _view(request, provider.name)
    fields = [NAME, *inputs.credentials(declared), *inputs.settings(provider, declared)]
    if form is not None:
        return inputs.marked(fields, form, error)
    now: Mapping[str, Any] = {"name": view.name, **{f"settings.{key}": value for key, value in view.settings.items()}}
    return inputs.filled(fields, now)


async def _form(request: Asker, name: str, form: Form | None = None, error: Exception | None = None) -> Response[bytes]:
    provider, view = _plugin(request, name), await _view(request, name)
    signs = isinstance(provider.signature, Hmac)
    groups = {
        "basic": [NAME, *inputs.credentials(view)],
        "secret": [SECRET],
        "settings": inputs.settings(provider, view),
    }
    fields = [each for group in groups.values() for each in group]
    if form is not None:
        groups = {key: inputs.marked(group, form, error) for key, group in groups.items()}
    return await page(
        request,
        "connect_form.html",
        provider=view,
        groups=groups,
        signs=signs,
        ticked=set() if form is None else {name for name in ("unsigned", "own_url", "by_hand") if form.has(name)},
        **inputs.outcome(fields, error),
    )


def _said(form: Form, provider: Provider, view: providers.ProviderView) -> dict[str, Any]:
    """Read name, credentials and settings out of a form, as the API takes them. Raises Invalid."""
    return {
        "name": form.one("name"),
        "credentials": inputs.said(form, inputs.credentials(view), "credentials."),
        "settings": inputs.said(form, inputs.settings(provider, view), "settings."),
    }


def _stated(settings: Mapping[str, Any], view: providers.ProviderView) -> dict[str, Any]:
    """Leave out of the settings in force what is only so because nobody said otherwise."""
    defaults = {field.name: field.default for field in view.settings}
    return {name: None if value == defaults.get(name) else _without_null(value) for name, value in settings.items()}


def _without_null(value: Any) -> Any:
    return {name: part for name, part in value.items() if part is not None} if isinstance(value, dict) else value


def _signed(provider: Provider | None, row: Connection) -> str | None:
    """Say how its calls are signed, if they are and its plugin can say."""
    scheme = scheme_of(provider, row) if provider is not None and row.secrets else None
    return signing.told(scheme) if isinstance(scheme, Hmac) else None


def _ways(form: Form) -> dict[str, Any]:
    """Read how it is to be connected."""
    return {
        "signing_secret": form.one("signing_secret"),
        "unsigned": form.has("unsigned"),
        "own_url": form.has("own_url"),
        "register": not form.has("by_hand"),
    }


def _plugin(request: Asker, name: str) -> Provider:
    provider = wired(request).providers.get(name)
    if provider is None:
        raise missing("provider, or its plugin is not installed")
    return provider


async def _view(request: Asker, name: str) -> providers.ProviderView:
    found = (await _providers(request)).get(name)
    if found is None:
        raise missing("provider, or its plugin is not installed")
    return found


async def _providers(request: Asker) -> dict[str, providers.ProviderView]:
    found: Page[providers.ProviderView] = await ask(request, providers.list_providers, asked=Paging(limit=500))
    return {view.name: view for view in found.items}


def _titles(request: Asker) -> dict[str, str]:
    return {name: provider.title for name, provider in wired(request).providers.items()}


def _gone(answer: Response[None]) -> str:
    if answer.status_code == 204:  # noqa: PLR2004 -- as the call says
        return "It is disconnected, and its webhook at the provider is gone."
    return (
        "Its calls are refused from now on. The provider could not be asked to delete its webhook: that is tried again."
    )


HANDLERS: list[Any] = [
    list_connections,
    choose_provider,
    ask_for_connection,
    connect,
    show_connection,
    change_connection,
    disconnect,
]

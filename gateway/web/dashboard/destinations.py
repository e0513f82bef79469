"""/destinations: who gets the events; add one, try it, pause it, give it a new secret, let go of it."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Response, get, post

from gateway.registration.rules import Invalid
from gateway.web.api import destinations as api
from gateway.web.api.reading import Asker, Id, wired
from gateway.web.api.trial import Trial
from gateway.web.damaged import all_destinations
from gateway.web.dashboard import inputs
from gateway.web.dashboard.calls import REFUSALS, act, ask, turned_down
from gateway.web.dashboard.forms import Form, form_of, made
from gateway.web.dashboard.inputs import Input
from gateway.web.dashboard.overview import RANGES, flow_of, rows
from gateway.web.dashboard.pages import elsewhere, page, session_of
from gateway.web.problems import missing
from gateway.web.services import Services

FIELDS = (
    Input(name="url", label="URL", kind="text", required=True, hint="Where each event is sent to, as a POST."),
    Input(name="name", label="Name", kind="text", hint="What it is called on these pages."),
    Input(
        name="types",
        label="Event types",
        kind="text",
        default="*",
        hint="Exact, booking.* or * for all that providers cause; several with commas between. "
        "The gateway's own, gateway.*, are asked for by name.",
    ),
)
MORE = (
    Input(
        name="headers",
        label="Headers",
        kind="lines",
        hint="Sent with each delivery, one a line: Name: value. Values are never shown again; *** keeps one.",
    ),
    Input(
        name="format",
        label="Format",
        kind="choice",
        options=("standard", "cloudevents"),
        default="standard",
        hint="The event as it is, or wrapped as a CloudEvents 1.0 event.",
    ),
    Input(
        name="profile",
        label="Profile",
        kind="choice",
        options=("full", "thin"),
        default="full",
        hint="All of it, or without what is about a person.",
    ),
    Input(name="rate", label="Rate", kind="number", hint="At most so many requests a second; empty is no limit."),
)


@get("/destinations", include_in_schema=False)
async def list_destinations(request: Asker) -> Response[bytes]:
    """List the destinations, and how each takes what it gets."""
    services = wired(request)
    return await page(request, "destinations.html", rows=await _rows(services), chosen=RANGES["hour"])


@get("/destinations/new", include_in_schema=False)
async def ask_for_destination(request: Asker) -> Response[bytes]:
    """Ask what is needed to add one."""
    return await _form(request)


@post("/destinations/new", include_in_schema=False)
async def add_destination(request: Asker) -> Response[Any]:
    """Add one, and show its secret once."""
    form = form_of(request)
    try:
        given = made(api.NewDestination, _said(form, await _fields(request)))
        added: api.DestinationWithSecret = await ask(request, api.create_destination, given=given)
    except REFUSALS as error:
        return await _form(request, form, error)
    told = f"{added.name} is added. Its signing secret, with which it verifies what it gets:"
    session_of(request).tell(told, secret=added.secret)
    return elsewhere(f"/destinations/{added.id}")


@get("/destinations/{destination_id:str}", include_in_schema=False)
async def show_destination(request: Asker, destination_id: Id) -> Response[bytes]:
    """Show one destination, and what can be done with it."""
    return await _shown(request, destination_id)


@post("/destinations/{destination_id:str}", include_in_schema=False)
async def change_destination(request: Asker, destination_id: Id) -> Response[Any]:
    """Change what it gets and how."""
    form, here = form_of(request), f"/destinations/{destination_id}"
    try:
        fields = await _fields(request)
        said = {**_left_out(fields), **_said(form, fields)}
        await ask(request, api.change_destination, destination_id, given=_change(said))
    except REFUSALS as error:
        return await _shown(request, destination_id, form, error)
    session_of(request).tell("It was changed.")
    return elsewhere(here)


@post("/destinations/{destination_id:str}/test", include_in_schema=False)
async def try_destination(request: Asker, destination_id: Id) -> Response[Any]:
    """Send one test event now, and tell what came back."""
    session, here = session_of(request), f"/destinations/{destination_id}"
    try:
        trial: Trial = await ask(request, api.try_destination, destination_id)
    except REFUSALS as error:
        return turned_down(request, here, error)
    if trial.delivered:
        session.tell(f"The test event was taken: HTTP {trial.status}, after {trial.duration_ms} ms.")
    else:
        session.tell(f"The test event was not taken: {trial.error or f'HTTP {trial.status}'}.", kind="failed")
    return elsewhere(here)


@post("/destinations/{destination_id:str}/pause", include_in_schema=False)
async def pause_destination(request: Asker, destination_id: Id) -> Response[Any]:
    """Send nothing for now."""
    done = "It is paused: what happens meanwhile waits."
    return await act(request, f"/destinations/{destination_id}", done, api.pause_destination, destination_id)


@post("/destinations/{destination_id:str}/resume", include_in_schema=False)
async def resume_destination(request: Asker, destination_id: Id) -> Response[Any]:
    """Send again."""
    done = "It is resumed: what waits is sent first."
    return await act(request, f"/destinations/{destination_id}", done, api.resume_destination, destination_id)


@post("/destinations/{destination_id:str}/rotate-secret", include_in_schema=False)
async def rotate_secret(request: Asker, destination_id: Id) -> Response[Any]:
    """Give it a new secret, and show that once."""
    session, here = session_of(request), f"/destinations/{destination_id}"
    try:
        rotated: api.DestinationWithSecret = await ask(request, api.rotate_secret, destination_id)
    except REFUSALS as error:
        return turned_down(request, here, error)
    session.tell("Its new signing secret. The old one keeps signing beside it for 24 hours:", secret=rotated.secret)
    return elsewhere(here)


@post("/destinations/{destination_id:str}/remove", include_in_schema=False)
async def remove_destination(request: Asker, destination_id: Id) -> Response[Any]:
    """Let go of it."""
    done = "It is removed, and what waited for it is skipped."
    return await act(request, "/destinations", done, api.delete_destination, destination_id)


async def _form(request: Asker, form: Form | None = None, error: Exception | None = None) -> Response[bytes]:
    fields = await _fields(request)
    shown = fields if form is None else inputs.marked(fields, form, error)
    return await page(
        request,
        "destination_form.html",
        first=shown[: len(FIELDS)],
        more=shown[len(FIELDS) :],
        **inputs.outcome(fields, error),
    )


async def _shown(
    request: Asker, destination_id: str, form: Form | None = None, error: Exception | None = None
) -> Response[bytes]:
    services = wired(request)
    view: api.DestinationView = await ask(request, api.show_destination, destination_id)
    row = next((each for each in await _rows(services) if each.destination.id == destination_id), None)
    if row is None:
        raise missing("destination")
    fields = await _fields(request)
    return await page(
        request,
        "destination.html",
        view=view,
        row=row,
        connections={each.id: each.name for each in await services.store.connections()},
        latest=await services.store.overview.deliveries(destination=destination_id, limit=10),
        fields=inputs.filled(fields, _now(view)) if form is None else inputs.marked(fields, form, error),
        **inputs.outcome(fields, error),
    )


async def _rows(services: Services) -> list[Any]:
    flow = await flow_of(services, services.store.now(), RANGES["hour"])
    counts, queues = await services.store.counts(), await services.store.overview.queues()
    return rows(await all_destinations(services.store), counts.deliveries, flow, queues.next_try)


async def _fields(request: Asker) -> list[Input]:
    """List the fields, with the providers and connections there are."""
    services = wired(request)
    narrow = [
        Input(
            name=name,
            label=label,
            kind="list",
            options=tuple(options),
            titles=options,
            hint="All of them ticked: those that come later as well.",
        )
        for name, label, options in (
            ("providers", "From providers", {name: each.title for name, each in services.providers.items()}),
            ("connections", "From connections", {each.id: each.name for each in await services.store.connections()}),
        )
        if options
    ]
    return [*FIELDS, *narrow, *MORE]


def _said(form: Form, fields: list[Input]) -> dict[str, Any]:
    """Read a form as the API takes it. Raises Invalid."""
    said = inputs.said(form, fields, "")
    if "types" in said:
        said["types"] = [part.strip() for part in said["types"].split(",") if part.strip()]
    if "headers" in said:
        said["headers"] = _headers(said["headers"])
    return said


def _headers(text: str) -> dict[str, str]:
    """Read headers, one a line. Raises Invalid."""
    found = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if not colon:
            raise Invalid("headers", "one a line, as Name: value")
        found[name.strip()] = value.strip()
    return found


def _left_out(fields: list[Input]) -> dict[str, Any]:
    """Say what a field that is left empty means when something is changed."""
    empty: dict[str, Any] = {"types": ["*"], "headers": {}, "rate": None, "providers": None, "connections": None}
    defaults = {each.name: each.default for each in fields if each.kind == "choice"}
    return {**{name: value for name, value in empty.items() if any(each.name == name for each in fields)}, **defaults}


def _change(said: Mapping[str, Any]) -> api.DestinationChange:
    """Make a change; here null says something. Raises Invalid."""
    try:
        return msgspec.convert(said, api.DestinationChange)
    except msgspec.ValidationError as error:
        raise Invalid.of(error, api.DestinationChange) from None


def _now(view: api.DestinationView) -> dict[str, Any]:
    """Say what each field holds now."""
    return {
        "url": view.url,
        "name": view.name,
        "types": ", ".join(view.types),
        "providers": view.providers,
        "connections": view.connections,
        "headers": "\n".join(f"{name}: {value}" for name, value in view.headers.items()) or None,
        "format": view.format,
        "profile": view.profile,
        "rate": view.rate,
    }


HANDLERS: list[Any] = [
    list_destinations,
    ask_for_destination,
    add_destination,
    show_destination,
    change_destination,
    try_destination,
    pause_destination,
    resume_destination,
    rotate_secret,
    remove_destination,
]

"""/connections/{id}/...: compare a connection with its provider, put it right, renew its secret, catch up."""

from typing import Any

from litestar import Response, post

from gateway.registration.rotate import RotateRequest
from gateway.web.api import catching_up as catching
from gateway.web.api import repairs as api
from gateway.web.api.reading import Asker, Id
from gateway.web.dashboard.calls import REFUSALS, act, ask, turned_down
from gateway.web.dashboard.connections import shown
from gateway.web.dashboard.forms import form_of, made, moment
from gateway.web.dashboard.pages import elsewhere, session_of
from gateway.web.dashboard.words import counted


@post("/connections/{connection_id:str}/check", status_code=200, include_in_schema=False)
async def check_connection(request: Asker, connection_id: Id) -> Response[Any]:
    """Look at the provider, and show what would be done there."""
    try:
        looked: api.CheckedView = await ask(request, api.check_connection, connection_id)
    except REFUSALS as error:
        return _told(request, connection_id, error)
    return await shown(request, connection_id, looked=looked)


@post("/connections/{connection_id:str}/repair", include_in_schema=False)
async def repair_connection(request: Asker, connection_id: Id) -> Response[Any]:
    """Put it right."""
    try:
        given = made(api.RepairRequest, {"decision": form_of(request).one("decision")})
        looked: api.CheckedView = await ask(request, api.repair_connection, connection_id, given=given)
    except REFUSALS as error:
        return _told(request, connection_id, error)
    session_of(request).tell(" ".join(looked.done) or "There was nothing to put right.")
    return elsewhere(f"/connections/{connection_id}")


@post("/connections/{connection_id:str}/rotate", include_in_schema=False)
async def rotate_connection(request: Asker, connection_id: Id) -> Response[Any]:
    """Renew its signing secret or its own URL, and show a secret that was made once."""
    form = form_of(request)
    try:
        said = {"signing_secret": form.one("signing_secret"), "inbound_url": form.has("inbound_url")}
        given = made(RotateRequest, {**said, "finish": form.has("finish")})
        rotated: api.CheckedView = await ask(request, api.rotate_connection, connection_id, given=given)
    except REFUSALS as error:
        return _told(request, connection_id, error)
    secret = rotated.signing_secret if isinstance(rotated.signing_secret, str) else None
    session_of(request).tell(" ".join(rotated.done) or "It was renewed.", secret=secret)
    return elsewhere(f"/connections/{connection_id}")


@post("/connections/{connection_id:str}/reconcile", include_in_schema=False)
async def reconcile(request: Asker, connection_id: Id) -> Response[Any]:
    """Ask the provider for what its calls did not tell."""
    try:
        since = moment(form_of(request).one("since"), "since")
    except REFUSALS as error:
        return _told(request, connection_id, error)
    given = None if since is None else catching.ReconcileRequest(since=since)
    return await act(
        request, f"/connections/{connection_id}", _caught_up, catching.reconcile, connection_id, given=given
    )


def _told(request: Asker, connection_id: str, error: Exception) -> Response[bytes]:
    return turned_down(request, f"/connections/{connection_id}", error)


def _caught_up(answer: Response[catching.LookView]) -> str:
    look = answer.content
    if look.status != "done":
        so_far = counted(look.seen, "booking")
        return f"The provider is being asked: {so_far} so far. It goes on by itself; look again in a moment."
    found = f"{counted(look.missed, 'event was missing and is', 'events were missing and are')} told now"
    looked = counted(look.seen, "booking was", "bookings were")
    return f"{looked} looked at: {found if look.missed else 'nothing was missing'}."


HANDLERS: list[Any] = [check_connection, repair_connection, rotate_connection, reconcile]

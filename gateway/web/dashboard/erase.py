"""/erase: remove a person, or a booking, from all that is kept: see what that would be, confirm, see the end."""

from typing import Any

from litestar import Response, get, post

from gateway.registration.rules import Invalid
from gateway.store.erasing import Whom
from gateway.web.api import erase as api
from gateway.web.api.reading import Asker, Id, wired
from gateway.web.dashboard.calls import REFUSALS, ask, why
from gateway.web.dashboard.forms import form_of, made
from gateway.web.dashboard.names import Names
from gateway.web.dashboard.pages import elsewhere, page

LOOK_SECONDS = 5.0
"""How long is looked for what would go; the page then says how much that was so far."""
MOST_NAMESAKES = 20


@get("/erase", include_in_schema=False)
async def ask_whom(request: Asker) -> Response[bytes]:
    """Ask whom to erase."""
    return await _asked(request)


@post("/erase/look", status_code=200, include_in_schema=False)
async def look_before(request: Asker) -> Response[bytes]:
    """Show what would be removed, and ask whether to. An address is in no URL: it would stay in logs and histories."""
    services, form = wired(request), form_of(request)
    try:
        said = made(api.Erase, {"email": form.one("email"), "booking": form.one("booking")})
        whom = api.whom_of(said)
        keys = await _keys(request, whom)
    except REFUSALS as error:
        return await _asked(request, error)
    if len(keys) > 1:
        return await page(request, "erase_which.html", keys=keys, names=await Names.read(services))
    whom = Whom(booking=keys[0]) if keys else whom
    foreseen = await services.store.erasing.foresee(whom, LOOK_SECONDS)
    return await page(request, "erase_look.html", whom=whom, key=whom.booking or None, foreseen=foreseen)


@post("/erase", include_in_schema=False)
async def erase(request: Asker) -> Response[Any]:
    """Remove them, and go to where it is said how far that is."""
    form = form_of(request)
    try:
        given = made(api.Erase, {"email": form.one("email"), "booking": form.one("booking")})
        erased: api.Erased = await ask(request, api.erase, given=given)
    except REFUSALS as error:
        return await _asked(request, error)
    return elsewhere(f"/erase/{erased.id}")


@get("/erase/{erasure_id:str}", include_in_schema=False)
async def show_erasure(request: Asker, erasure_id: Id) -> Response[bytes]:
    """Say how far an erasure is, and what went."""
    return await page(request, "erased.html", erased=await ask(request, api.show_erasure, erasure_id))


async def _asked(request: Asker, error: Exception | None = None) -> Response[bytes]:
    field = error.field if isinstance(error, Invalid) else None
    told = None if error is None else error.message if isinstance(error, Invalid) else why(error)
    return await page(request, "erase.html", code=200 if error is None else 400, field=field, error=told)


async def _keys(request: Asker, whom: Whom) -> list[str]:
    """Find the keys of a booking of which somebody gave the key or the provider's id. Raises Invalid."""
    if not whom.booking:
        return []
    if whom.connection is not None:
        return [whom.booking]
    possible = (await Names.read(wired(request))).keys(whom.booking)
    found = [key for key in possible if await wired(request).store.overview.events(bookings=(key,), limit=1)]
    if not found:
        raise Invalid("booking", "no event is kept of a booking with this id; give its key to look at calls too")
    return found[:MOST_NAMESAKES]


HANDLERS: list[Any] = [ask_whom, look_before, erase, show_erasure]

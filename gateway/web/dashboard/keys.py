"""/keys: who may ask for what."""

from typing import Any

from litestar import Response, get, post

from gateway.web.api import keys as api
from gateway.web.api.pages import Page, Paging
from gateway.web.api.reading import Asker, Id
from gateway.web.auth import MEANINGS, SCOPES
from gateway.web.dashboard.calls import REFUSALS, act, ask, why
from gateway.web.dashboard.forms import form_of, made
from gateway.web.dashboard.pages import elsewhere, page, session_of


@get("/keys", include_in_schema=False)
async def list_keys(request: Asker) -> Response[bytes]:
    """List the keys, and offer to make one."""
    return await _listed(request)


@post("/keys", include_in_schema=False)
async def create_key(request: Asker) -> Response[Any]:
    """Make a key, and show it once."""
    form = form_of(request)
    try:
        given = made(api.NewKey, {"name": form.one("name"), "scopes": form.all("scopes")})
        key: api.MadeKey = await ask(request, api.create_key, given=given)
    except REFUSALS as error:
        return await _listed(request, error)
    session_of(request).tell(f"The key {key.name!r} was made.", secret=key.key)
    return elsewhere("/keys")


@post("/keys/{key_id:str}/revoke", include_in_schema=False)
async def revoke_key(request: Asker, key_id: Id) -> Response[Any]:
    """Revoke a key: whoever uses it is refused from now on."""
    return await act(request, "/keys", "The key was revoked.", api.revoke_key, key_id)


async def _listed(request: Asker, error: Exception | None = None) -> Response[bytes]:
    found: Page[api.KeyView] = await ask(request, api.list_keys, asked=Paging(limit=500))
    return await page(
        request,
        "keys.html",
        code=200 if error is None else 400,
        found=found.items,
        mine=request.auth.id,
        scopes=[(scope, MEANINGS[scope]) for scope in SCOPES],
        error=None if error is None else why(error),
    )


HANDLERS: list[Any] = [list_keys, create_key, revoke_key]

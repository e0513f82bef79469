"""/url: the one inbound URL, what becomes of older ones, and a new one."""

from typing import Any

from litestar import Response, get, post

from gateway.web.api import inbound as api
from gateway.web.api.reading import Asker, wired
from gateway.web.dashboard.calls import act, ask
from gateway.web.dashboard.forms import form_of
from gateway.web.dashboard.names import Names
from gateway.web.dashboard.pages import page

RENEWED = "The inbound URL is a new one. What is left to do stands below; the old one is accepted meanwhile."
ENDED = "Older URLs are not accepted any more."


@get("/url", include_in_schema=False)
async def show_url(request: Asker) -> Response[bytes]:
    """Show the URL, and what the older ones wait for."""
    services = wired(request)
    url: api.InboundUrl = await ask(request, api.show_url)
    names = await Names.read(services)
    shared = [row for row in names.connections.values() if row.token is None and row.status != "removing"]
    return await page(
        request,
        "url.html",
        url=url,
        names=names,
        moved=[row.name for row in shared if row.webhook_ids],
        pasted=[row.name for row in shared if not row.webhook_ids],
        given=services.inboxes.given,
    )


@post("/url/rotate", include_in_schema=False)
async def rotate_url(request: Asker) -> Response[Any]:
    """Give it a new token, or end the older ones."""
    finish = form_of(request).has("finish")
    given = api.UrlRotation(finish=finish)
    return await act(request, "/url", ENDED if finish else RENEWED, api.rotate_url, given=given)


HANDLERS: list[Any] = [show_url, rotate_url]

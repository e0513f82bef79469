"""/v1/url: the one inbound URL."""

from typing import Any

from litestar import get
from msgspec import Struct

from gateway.web.api.calls import call
from gateway.web.api.reading import Asker, wired


class InboundUrl(Struct, frozen=True):
    """Where providers send to."""

    inbound_url: str


@get("/url", **call("config:write"))
async def show_url(request: Asker) -> InboundUrl:
    """Show the one inbound URL. Whoever knows it can send as a provider that does not sign."""
    services = wired(request)
    return InboundUrl(services.inboxes.shared_url())


HANDLERS: list[Any] = [show_url]

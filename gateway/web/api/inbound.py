"""/v1/url: the one inbound URL, and a new token for it."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from msgspec import Struct

from gateway.registration.rotate import OlderToken
from gateway.web.api.calls import call
from gateway.web.api.pages import Time, moment, perhaps
from gateway.web.api.reading import Asker, wired
from gateway.web.services import Services


class OlderUrl(Struct, frozen=True, kw_only=True):
    """An inbound URL that has a successor and is still accepted.

    `waiting`: connections whose webhooks still call it, and are being moved. `by_hand`: connections where a person
    pastes the new one. `retires_at`: when it ends, null while that is open.
    """

    since: Time
    waiting: tuple[str, ...]
    by_hand: tuple[str, ...]
    last_called_at: Time | None
    retires_at: Time | None


class InboundUrl(Struct, frozen=True, kw_only=True):
    """Where providers send to. `older`: what it was before, newest first."""

    inbound_url: str
    older: tuple[OlderUrl, ...]


class UrlRotation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to rotate. `finish`: the new URL is in use everywhere, end the old ones now. `dry_run`: change nothing."""

    finish: bool = False
    dry_run: bool = False


@get("/url", **call("config:write"))
async def show_url(request: Asker) -> InboundUrl:
    """Show the one inbound URL. Whoever knows it can send as a provider that does not sign."""
    return await _url(wired(request))


@post("/url/rotate", status_code=200, **call("config:write", 409))
async def rotate_url(request: Asker, given: NamedDependency[UrlRotation | None]) -> InboundUrl:
    """Give the inbound URL a new token. The old one is accepted until every webhook has moved, and a day longer.

    Webhooks are moved one by one, without a gap; where they were made by hand, somebody pastes the new URL. 409: the
    tokens are set by GATEWAY_INBOUND_TOKENS, or (with `finish`) not everything has moved.
    """
    services, asked = wired(request), given or UrlRotation()
    if not asked.dry_run:
        rotation = services.registrar.rotation
        await (rotation.finish_url() if asked.finish else rotation.rotate_url())
        services.registrar.wake(None)
    return await _url(services)


async def _url(services: Services) -> InboundUrl:
    older = await services.registrar.rotation.older()
    return InboundUrl(inbound_url=services.inboxes.shared_url(), older=tuple(map(_older, older)))


def _older(old: OlderToken) -> OlderUrl:
    return OlderUrl(
        since=moment(old.since),
        waiting=old.waiting,
        by_hand=old.by_hand,
        last_called_at=perhaps(old.token.heard_at),
        retires_at=perhaps(old.retires_at),
    )


HANDLERS: list[Any] = [show_url, rotate_url]

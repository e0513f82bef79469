"""/v1/events: the log of what happened, oldest first."""

import asyncio
from typing import Annotated, Any

import structlog
from litestar import Response, get, post
from litestar.di import NamedDependency
from msgspec import Meta, Raw, Struct

from gateway.pipeline.normalize import unpack
from gateway.registration.rules import Invalid
from gateway.store.model import StoredEvent
from gateway.web.api.calls import call
from gateway.web.api.masking import masked
from gateway.web.api.pages import After, Limit
from gateway.web.api.reading import Asker, Id, wired
from gateway.web.api.types import Pattern, expand
from gateway.web.auth import holds
from gateway.web.problems import Refusal, missing
from gateway.web.services import Services

LOOK_AGAIN = 1.0
"""Seconds after which a long poll looks again, even if nobody told it that something was committed."""

Envelope = Annotated[Raw, Meta(title="Event", description="A canonical event.", extra_json_schema={"type": "object"})]
Wait = Annotated[float, Meta(ge=0, le=60, description="seconds to wait for the first event, if there is none yet")]

_log = structlog.get_logger(__name__)


class EventFilter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events. `after` is a cursor or an event id; `booking` is a booking's key."""

    after: After | None = None
    types: Annotated[tuple[Pattern, ...], Meta(max_length=50)] = ()
    provider: str | None = None
    connection: str | None = None
    booking: str | None = None
    limit: Limit = 50
    wait: Wait = 0.0


class EventPage(Struct, frozen=True):
    """Events. `next` is always a cursor, also at the end: what happens later comes after it."""

    items: tuple[Envelope, ...]
    next: str


class Exactly(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether masked values are wanted too."""

    exact: Annotated[bool, Meta(description="every byte as it came; needs the scope admin")] = False


class ReplayTo(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """To which destinations; all that subscribed when left out."""

    destinations: Annotated[tuple[str, ...], Meta(min_length=1, max_length=500)] | None = None


class Replayed(Struct, frozen=True):
    """The deliveries that were planned."""

    deliveries: list[str]


@get("/events", **call("events:read", 410))
async def list_events(request: Asker, asked: NamedDependency[EventFilter]) -> EventPage:
    """List events, oldest first.

    Begin without `after`, then go on with `next`. With `wait` an empty page is held back until something happens.
    410: what follows the cursor is not kept any more.
    """
    services = wired(request)
    after = await _position(services, asked.after)
    until = asyncio.get_running_loop().time() + asked.wait
    while True:
        page = await _page(services, after, asked)
        left = until - asyncio.get_running_loop().time()
        if page.items or left <= 0 or services.not_ready is not None:
            return page
        await services.store.changed(min(left, LOOK_AGAIN))


@get("/events/{event_id:str}", **call("events:read"))
async def show_event(request: Asker, event_id: Id) -> Envelope:
    """Show one event."""
    services = wired(request)
    return Raw((await _event(services, event_id)).body)


@get("/events/{event_id:str}/raw", media_type="application/octet-stream", **call("events:read", 410))
async def show_event_raw(request: Asker, event_id: Id, asked: NamedDependency[Exactly]) -> Response[bytes]:
    """Show the bytes of the call that an event came from.

    Values that act without a login are masked by as many `*`. `exact` shows them too, to keys with the scope admin.
    """
    services = wired(request)
    event = await _event(services, event_id)
    return await raw_answer(services, request, event.receipt, asked.exact)


@post("/events/{event_id:str}/replay", status_code=202, **call("events:replay"))
async def replay_event(request: Asker, event_id: Id, given: NamedDependency[ReplayTo | None]) -> Replayed:
    """Deliver an event again: the same `webhook-id`, the same bytes."""
    services = wired(request)
    to = given.destinations if given else None
    known = {destination.id for destination in await services.store.destinations()}
    for position, destination in enumerate(to or ()):
        if destination not in known:
            raise Invalid(f"destinations[{position}]", "no such destination")
    deliveries = await services.store.replay(event_id, to)
    if deliveries is None:
        raise missing("event")
    return Replayed(deliveries)


async def raw_answer(services: Services, request: Asker, receipt_id: str | None, exact: bool) -> Response[bytes]:
    """Answer with the bytes of a receipt, in a way that no browser takes for a page."""
    if exact and not holds(request.auth, "admin"):
        raise Refusal(403, "This key lacks the scope admin, which `exact` needs.")
    stored = await services.store.receipt(receipt_id) if receipt_id else None
    if stored is None or stored.inbound is None:
        raise Refusal(410, "The bytes are not kept any more.")
    inbound = unpack(stored, services.inboxes.by_id(stored.token).url)
    if exact:
        _log.info("exact_bytes_shown", key=request.auth.id, receipt=stored.id)
    body = inbound.body if exact else masked(inbound, await _hidden(services, stored.connection))
    headers = {"content-disposition": f'attachment; filename="{stored.id}"'}
    return Response(body, media_type="application/octet-stream", headers=headers)


async def _hidden(services: Services, connection_id: str | None) -> frozenset[str]:
    """Choose the keys to mask: those of the connection's plugin, and where that is not known those of all plugins."""
    rows = await services.store.connections() if connection_id else []
    name = next((row.provider for row in rows if row.id == connection_id), None)
    if name is not None and name in services.providers:
        return services.providers[name].masked
    return frozenset().union(*(provider.masked for provider in services.providers.values()))


async def _event(services: Services, event_id: str) -> StoredEvent:
    event = await services.store.event(event_id)
    if event is None:
        raise missing("event")
    return event


async def _position(services: Services, after: str | None) -> int:
    """Read a cursor: a number of ours, or the id of an event. Raises Refusal when what follows it is not kept."""
    if after is None:
        return 0
    if after.startswith("evt_"):
        event = await services.store.event(after)
        if event is None:
            raise Refusal(410, "This event is not kept, so it is not known what came after it. Begin without `after`.")
        return event.seq
    if not (after.isascii() and after.isdecimal() and len(after) <= 18):  # noqa: PLR2004 -- fits SQLite's integers
        raise Invalid("after", "neither a cursor of this list nor an event id")
    oldest, newest = await services.store.bounds()
    if int(after) > newest:
        raise Invalid(
            "after", "a cursor that this log has not reached: it is another gateway's, or of before a restore"
        )
    if int(after) + 1 < (oldest or newest + 1):
        raise Refusal(410, "What came after this cursor is not kept any more. Begin without `after`.")
    return int(after)


async def _page(services: Services, after: int, asked: EventFilter) -> EventPage:
    """Read a page. Where it is not full, everything committed before the read was looked at, and `next` says so."""
    _, newest = await services.store.bounds()
    events = await services.store.events(
        after=after,
        limit=asked.limit,
        types=() if "*" in asked.types else expand(asked.types),
        provider=asked.provider,
        connection=asked.connection,
        booking=asked.booking,
    )
    last = events[-1].seq if events else after
    reached = last if len(events) == asked.limit else max(last, newest)
    return EventPage(tuple(Raw(event.body) for event in events), str(reached))


HANDLERS: list[Any] = [list_events, show_event, show_event_raw, replay_event]

"""/v1/events: the log of what happened, oldest first."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from msgspec import Meta, Raw, Struct

from gateway.pipeline.normalize import unpack
from gateway.registration.rules import Invalid
from gateway.store.listing import PAGE_BYTES
from gateway.store.model import StoredEvent
from gateway.web.api.calls import call
from gateway.web.api.masking import masked
from gateway.web.api.pages import After, Limit
from gateway.web.api.reading import Asker, Id, wired
from gateway.web.api.types import Pattern, expand
from gateway.web.auth import Standing, holds
from gateway.web.problems import Refusal, missing
from gateway.web.services import Services

LOOK_AGAIN = 1.0
"""Seconds after which a long poll looks again, even if nobody told it that something was committed."""

Envelope = Annotated[Raw, Meta(title="Event", description="A canonical event.", extra_json_schema={"type": "object"})]
Wait = Annotated[float, Meta(ge=0, le=60, description="seconds to wait for the first event, if there is none yet")]

WHY_GONE = {
    "erased": "This event was erased: its content is gone for good.",
    "expired": "This event has expired: it is older than what is kept.",
    "damaged": "This event cannot be read: its bytes were changed on disk. A backup may have it whole.",
}


class Which(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events. `after` is a cursor or an event id; `booking` is a booking's key."""

    after: After | None = None
    types: Annotated[tuple[Pattern, ...], Meta(max_length=50)] = ()
    provider: str | None = None
    connection: str | None = None
    booking: str | None = None


class EventFilter(Which, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events, how many, and how long to wait for them."""

    limit: Limit = 50
    wait: Wait = 0.0
    newest: Annotated[bool, Meta(description="the end of the log, in place of `after`")] = False


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

    Begin without `after`, or with `newest` at the last `limit` events, then go on with `next`. With `wait` an empty
    page is held back until something happens.
    410: what follows the cursor is not kept any more.
    """
    services = wired(request)
    if asked.newest:
        return await _end(services, asked)
    after = 0 if asked.after is None else await position(services, asked.after)
    standing = Standing(services.store, request.auth)
    until = asyncio.get_running_loop().time() + asked.wait
    while True:
        events, reached = await read(services, after, asked, asked.limit)
        left = until - asyncio.get_running_loop().time()
        if events or left <= 0 or services.not_ready is not None:
            return _page(events, reached)
        await services.store.changed(min(left, LOOK_AGAIN))
        if not await standing.stands():
            raise Refusal(401, "The key was revoked.")


@get("/events/{event_id:str}", **call("events:read", 410))
async def show_event(request: Asker, event_id: Id) -> Envelope:
    """Show one event. 410 with the reason `erased`, `expired` or `damaged`: it was there, and its content is gone."""
    services = wired(request)
    return Raw((await kept_event(services, event_id)).body)


@get("/events/{event_id:str}/raw", media_type="application/octet-stream", **call("events:read", 410))
async def show_event_raw(request: Asker, event_id: Id, asked: NamedDependency[Exactly]) -> Response[bytes]:
    """Show the bytes of the call that an event came from.

    Values that act without a login are masked by as many `*`. `exact` shows them too, to keys with the scope admin.
    """
    services = wired(request)
    event = await kept_event(services, event_id)
    return await raw_answer(services, request, event.receipt, asked.exact)


@post("/events/{event_id:str}/replay", status_code=202, **call("events:replay", 410))
async def replay_event(request: Asker, event_id: Id, given: NamedDependency[ReplayTo | None]) -> Replayed:
    """Deliver an event again: the same `webhook-id`, the same bytes."""
    services = wired(request)
    to = given.destinations if given else None
    known = {destination.id for destination in await services.store.destinations()}
    for position, destination in enumerate(to or ()):
        if destination not in known:
            raise Invalid(f"destinations[{position}]", "no such destination")
    await kept_event(services, event_id)
    deliveries = await services.store.replay(event_id, to)
    if deliveries is None:
        raise missing("event")
    return Replayed(deliveries)


async def raw_answer(services: Services, request: Asker, receipt_id: str | None, exact: bool) -> Response[bytes]:
    """Answer with the bytes of a receipt, in a way that no browser takes for a page."""
    if exact and not holds(request.auth, "admin"):
        raise Refusal(403, "This key lacks the scope admin, which `exact` needs.")
    if receipt_id is None:
        raise Refusal(410, "No call brought this event, so there are no bytes of one.")
    stored = await services.store.receipt(receipt_id)
    if stored is None or stored.inbound is None:
        raise Refusal(410, "The bytes are not kept any more.")
    inbound = unpack(stored, services.inboxes.by_id(stored.token).url)
    if exact:
        await services.store.audit.add(request.auth.id, "show_exact_bytes", stored.id)
    body = inbound.body if exact else masked(inbound, await hidden(services, stored.connection))
    headers = {"content-disposition": f'attachment; filename="{stored.id}"'}
    return Response(body, media_type="application/octet-stream", headers=headers)


async def hidden(services: Services, connection_id: str | None) -> frozenset[str]:
    """Choose the keys to mask: those of the connection's plugin, and where that is not known those of all plugins."""
    rows = await services.store.connections() if connection_id else []
    name = next((row.provider for row in rows if row.id == connection_id), None)
    if name is not None and name in services.providers:
        return services.providers[name].masked
    return frozenset().union(*(provider.masked for provider in services.providers.values()))


async def kept_event(services: Services, event_id: str) -> StoredEvent:
    """Find an event whose content is there. Raises Refusal."""
    event = await services.store.event(event_id)
    if event is None:
        raise missing("event")
    if event.gone:
        raise Refusal(410, WHY_GONE[event.gone], reason=event.gone)
    return event


async def position(services: Services, after: str) -> int:
    """Read a cursor: a number of ours, or the id of an event. Raises Refusal when what follows it is not kept."""
    if after.startswith("evt_"):
        event = await services.store.event(after)
        if event is None:
            raise Refusal(410, "This event is not kept, so it is not known what came after it. Begin without `after`.")
        after = str(event.seq)
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


async def read(services: Services, after: int, asked: Which, limit: int) -> tuple[list[StoredEvent], int]:
    """Read on in the log; also how far that reaches: where the page is not full, all that was committed before."""
    _, newest = await services.store.bounds()
    events = await services.store.events(after=after, limit=limit, **narrowed(asked))
    last = events[-1].seq if events else after
    full = len(events) == limit or sum(len(event.body) for event in events) >= PAGE_BYTES
    return events, last if full else max(last, newest)


async def _end(services: Services, asked: EventFilter) -> EventPage:
    """Read the last events there are. Raises Invalid when a beginning or waiting is asked for too."""
    if asked.after is not None or asked.wait:
        raise Invalid("newest", "cannot be had together with `after` or `wait`")
    _, newest = await services.store.bounds()
    events = await services.store.events(before=newest + 1, limit=asked.limit, **narrowed(asked))
    return _page(events[::-1], newest)


def narrowed(asked: Which) -> dict[str, Any]:
    """Take a filter as the store does. Raises Invalid."""
    types = () if "*" in asked.types else expand(asked.types)
    return {"types": types, "provider": asked.provider, "connection": asked.connection, "booking": asked.booking}


def _page(events: Sequence[StoredEvent], reached: int) -> EventPage:
    return EventPage(tuple(Raw(event.body) for event in events), str(reached))


HANDLERS: list[Any] = [list_events, show_event, show_event_raw, replay_event]

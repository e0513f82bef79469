"""/events: what happened, newest first; one event beside what it came from; the story of one booking."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from litestar import Response, get, post
from msgspec import Struct

from gateway.contract.events import EVENT_TYPES, WARNINGS
from gateway.contract.provider import Inbound
from gateway.pipeline.normalize import unpack
from gateway.store import model
from gateway.store.model import Attempt, Delivery, StoredEvent
from gateway.web.api import events as api
from gateway.web.api.masking import masked
from gateway.web.api.reading import Asker, Id, wired
from gateway.web.dashboard import veil
from gateway.web.dashboard.calls import act
from gateway.web.dashboard.forms import form_of
from gateway.web.dashboard.names import Names
from gateway.web.dashboard.pages import cursor, page
from gateway.web.dashboard.words import counted
from gateway.web.problems import missing
from gateway.web.services import Services

AT_ONCE = 50
LONGEST_STORY = 200


class CameIn(Struct, frozen=True):
    """The call of an event, as it may be shown."""

    receipt: model.StoredReceipt
    headers: list[tuple[str, str]]
    body: str


class Sent(Struct, frozen=True):
    """One delivery and its attempts."""

    delivery: Delivery
    attempts: list[Attempt]


@get("/events", include_in_schema=False)
async def list_events(request: Asker) -> Response[bytes]:
    """List events; the newest page stays up to date by itself."""
    services, asked = wired(request), request.query_params
    names = await Names.read(services)
    booking, before = asked.get("booking", "").strip(), cursor(asked.get("before"))
    kind, provider, connection = asked.get("type"), asked.get("provider"), asked.get("connection")
    rows = await services.store.overview.events(
        before=before,
        limit=AT_ONCE + 1,
        types=(kind,) if kind else (),
        provider=provider or None,
        connection=connection or None,
        bookings=names.keys(booking) if booking else None,
    )
    filters = {"type": kind, "provider": provider, "connection": connection, "booking": booking}
    older = {**filters, "before": rows[AT_ONCE - 1].seq} if len(rows) > AT_ONCE else None
    return await page(
        request,
        "events.html",
        rows=rows[:AT_ONCE],
        names=names,
        types=tuple(EVENT_TYPES),
        filters=filters,
        filtered=any(filters.values()),
        older=older,
        live=before is None and asked.get("live") != "off",
        before=before,
        seen=cursor(asked.get("seen")),
    )


@get("/events/{event_id:str}", include_in_schema=False)
async def show_event(request: Asker, event_id: Id) -> Response[bytes]:
    """Show one event, what it came from, and where it went."""
    return await _shown(request, event_id, reveal=False)


@post("/events/{event_id:str}/reveal", status_code=200, include_in_schema=False)
async def reveal_event(request: Asker, event_id: Id) -> Response[bytes]:
    """Show it with what is personal, and note who asked for that."""
    return await _shown(request, event_id, reveal=True)


@post("/events/{event_id:str}/replay", include_in_schema=False)
async def replay_event(request: Asker, event_id: Id) -> Response[Any]:
    """Deliver it again, to all that subscribed or to those that are ticked."""
    to = form_of(request).all("destination")
    given = api.ReplayTo(destinations=to) if to else None
    return await act(request, f"/events/{event_id}", _replayed, api.replay_event, event_id, given=given)


@get("/booking", include_in_schema=False)
async def show_booking(request: Asker) -> Response[bytes]:
    """Tell the story of one booking: its events, oldest first, and what became of each."""
    services, key = wired(request), request.query_params.get("key", "")
    names = await Names.read(services)
    rows = await services.store.overview.events(bookings=(key,), limit=LONGEST_STORY)
    if not rows:
        raise missing("booking, or nothing is kept of it")
    story = [(row, await services.store.deliveries(event=row.id)) for row in reversed(rows)]
    trying = await services.store.overview.trying([each for _, deliveries in story for each in deliveries])
    return await page(request, "booking.html", key=key, story=story, names=names, trying=trying)


async def _shown(request: Asker, event_id: str, *, reveal: bool) -> Response[bytes]:
    services = wired(request)
    event = await services.store.event(event_id)
    if event is None:
        raise missing("event")
    if event.gone:
        sent = await _sent(services, event)
        return await page(
            request, "event_gone.html", code=410, event=event, sent=sent, names=await Names.read(services)
        )
    if reveal:
        await services.store.audit.add(request.auth.id, "show_personal_data", event.id)
    envelope: dict[str, Any] = msgspec.json.decode(event.body) if reveal else veil.event(event.body)
    sent = await _sent(services, event)
    return await page(
        request,
        "event.html",
        event=event,
        envelope=envelope,
        whole=veil.pretty(envelope),
        received=_time(envelope["origin"].get("received_at")),
        booking=_booking(envelope),
        starts=_time((_booking(envelope) or {}).get("start")),
        came_in=await _came_in(services, event, envelope, reveal=reveal),
        sent=sent,
        trying=await services.store.overview.trying([each.delivery for each in sent]),
        names=await Names.read(services),
        revealed=reveal,
        warnings=WARNINGS,
    )


def _booking(envelope: Mapping[str, Any]) -> Mapping[str, Any] | None:
    data = envelope.get("data")
    booking = data.get("booking") if isinstance(data, dict) else None
    return booking if isinstance(booking, dict) else None


def _time(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None


async def _came_in(services: Services, event: StoredEvent, envelope: Any, *, reveal: bool) -> CameIn | None:
    """Open the call that an event came from, if there was one and it is kept."""
    stored = None if event.receipt is None else await services.store.receipt(event.receipt)
    if stored is None or stored.inbound is None:
        return None
    inbound = unpack(stored, services.inboxes.by_id(stored.token).url)
    if reveal:
        return CameIn(stored, veil.headers(inbound), await _without_credentials(services, stored, inbound))
    return CameIn(stored, veil.headers(inbound), veil.call(inbound, veil.words(envelope)))


async def _without_credentials(services: Services, stored: model.StoredReceipt, inbound: Inbound) -> str:
    return veil.text(masked(inbound, await api.hidden(services, stored.connection)))


async def _sent(services: Services, event: StoredEvent) -> list[Sent]:
    found = []
    for delivery in await services.store.deliveries(event=event.id, limit=500):
        whole = await services.store.delivery(delivery.id)
        if whole is not None:
            found.append(Sent(*whole))
    return found


def _replayed(answer: api.Replayed) -> str:
    count = len(answer.deliveries)
    if not count:
        return "No destination wants this event: nothing is delivered."
    return f"Replayed: {counted(count, 'delivery is', 'deliveries are')} on the way again."


HANDLERS: list[Any] = [list_events, show_event, reveal_event, replay_event, show_booking]

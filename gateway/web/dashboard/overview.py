"""/: is everything flowing? Rates over time, connections and destinations, and what wants a person."""

import time
from typing import Any, Final
from weakref import WeakKeyDictionary

from litestar import Response, get
from msgspec import Struct

from gateway.store.model import Destination
from gateway.store.overview import Flow, NextTry
from gateway.store.store import Store
from gateway.web.api.connections import ConnectionView, list_connections
from gateway.web.api.pages import Page, Paging
from gateway.web.api.reading import Asker, wired
from gateway.web.damaged import all_destinations
from gateway.web.dashboard.calls import ask
from gateway.web.dashboard.charts import Chart, Kind, stacked
from gateway.web.dashboard.pages import page
from gateway.web.dashboard.verdict import Sight, judge
from gateway.web.services import Services

MINUTE = 60_000
REMEMBER = 20.0
"""Sums that took long are remembered so many times as long."""
LONG = 0.25
"""Seconds."""
_remembered: WeakKeyDictionary[Store, dict[str, tuple[float, Flow]]] = WeakKeyDictionary()


class Range(Struct, frozen=True):
    """How far back to look: its name, its slots, and how often its chart is drawn anew (seconds)."""

    name: str
    width: int
    slots: int
    every: int


RANGES: Final = {
    "hour": Range("hour", MINUTE, 60, 5),
    "day": Range("day", 30 * MINUTE, 48, 15),
    "week": Range("week", 120 * MINUTE, 84, 60),
}

CAME: Final[tuple[Kind, ...]] = (
    ("understood", "understood", "good"),
    ("held", "held", "wait"),
    ("discarded", "discarded", "calm"),
    ("quarantined", "quarantined", "bad"),
)
WENT: Final[tuple[Kind, ...]] = (
    ("delivered", "delivered", "good"),
    ("pending", "waiting", "wait"),
    ("skipped", "skipped", "calm"),
    ("dead", "dead", "bad"),
)


class Row(Struct, frozen=True):
    """A destination as a line: counts by status in all, and of what was planned in the range."""

    destination: Destination
    counts: dict[str, int]
    recent: dict[str, int]
    delivered_at: int | None
    next_try: NextTry | None


@get("/", include_in_schema=False)
async def show_overview(request: Asker) -> Response[bytes]:
    """Show how things are."""
    services = wired(request)
    chosen = RANGES.get(request.query_params.get("range", ""), RANGES["hour"])
    now = services.store.now()
    counts, queues = await services.store.counts(), await services.store.overview.queues()
    flow = await flow_of(services, now, chosen)
    connections, destinations = await all_connections(request), await all_destinations(services.store)
    sight = Sight(
        now=now,
        counts=counts,
        came=sum(sum(slot.values()) for slot in flow.receipts),
        within=chosen.name,
        next_try=queues.next_try,
        connections=connections,
        destinations=destinations,
        troubles=_troubles(services),
    )
    return await page(
        request,
        "overview.html",
        verdict=judge(sight),
        charts=_charts(flow, chosen),
        ranges=tuple(RANGES),
        chosen=chosen,
        counts=counts,
        flow=flow,
        dead=sum(amount for (_, status), amount in counts.deliveries.items() if status == "dead"),
        waiting=sum(amount for (_, status), amount in counts.deliveries.items() if status == "pending"),
        oldest=queues.oldest,
        connections=connections,
        rows=rows(destinations, counts.deliveries, flow, queues.next_try),
        titles={name: provider.title for name, provider in services.providers.items()},
    )


async def all_connections(request: Asker) -> list[ConnectionView]:
    """List every connection as /v1 does."""
    found: Page[ConnectionView] = await ask(request, list_connections, asked=Paging(limit=500))
    return list(found.items)


def rows(destinations: Any, counts: Any, flow: Flow, next_try: Any) -> list[Row]:
    """Put beside each destination what waits for it and how it goes."""
    return [
        Row(
            each,
            {status: counts.get((each.id, status), 0) for status in ("pending", "delivered", "dead", "skipped")},
            flow.destinations.get(each.id, {}),
            flow.delivered_at.get(each.id),
            next_try.get(each.id),
        )
        for each in destinations
    ]


async def flow_of(services: Services, now: int, chosen: Range) -> Flow:
    """Sum up what came and went within a range that ends now.

    Where that takes long it is remembered for long: however many look, a database is busy with it a twentieth of the
    time at most.
    """
    known = _remembered.setdefault(services.store, {})
    until, flow = known.get(chosen.name, (0.0, None))
    began = time.monotonic()
    if flow is None or began >= until:
        since = (now // chosen.width + 1 - chosen.slots) * chosen.width
        flow = await services.store.overview.flow(since, chosen.width, chosen.slots)
        took = time.monotonic() - began
        known[chosen.name] = (began + (REMEMBER * took if took > LONG else 0.0), flow)
    return flow


def _charts(flow: Flow, chosen: Range) -> list[Chart]:
    planned = "Deliveries by when they were planned, as they stand now"
    return [
        stacked("Calls that came in", CAME, flow.receipts, flow.since, chosen.width),
        stacked(planned, WENT, flow.deliveries, flow.since, chosen.width),
    ]


def _troubles(services: Services) -> dict[str, str]:
    stopped = {"start": services.not_ready} if services.not_ready else {}
    return {**stopped, **services.loops.failing}


HANDLERS: list[Any] = [show_overview]

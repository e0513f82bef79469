"""/v1/stats: counts that add up."""

from typing import Any

from litestar import get
from msgspec import Struct

from gateway.web.api.calls import call
from gateway.web.api.pages import Time
from gateway.web.api.reading import Asker, wired


class ReceiptCounts(Struct, frozen=True, kw_only=True):
    """Calls that were kept, by what became of them, and beside them how many came again."""

    understood: int
    quarantined: int
    held: int
    discarded: int
    duplicates: int


class DeliveryCounts(Struct, frozen=True, kw_only=True):
    """Deliveries of one destination, by status."""

    pending: int = 0
    delivered: int = 0
    dead: int = 0
    skipped: int = 0


class RefusedCalls(Struct, frozen=True, kw_only=True):
    """Calls on inbound URLs that were refused, since this process started: they leave nothing on disk."""

    count: int
    last_at: Time


class Stats(Struct, frozen=True, kw_only=True):
    """Counts. `deliveries` by the id of the destination.

    `refused` by reason: `signature` (401: no connection's, or not signed with its secret), `token` (404: no inbound
    URL of this gateway), `encoding` (415).
    """

    receipts: ReceiptCounts
    events: int
    deliveries: dict[str, DeliveryCounts]
    refused: dict[str, RefusedCalls]


@get("/stats", **call("events:read"))
async def show_stats(request: Asker) -> Stats:
    """Count what came in and what went out, all at one moment."""
    services = wired(request)
    counts = await services.store.counts()
    by_destination: dict[str, dict[str, int]] = {}
    for (destination, status), amount in counts.deliveries.items():
        by_destination.setdefault(destination, {})[status] = amount
    return Stats(
        receipts=ReceiptCounts(
            understood=counts.understood,
            quarantined=counts.quarantined,
            held=counts.held,
            discarded=counts.discarded,
            duplicates=counts.duplicates,
        ),
        events=counts.events,
        deliveries={destination: DeliveryCounts(**amounts) for destination, amounts in by_destination.items()},
        refused={name: RefusedCalls(count=n, last_at=at) for name, (n, at) in services.metrics.refused.items()},
    )


HANDLERS: list[Any] = [show_stats]

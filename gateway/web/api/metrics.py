"""/metrics: for Prometheus. What is counted while running, and what the store tells at this moment."""

from collections.abc import Iterator, Mapping
from typing import Any

from litestar import Request, Response, get
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway import __version__
from gateway.store.model import Connection, Counts
from gateway.web.api.connections import is_silent
from gateway.web.auth import authorize
from gateway.web.services import Services

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
NEWEST = 500
"""Events whose age on arrival is looked at."""


@get("/metrics", media_type=MEDIA_TYPE, opt={"scope": "config:read"}, guards=[authorize])
async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show everything that is counted."""
    services: Services = request.app.state.services
    registry = CollectorRegistry()
    registry.register(await _Now.of(services))
    body = generate_latest(services.metrics.registry) + generate_latest(registry)
    return Response(body, media_type=MEDIA_TYPE, headers={"cache-control": "no-store"})


class _Now(Collector):
    """What is so at one moment."""

    def __init__(
        self,
        services: Services,
        counts: Counts,
        connections: list[tuple[Connection, int | None]],
        waiting: Mapping[str, int],
        ages: Mapping[str, list[int]],
    ) -> None:
        self._services = services
        self._counts = counts
        self._connections = connections
        self._waiting = waiting
        self._ages = ages

    @classmethod
    async def of(cls, services: Services) -> "_Now":
        store = services.store
        heard = await store.activity()
        connections = [(row, heard.get(row.id)) for row in await store.connections()]
        overview = store.overview
        return cls(
            services, await store.counts(), connections, await overview.waiting_since(), await overview.ages(NEWEST)
        )

    def collect(self) -> Iterator[Metric]:
        yield from self._process()
        yield from self._store()
        yield from self._providers()

    def _process(self) -> Iterator[Metric]:
        services = self._services
        info = GaugeMetricFamily("gateway_info", "Which gateway this is.", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
        yield GaugeMetricFamily("gateway_ready", "1: it accepts calls.", value=float(services.not_ready is None))
        yield GaugeMetricFamily("gateway_streams", "Open event streams.", value=services.streams)
        failing = GaugeMetricFamily("gateway_loop_failing", "1: this background loop fails.", labels=["loop"])
        for loop in services.loops.failing:
            failing.add_metric([loop], 1)
        yield failing

    def _store(self) -> Iterator[Metric]:
        receipts = GaugeMetricFamily("gateway_receipts", "Calls kept, by what became of them.", labels=["status"])
        for status in ("understood", "quarantined", "held", "discarded"):
            receipts.add_metric([status], getattr(self._counts, status))
        yield receipts
        yield GaugeMetricFamily("gateway_events", "Events accepted so far.", value=self._counts.events)
        deliveries = GaugeMetricFamily(
            "gateway_deliveries", "Deliveries, by destination and status.", labels=["destination", "status"]
        )
        for (destination, status), amount in self._counts.deliveries.items():
            deliveries.add_metric([destination, status], amount)
        yield deliveries
        oldest = GaugeMetricFamily(
            "gateway_oldest_pending_seconds",
            "How long the oldest of what waits for a destination has waited.",
            labels=["destination"],
        )
        for destination, since in self._waiting.items():
            oldest.add_metric([destination], max(0, self._services.store.now() - since) / 1000)
        yield oldest

    def _providers(self) -> Iterator[Metric]:
        status = GaugeMetricFamily(
            "gateway_connection_status", "1: it is so.", labels=["connection", "provider", "status"]
        )
        silent = GaugeMetricFamily(
            "gateway_connection_silent", "1: no call for longer than is usual.", labels=["connection", "provider"]
        )
        heard = GaugeMetricFamily(
            "gateway_connection_last_received_timestamp_seconds",
            "When a connection was last heard of.",
            labels=["connection", "provider"],
        )
        for row, at in self._connections:
            status.add_metric([row.id, row.provider, row.status], 1)
            silent.add_metric([row.id, row.provider], float(is_silent(row, at)))
            if at is not None:
                heard.add_metric([row.id, row.provider], at / 1000)
        yield status
        yield silent
        yield heard
        age = GaugeMetricFamily(
            "gateway_event_age_seconds",
            f"How old the newest {NEWEST} events were when they came, by their provider's clock.",
            labels=["provider", "which"],
        )
        for provider, ages in self._ages.items():
            ages.sort()
            age.add_metric([provider, "median"], ages[len(ages) // 2] / 1000)
            age.add_metric([provider, "oldest"], ages[-1] / 1000)
        yield age

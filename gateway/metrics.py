"""What is counted while the gateway runs, for Prometheus. Labels name providers, connections and destinations only.

What the store can tell is not counted here but asked for when somebody looks (web/api/metrics.py).
"""

import asyncio
from collections import deque
from datetime import UTC, datetime
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

COMMITS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
ATTEMPTS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
LATENCIES = (0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0, 86400.0)
UNKNOWN = "unknown"
LAG_SECONDS, LAGS = 0.25, 60
"""How often the event loop's lag is measured, and over how many measures the worst one is told."""


class Metrics:
    """Counters of one process. Durations are seconds."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._calls = Counter(
            "gateway_calls",
            "Calls on inbound URLs, by the provider they are of, what became of them, and why if they were refused.",
            ("provider", "outcome", "reason"),
            registry=registry,
        )
        self._call = cache(self._calls.labels)
        self.refused: dict[str, tuple[int, datetime]] = {}
        """Refused calls by reason: how many, and when the last one came."""
        self._commits = Histogram(
            "gateway_commit_seconds", "How long a commit took, its fsync included.", buckets=COMMITS, registry=registry
        )
        self._syncs = Histogram(
            "gateway_commit_sync_seconds",
            "How long the last step of a commit took: writing and fsync.",
            buckets=COMMITS,
            registry=registry,
        )
        self._batches = Histogram(
            "gateway_commit_calls", "How many writes shared a commit.", buckets=BATCHES, registry=registry
        )
        self._attempts = Counter(
            "gateway_delivery_attempts",
            "Attempts to deliver, by destination and what came of them.",
            ("destination", "outcome"),
            registry=registry,
        )
        self._attempt_seconds = Histogram(
            "gateway_delivery_attempt_seconds",
            "How long an attempt took.",
            ("destination",),
            buckets=ATTEMPTS,
            registry=registry,
        )
        self._latency = Histogram(
            "gateway_delivery_latency_seconds",
            "From the acceptance of an event to its delivery.",
            ("destination",),
            buckets=LATENCIES,
            registry=registry,
        )
        self._lag = Gauge(
            "gateway_event_loop_lag_seconds",
            "How late the event loop ran something it was asked to, at worst in the last 15 s or so.",
            registry=registry,
        )

    def called(self, provider: str, outcome: str, reason: str = "") -> None:
        """Count one call on an inbound URL."""
        self._call(provider, outcome, reason).inc()
        if outcome == "refused":
            self.refused[reason] = (self.refused.get(reason, (0,))[0] + 1, datetime.now(UTC))

    def committed(self, calls: int, seconds: float, sync_seconds: float) -> None:
        """Count one commit. Called on the writer's thread."""
        self._commits.observe(seconds)
        self._syncs.observe(sync_seconds)
        self._batches.observe(calls)

    def attempted(self, destination: str, outcome: str, seconds: float) -> None:
        """Count one attempt."""
        self._attempts.labels(destination, outcome).inc()
        self._attempt_seconds.labels(destination).observe(seconds)

    def delivered(self, destination: str, seconds: float) -> None:
        """Count one delivery, so many seconds after its event was accepted."""
        self._latency.labels(destination).observe(seconds)

    def forget(self, destination: str) -> None:
        """Let go of a removed destination, so that labels stay few."""
        for metric in (self._attempts, self._attempt_seconds, self._latency):
            metric.remove_by_labels({"destination": destination})

    async def watch_lag(self) -> None:
        """Measure how late the event loop is, until cancelled."""
        clock = asyncio.get_running_loop().time
        late = deque([0.0], maxlen=LAGS)
        while True:
            asked = clock()
            await asyncio.sleep(LAG_SECONDS)
            late.append(max(0.0, clock() - asked - LAG_SECONDS))
            self._lag.set(max(late))

"""Traces for whoever runs OpenTelemetry: one an event, from the call that brought it to every attempt to deliver it.

A trace's id and its first span's are cut out of the event's own id, so nothing is kept beside an event for days: an
attempt finds its trace by the id alone, and so does a person. It is configured as every OpenTelemetry program is, by
`OTEL_...` variables, and off until OTEL_EXPORTER_OTLP_ENDPOINT is set.
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

import importlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from msgspec import Struct
from opentelemetry import trace
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.contract.base32 import SORTABLE, STANDARD
from gateway.contract.errors import ConfigurationError

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
LAST_SECONDS = 2.0
"""How long a process that stops waits for a collector."""
_DIGITS = dict(zip(STANDARD[:32], SORTABLE[:32], strict=True))
"""Turns the letters of an id into those that Python reads as a number of base 32, at a tenth of a decoder's price."""
_LAST_8_BYTES = (1 << 64) - 1
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_propagator = TraceContextTextMapPropagator()


class Attempted(Struct):
    """An attempt under way: `headers` go to the consumer, the rest is what came of it."""

    headers: Mapping[str, str]
    outcome: str = ""
    status: int | None = None


class Tracing(Protocol):
    """Where spans go. `on`: whether anybody wants them."""

    on: bool

    def accepted(self, events: Sequence[str], provider: str, received_at: datetime, traceparent: str | None) -> None:
        """Tell of a call that became events, by their ids; `traceparent` as the provider sent it."""

    def attempt(self, event: str, kind: str, destination: str, number: int) -> Any:
        """Tell of an attempt to deliver: a context manager that gives an Attempted to be filled in."""

    def close(self) -> None:
        """Send what was not sent yet."""


class NotTracing:
    """Tell nobody."""

    on = False

    def accepted(self, events: Sequence[str], provider: str, received_at: datetime, traceparent: str | None) -> None:
        del events, provider, received_at, traceparent

    @contextmanager
    def attempt(self, event: str, kind: str, destination: str, number: int) -> Iterator[Attempted]:
        del event, kind, destination, number
        yield Attempted({})

    def close(self) -> None:
        return None


class Spans:
    """Make spans with a provider of the SDK's, as far as its sampler wants them; `processor` is the one it has."""

    on = True

    def __init__(self, provider: Any, processor: Any) -> None:
        sdk = importlib.import_module("opentelemetry.sdk.trace")
        scope = importlib.import_module("opentelemetry.sdk.util.instrumentation").InstrumentationScope("gateway")
        self._provider = provider
        self._processor = processor
        self._sampler = provider.sampler
        self._tracer = provider.get_tracer("gateway")
        self._ended = partial(sdk.ReadableSpan, resource=provider.resource, instrumentation_scope=scope)

    def accepted(self, events: Sequence[str], provider: str, received_at: datetime, traceparent: str | None) -> None:
        """Tell of a call that became events.

        Its spans are over when they are made, and have their ids: the SDK's tracer would take ten times as long.
        """
        for event in events:
            context = _first(event)
            if not self._wanted(context):
                continue
            span = self._ended(
                f"webhook {provider}",
                context=context,
                kind=SpanKind.SERVER,
                links=_caller(traceparent),
                start_time=int(received_at.timestamp() * 1e9),
                end_time=time.time_ns(),
                attributes={"gateway.event.id": event, "gateway.provider": provider},
            )
            self._processor.on_end(span)

    @contextmanager
    def attempt(self, event: str, kind: str, destination: str, number: int) -> Iterator[Attempted]:
        first = _first(event)
        if not self._wanted(first):
            yield Attempted({})
            return
        span = self._tracer.start_span(
            f"deliver {kind}",
            context=trace.set_span_in_context(NonRecordingSpan(first)),
            kind=SpanKind.CLIENT,
            attributes={
                "gateway.event.id": event,
                "gateway.destination": destination,
                "gateway.attempt": number,
            },
        )
        headers: dict[str, str] = {}
        _propagator.inject(headers, trace.set_span_in_context(span))
        attempted = Attempted(headers)
        try:
            yield attempted
        finally:
            span.set_attribute("gateway.outcome", attempted.outcome or "cancelled")
            if attempted.status is not None:
                span.set_attribute("http.response.status_code", attempted.status)
            if attempted.outcome != "delivered":
                span.set_status(Status(StatusCode.ERROR))
            span.end()

    def close(self) -> None:
        """Let the rest go out, as long as that takes no longer than a stop may."""
        closing = threading.Thread(target=self._provider.shutdown, name="spans", daemon=True)
        closing.start()
        closing.join(LAST_SECONDS)

    def _wanted(self, context: SpanContext) -> bool:
        """Ask before a span is made: most of its price is the making."""
        return bool(self._sampler.should_sample(None, context.trace_id, "").decision.is_sampled())


def tracing(environ: Mapping[str, str]) -> Tracing:
    """Trace if the environment says where to. Raises ConfigurationError when the SDK is not installed."""
    stated = next((name for name in ENDPOINTS if environ.get(name)), None)
    if stated is None:
        return NotTracing()
    try:
        sdk = importlib.import_module("opentelemetry.sdk.trace")
        export = importlib.import_module("opentelemetry.sdk.trace.export")
        resources = importlib.import_module("opentelemetry.sdk.resources")
        otlp = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ModuleNotFoundError:
        raise ConfigurationError(
            f"{stated} is set, but OpenTelemetry's SDK is not installed: pip install 'booking-webhook-gateway[otel]'"
        ) from None
    name = environ.get("OTEL_SERVICE_NAME", "booking-webhook-gateway")
    provider = sdk.TracerProvider(resource=resources.Resource.create({"service.name": name}))
    processor = export.BatchSpanProcessor(otlp.OTLPSpanExporter())
    provider.add_span_processor(processor)
    return Spans(provider, processor)


def _first(event: str) -> SpanContext:
    """Name the trace of an event and its first span. The id is 20 bytes of a hash, of which they share four."""
    digest = int(event.removeprefix("evt_").translate(_DIGITS), 32)
    return SpanContext(digest >> 32, digest & _LAST_8_BYTES, is_remote=True, trace_flags=_SAMPLED)


def _caller(traceparent: str | None) -> list[Link]:
    if traceparent is None:
        return []
    caller = trace.get_current_span(_propagator.extract({"traceparent": traceparent})).get_span_context()
    return [Link(caller)] if caller.is_valid else []

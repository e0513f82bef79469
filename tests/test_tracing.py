"""One trace an event, from the call that brought it to every attempt; found by the event's id alone."""

import http.server
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

from gateway import tracing
from gateway.contract.errors import ConfigurationError
from gateway.contract.events import event_id
from gateway.tracing import NotTracing, Spans

DIGEST = bytes(range(1, 21))
EVENT = event_id(DIGEST)
TRACE, FIRST = int.from_bytes(DIGEST[:16], "big"), int.from_bytes(DIGEST[12:], "big")
AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def spans(sampler: Sampler = ALWAYS_ON) -> tuple[Spans, InMemorySpanExporter]:
    kept = InMemorySpanExporter()
    processor = SimpleSpanProcessor(kept)
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return Spans(provider, processor), kept


def test_a_call_and_its_attempts_are_one_trace_whose_id_the_event_tells() -> None:
    made, kept = spans()
    made.accepted([EVENT], "harmonizely", AT, None)
    with made.attempt(EVENT, "booking.scheduled", "dst_1", 1) as attempted:
        attempted.outcome, attempted.status = "delivered", 204
    call, attempt = kept.get_finished_spans()
    assert (call.context.trace_id, call.context.span_id, call.parent) == (TRACE, FIRST, None)
    assert attempt.parent is not None
    assert (attempt.context.trace_id, attempt.parent.span_id) == (TRACE, FIRST)
    assert call.start_time == int(AT.timestamp() * 1e9)
    assert attempt.attributes == {
        "gateway.event.id": EVENT, "gateway.destination": "dst_1", "gateway.attempt": 1,
        "gateway.outcome": "delivered", "http.response.status_code": 204,
    }  # fmt: skip


def test_the_consumer_is_told_which_attempt_calls_it() -> None:
    made, kept = spans()
    with made.attempt(EVENT, "booking.scheduled", "dst_1", 1) as attempted:
        told = attempted.headers["traceparent"]
    (attempt,) = kept.get_finished_spans()
    assert told == f"00-{TRACE:032x}-{attempt.context.span_id:016x}-01"


def test_the_providers_own_trace_is_linked() -> None:
    made, kept = spans()
    made.accepted([EVENT], "harmonizely", AT, CALLER)
    made.accepted([EVENT], "harmonizely", AT, "nonsense")
    linked, alone = kept.get_finished_spans()
    assert f"{linked.links[0].context.trace_id:032x}" in CALLER
    assert not alone.links


def test_an_attempt_that_fails_is_an_error_and_one_that_is_cut_off_too() -> None:
    made, kept = spans()
    with made.attempt(EVENT, "booking.scheduled", "dst_1", 1) as attempted:
        attempted.outcome = "retry"
    with pytest.raises(KeyboardInterrupt), made.attempt(EVENT, "booking.scheduled", "dst_1", 2):
        raise KeyboardInterrupt
    failed, cut = kept.get_finished_spans()
    assert (failed.status.is_ok, cut.status.is_ok) == (False, False)
    assert cut.attributes is not None
    assert cut.attributes["gateway.outcome"] == "cancelled"


def test_what_is_not_sampled_costs_no_span_and_tells_the_consumer_nothing() -> None:
    made, kept = spans(ALWAYS_OFF)
    made.accepted([EVENT], "harmonizely", AT, None)
    with made.attempt(EVENT, "booking.scheduled", "dst_1", 1) as attempted:
        assert attempted.headers == {}
    assert kept.get_finished_spans() == ()


def test_nothing_is_traced_until_the_environment_says_where_to() -> None:
    made = tracing.tracing({})
    assert isinstance(made, NotTracing)
    with made.attempt(EVENT, "booking.scheduled", "dst_1", 1) as attempted:
        assert attempted.headers == {}
    assert not made.on


def test_without_the_sdk_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(ConfigurationError, match=r"OTEL_EXPORTER_OTLP_ENDPOINT is set, but .*\[otel\]"):
        tracing.tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """A collector on loopback that keeps what it gets."""
    got: list[bytes] = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the name is http.server's
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", got
        server.shutdown()


def test_a_collector_gets_what_was_not_sent_yet_before_the_end(
    collector: tuple[str, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, got = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    made = tracing.tracing(os.environ)
    made.accepted([EVENT], "harmonizely", AT, None)
    made.close()
    assert any(EVENT.encode() in each and TRACE.to_bytes(16, "big") in each for each in got)

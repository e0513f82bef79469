"""/metrics: what happened is counted, under labels that are few and say nothing of anybody."""

import asyncio
from collections.abc import Mapping

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway import metrics as counting
from gateway.metrics import Metrics
from tests.web.conftest import Consumer, Gateway

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def samples(gateway: Gateway) -> Samples:
    answer = await gateway.http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return read(answer.text)


def value(found: Samples, name: str, **labels: str) -> float:
    return found.get((name, frozenset(labels.items())), 0.0)


@pytest.fixture
async def inbound(gateway: Gateway) -> str:
    await gateway.connect()
    url: str = (await gateway.get("/v1/url"))["inbound_url"]
    return url


async def test_every_call_is_counted_by_what_became_of_it(gateway: Gateway, inbound: str) -> None:
    await gateway.says(inbound, booking="b1")
    await gateway.says(inbound, booking="b1")
    await gateway.says(inbound, booking="b2")
    await gateway.http.post(inbound, content=b"[]")
    await gateway.http.post(inbound[:-40] + "x" * 40, json={})
    await gateway.http.post(inbound, json={}, headers={"content-encoding": "gzip"})
    found = await samples(gateway)
    told = {("talking", "accepted", ""): 2, ("talking", "duplicate", ""): 1, ("unknown", "quarantined", ""): 1,
            ("unknown", "refused", "token"): 1, ("unknown", "refused", "encoding"): 1}  # fmt: skip
    for (provider, outcome, reason), times in told.items():
        assert value(found, "gateway_calls_total", provider=provider, outcome=outcome, reason=reason) == times
    assert sum(v for (name, _), v in found.items() if name == "gateway_calls_total") == sum(told.values())


async def test_a_forged_call_is_counted_for_whom_it_pretended_to_be(gateway: Gateway) -> None:
    made = await gateway.connect("signing")
    await gateway.http.post(made["inbound_url"], json={"from": "signing"})
    found = await samples(gateway)
    assert value(found, "gateway_calls_total", provider="signing", outcome="refused", reason="signature") == 1


async def test_a_gateway_that_is_not_ready_says_so(gateway: Gateway, inbound: str) -> None:
    gateway.services.not_ready = "stopping"
    assert (await gateway.http.post(inbound, json={})).status_code == 503
    found = await samples(gateway)
    assert value(found, "gateway_ready") == 0
    assert value(found, "gateway_calls_total", provider="unknown", outcome="unavailable", reason="") == 1


async def test_what_is_stored_is_told_as_it_is_now(gateway: Gateway, inbound: str, consumer: Consumer) -> None:
    destination = (await gateway.post("/v1/destinations", {"url": consumer.url}, 201))["id"]
    await gateway.says(inbound, booking="b1")
    await gateway.http.post(inbound, content=b"[]")
    found = await samples(gateway)
    assert value(found, "gateway_events") == 1
    assert value(found, "gateway_receipts", status="understood") == 1
    assert value(found, "gateway_receipts", status="quarantined") == 1
    assert value(found, "gateway_deliveries", destination=destination, status="pending") == 1
    assert value(found, "gateway_oldest_pending_seconds", destination=destination) >= 0
    assert ("gateway_oldest_pending_seconds", frozenset({("destination", destination)})) in found
    (row,) = (await gateway.get("/v1/connections"))["items"]
    labels = {"connection": row["id"], "provider": "talking"}
    assert value(found, "gateway_connection_status", **labels, status=row["status"]) == 1
    assert value(found, "gateway_connection_last_received_timestamp_seconds", **labels) > 1_700_000_000


async def test_nothing_of_a_call_is_in_it(gateway: Gateway, inbound: str) -> None:
    token = inbound.rpartition("/")[2]
    await gateway.says(inbound, booking="canary-booking")
    await gateway.http.post(inbound, content=b'{"canary": "canary-name"}')
    text = (await gateway.http.get("/metrics")).text
    assert "canary" not in text
    assert token not in text


async def test_reading_the_configuration_is_what_it_takes(gateway: Gateway) -> None:
    async with gateway.client("events:read") as other:
        assert (await other.get("/metrics")).status_code == 403
    async with gateway.client("config:read") as other:
        assert (await other.get("/metrics")).status_code == 200
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as nobody:
        assert (await nobody.get("/metrics")).status_code == 401


def _all(metrics: Metrics) -> Mapping[str, float]:
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
    }


def test_attempts_and_commits_are_counted_with_how_long_they_took() -> None:
    metrics = Metrics()
    metrics.attempted("dst_1", "delivered", 0.2)
    metrics.attempted("dst_1", "retry", 3.0)
    metrics.delivered("dst_1", 0.3)
    metrics.committed(7, 0.004, 0.001)
    found = _all(metrics)
    assert found["gateway_delivery_attempts_total[('destination', 'dst_1'), ('outcome', 'retry')]"] == 1
    assert found["gateway_delivery_attempt_seconds_sum[('destination', 'dst_1')]"] == pytest.approx(3.2)
    assert found["gateway_delivery_latency_seconds_count[('destination', 'dst_1')]"] == 1
    assert found["gateway_commit_calls_sum[]"] == 7
    assert found["gateway_commit_sync_seconds_sum[]"] == pytest.approx(0.001)
    metrics.forget("dst_1")
    assert not any("dst_1" in name for name in _all(metrics))


async def test_a_loop_that_is_held_up_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "LAG_SECONDS", 0.01)
    metrics = Metrics()
    watching = asyncio.create_task(metrics.watch_lag())
    await asyncio.sleep(0.05)
    end = asyncio.get_running_loop().time() + 0.2
    while asyncio.get_running_loop().time() < end:
        pass
    await asyncio.sleep(0.05)
    watching.cancel()
    assert _all(metrics)["gateway_event_loop_lag_seconds[]"] >= 0.1

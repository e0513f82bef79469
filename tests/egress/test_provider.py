"""A provider's API, and the gateway's own, as their clients see them."""

import asyncio
import gzip
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import stamina

from gateway.contract.errors import ApiRefused, ApiUnavailable, CredentialRefused, EgressRefused
from gateway.contract.http import Http
from gateway.egress import Egress, gateway_client
from tests.egress.sinks import Sink, answer, hangs, listening, says


@pytest.fixture(autouse=True)
def _no_waits() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


def api(egress: Egress, sink: Sink, timeout: float = 20.0) -> Http:
    return egress.provider(f"http://127.0.0.1:{sink.port}/api/", {"x-api-key": "key"}, timeout)


async def test_a_call_carries_credentials_query_and_json_and_returns_the_answer(egress: Egress) -> None:
    async with listening(says(answer(201, b'{"uuid":"1"}'))) as sink:
        given = await api(egress, sink).request("POST", "/webhooks", json={"url": "u"}, query={"page": "2&3"})
    (seen,) = sink.seen
    assert (given.status, given.read(dict)) == (201, {"uuid": "1"})
    assert (seen.method, seen.target, seen.body) == ("POST", "/api/webhooks?page=2%263", b'{"url":"u"}')
    assert (seen.headers["x-api-key"], seen.headers["content-type"]) == ("key", "application/json")


async def test_a_call_without_json_has_no_body(egress: Egress) -> None:
    async with listening() as sink:
        await api(egress, sink).request("DELETE", "/webhooks/1")
    assert (sink.seen[0].body, "content-type" in sink.seen[0].headers) == (b"", False)


@pytest.mark.parametrize(
    ("status", "error"),
    [(302, ApiRefused), (401, CredentialRefused), (403, CredentialRefused), (404, ApiRefused), (422, ApiRefused)],
)
async def test_a_refusal_becomes_the_error_that_says_what_to_do(
    egress: Egress, status: int, error: type[Exception]
) -> None:
    async with listening(says(answer(status, b'{"message":"because"}'))) as sink:
        with pytest.raises(error, match="because"):
            await api(egress, sink).request("GET", "/webhooks")
    assert len(sink.seen) == 1


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_reads_and_deletes_are_tried_again_while_the_api_is_unavailable(egress: Egress, method: str) -> None:
    async with listening(says(answer(503), answer(500), answer(200))) as sink:
        assert (await api(egress, sink).request(method, "/webhooks/1")).status == 200
    assert len(sink.seen) == 3


async def test_an_api_that_stays_unavailable_is_given_up(egress: Egress) -> None:
    async with listening(says(answer(503))) as sink:
        with pytest.raises(ApiUnavailable, match="503"):
            await api(egress, sink).request("GET", "/webhooks")
    assert len(sink.seen) == 3


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_what_may_have_done_its_work_is_tried_once(egress: Egress, method: str) -> None:
    async with listening(says(answer(503))) as sink:
        with pytest.raises(ApiUnavailable):
            await api(egress, sink).request(method, "/webhooks", json={})
    assert len(sink.seen) == 1


async def test_a_long_wait_that_the_api_asks_for_is_left_to_the_caller(egress: Egress) -> None:
    async with listening(says(answer(429, retry_after="60"))) as sink:
        with pytest.raises(ApiUnavailable) as limited:
            await api(egress, sink).request("GET", "/webhooks")
    assert (limited.value.retry_after, len(sink.seen)) == (60.0, 1)


async def test_who_asks_too_often_and_is_not_told_till_when_does_not_ask_again_at_once(egress: Egress) -> None:
    async with listening(says(answer(429))) as sink:
        with pytest.raises(ApiUnavailable):
            await api(egress, sink).request("GET", "/webhooks")
    assert len(sink.seen) == 1


async def test_no_answer_in_time_is_unavailable(egress: Egress) -> None:
    async with listening(hangs) as sink:
        with pytest.raises(ApiUnavailable, match=r"no answer within 0\.05 s") as late:
            await api(egress, sink, timeout=0.05).request("POST", "/webhooks", json={})
    assert late.value.status == 0


async def test_no_connection_is_unavailable_and_says_where(egress: Egress) -> None:
    async with listening() as sink:
        pass
    with pytest.raises(ApiUnavailable, match=f"port {sink.port}: Connection refused"):
        await api(egress, sink).request("GET", "/secret-path")


async def test_an_answer_larger_than_any_list_of_webhooks_is_unavailable(egress: Egress) -> None:
    async with listening(says(answer(200, b" " * ((8 << 20) + 1)))) as sink:
        with pytest.raises(ApiUnavailable, match="too large"):
            await api(egress, sink).request("POST", "/webhooks", json={})


@pytest.mark.parametrize(
    "path", [".evil.example/hooks", "@evil.example/hooks", ":1/hooks", "1/hooks", "", "http://e.example/"]
)
async def test_a_path_never_makes_another_address(egress: Egress, path: str) -> None:
    async with listening() as sink:
        with pytest.raises(EgressRefused, match="must begin with /"):
            await egress.provider(f"http://127.0.0.1:{sink.port}", {"x-api-key": "key"}).request("GET", path)
    assert sink.connections == 0


@pytest.mark.parametrize("path", ["//evil.example/hooks", "/@evil.example", "/../../x", "/\\evil.example"])
async def test_a_path_stays_a_path(egress: Egress, path: str) -> None:
    async with listening() as sink:
        await egress.provider(f"http://127.0.0.1:{sink.port}", {"x-api-key": "key"}).request("GET", path)
    assert [seen.headers["host"] for seen in sink.seen] == [f"127.0.0.1:{sink.port}"]


async def test_a_compressed_answer_is_unavailable_and_takes_no_memory(egress: Egress) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    async with listening(says(answer(200, bomb, content_encoding="gzip"))) as sink:
        with pytest.raises(ApiUnavailable, match="compressed"):
            await api(egress, sink).request("POST", "/webhooks", json={})


async def test_a_refusal_stays_one_though_its_words_are_compressed(egress: Egress) -> None:
    async with listening(says(answer(401, gzip.compress(b"{}"), content_encoding="gzip"))) as sink:
        with pytest.raises(CredentialRefused):
            await api(egress, sink).request("GET", "/webhooks")


async def test_an_address_that_may_not_be_reached_is_refused_and_not_tried_again() -> None:
    egress = Egress()
    async with listening() as sink:
        with pytest.raises(EgressRefused, match="GATEWAY_EGRESS_ALLOW"):
            await api(egress, sink).request("GET", "/webhooks")
    await egress.aclose()
    assert sink.connections == 0


async def test_the_cli_reaches_its_own_gateway_with_its_key_and_past_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening() as proxy, listening(says(answer(200, b'{"items":[]}'))) as sink:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        with gateway_client(f"http://127.0.0.1:{sink.port}", "gwk_1") as client:
            response = await asyncio.to_thread(client.get, "/v1/events")
    assert (response.json(), proxy.connections) == ({"items": []}, 0)
    assert sink.seen[0].headers["authorization"] == "Bearer gwk_1"


@pytest.mark.parametrize(
    ("headers", "date"),
    [
        ({"Date": "Sun, 22 Nov 2026 01:02:03 GMT"}, datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)),
        ({"Date": "yesterday"}, None),
        ({"Date": "Sun, 99 Nov 2026 01:02:03 GMT"}, None),
        ({"X_Date": "Sun, 22 Nov 2026 01:02:03 GMT"}, None),
    ],
)
async def test_an_answer_tells_its_providers_time(
    egress: Egress, headers: dict[str, str], date: datetime | None
) -> None:
    async with listening(says(answer(200, b"{}", **headers))) as sink:
        assert (await api(egress, sink).request("GET", "/webhooks")).date == date

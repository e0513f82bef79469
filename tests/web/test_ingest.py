"""`POST /in/{token}` answers as interface.md says, and keeps exactly what it says it keeps."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway.contract.errors import StoreUnavailable
from tests.web.conftest import Gateway

MADE = {"from": "talking", "booking": "b1", "word": "made"}


async def call(url: str, body: bytes, method: str = "POST", **headers: str) -> httpx.Response:
    """Call the inbound URL as a provider does: without a key."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as provider:
        return await provider.request(method, url, content=body, headers=headers)


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Read a problem, which must name neither itself nor what exists."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said: dict[str, Any] = answer.json()
    assert said["status"] == status
    assert "instance" not in said
    return said


async def rows(gateway: Gateway) -> tuple[int, int]:
    counts = await gateway.get("/v1/stats")
    kept = [counts["receipts"][status] for status in ("understood", "quarantined", "held", "discarded")]
    return sum(kept), counts["events"]


async def test_an_understood_call_is_accepted_and_its_repeat_is_a_duplicate(gateway: Gateway) -> None:
    url = (await gateway.connect())["inbound_url"]
    body = json.dumps(MADE).encode()
    first = (await call(url, body)).json()
    assert set(first) == {"status", "receipt", "events"}
    assert first["status"] == "accepted"
    assert (await call(url, body)).json() == {**first, "status": "duplicate"}
    respaced = json.dumps(MADE, indent=1).encode()
    again = (await call(url, respaced)).json()
    assert again["status"] == "duplicate", "other bytes, the same fact"
    assert again["events"] == first["events"]
    assert await rows(gateway) == (2, 1)


async def test_fifty_identical_calls_at_once_are_one_event(gateway: Gateway) -> None:
    url = (await gateway.connect())["inbound_url"]
    body = json.dumps(MADE).encode()
    answers = [a.json() for a in await asyncio.gather(*(call(url, body) for _ in range(50)))]
    assert sorted(a["status"] for a in answers) == ["accepted"] + ["duplicate"] * 49
    assert len({(a["receipt"], *a["events"]) for a in answers}) == 1
    assert await rows(gateway) == (1, 1)


async def test_what_nobody_understands_is_quarantined_and_understood_after_a_plugin_fix(gateway: Gateway) -> None:
    url = (await gateway.connect())["inbound_url"]
    gateway.talking.understands = False
    body = json.dumps(MADE).encode()
    said = (await call(url, body)).json()
    assert said["status"] == "quarantined"
    assert said["reason"] == "not_understood: not yet - at `$.booking`"
    assert (await call(url, body)).json()["receipt"] == said["receipt"], "kept once"
    gateway.talking.understands = True
    retried = await gateway.post(f"/v1/quarantine/{said['receipt']}/retry")
    assert retried["status"] == "accepted"
    assert (await gateway.get("/v1/quarantine"))["items"] == []
    assert [e["id"] for e in (await gateway.get("/v1/events"))["items"]] == retried["events"]


async def test_a_call_that_no_connection_recognises_is_quarantined_without_one(gateway: Gateway) -> None:
    url = (await gateway.connect())["inbound_url"]
    for body in (b"", b"{", b"null", b"[" * 100_000, b"\xff\xfe", b'{"from": "else"}', b"a=1&b=2"):
        said = (await call(url, body)).json()
        assert (said["status"], said["reason"]) == ("quarantined", "unrecognised")
        kept = await gateway.http.get(f"/v1/quarantine/{said['receipt']}/raw", params={"exact": "true"})
        assert kept.content == body, "byte for byte"
    assert {one["connection"] for one in (await gateway.get("/v1/quarantine"))["items"]} == {None}


async def test_ten_thousand_forged_calls_leave_nothing_but_a_count(gateway: Gateway) -> None:
    made = await gateway.connect("signing", signing_secret="a good secret")
    url, before = made["inbound_url"], await rows(gateway)
    async with httpx.AsyncClient(trust_env=False, timeout=60) as provider:

        async def forge(lane: int) -> None:
            for number in range(1250):
                signature = hmac.digest(b"a guess", b"%d" % number, hashlib.sha256).hex()
                answer = await provider.post(url, content=b"%d-%d" % (lane, number), headers={"x-signature": signature})
                assert answer.status_code == 401

        await asyncio.gather(*(forge(lane) for lane in range(8)))
    assert await rows(gateway) == before
    connection = await gateway.get(f"/v1/connections/{made['id']}")
    assert connection["rejected"] == 10_000
    assert connection["last_rejected_at"] is not None


@pytest.mark.parametrize(
    "header",
    [None, "", "0", "ä", "0" * 64, "sha256=" + "0" * 64],
    ids=["missing", "empty", "short", "not ASCII", "wrong", "prefixed"],
)
async def test_a_missing_or_wrong_signature_is_refused(gateway: Gateway, header: str | None) -> None:
    url = (await gateway.connect("signing", signing_secret="a good secret"))["inbound_url"]
    headers = {} if header is None else {"x-signature": header}
    async with httpx.AsyncClient(trust_env=False) as provider:
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        answer = await provider.post(url, content=b'{"from": "signing"}', headers=raw)
    problem(answer, 401)


async def test_a_signed_connection_beside_an_unsigned_one_takes_no_unsigned_call(gateway: Gateway) -> None:
    url = (await gateway.connect("signing", signing_secret="a good secret"))["inbound_url"]
    assert (await gateway.connect())["inbound_url"] == url, "one URL for both"
    problem(await call(url, b'{"from": "signing"}'), 401)
    assert (await call(url, json.dumps(MADE).encode())).json()["status"] == "accepted"


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", ""])
async def test_a_forger_gains_nothing_by_another_content_type(gateway: Gateway, kind: str) -> None:
    url = (await gateway.connect("signing", signing_secret="a good secret"))["inbound_url"]
    assert (await gateway.connect())["inbound_url"] == url, "one URL with an unsigned provider"
    problem(await call(url, b'{"from": "signing"}', **{"content-type": kind}), 401)
    assert await rows(gateway) == (0, 0)


async def test_refused_calls_are_said_once_a_minute_and_not_more(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    made = await gateway.connect("signing", signing_secret="a good secret")
    for _ in range(20):
        problem(await call(made["inbound_url"], b"{}"), 401)
    said = capsys.readouterr().out
    assert said.count("calls_refused") == 1
    assert made["id"] in said


async def test_other_methods_are_answered_without_reading_a_body(gateway: Gateway) -> None:
    url = (await gateway.connect())["inbound_url"]
    for method in ("GET", "HEAD"):
        answer = await call(url, b"", method)
        assert (answer.status_code, answer.content) == (200, b"")
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"):
        answer = await call(url, b"x", method)
        problem(answer, 405)
        assert answer.headers["allow"] == "POST, GET, HEAD"


async def test_an_unknown_a_malformed_and_a_removed_token_look_alike(gateway: Gateway) -> None:
    own = await gateway.connect("pasted", own_url=True)
    token = own["inbound_url"].rpartition("/")[2]
    await gateway.http.delete(f"/v1/connections/{own['id']}")
    base = f"{gateway.url}/in/"
    paths = [token, "x" * 43, "short", token + "/", token + "%2F", "..%2f" + token, "", "x" * 300, token[:-1] + "é"]
    said = [problem(await call(base + path, b"{}"), 404) for path in paths]
    assert all(one == said[0] for one in said)


async def test_a_body_over_the_cap_or_encoded_is_refused(gateway: Gateway) -> None:
    url = (await gateway.connect())["inbound_url"]
    cap = gateway.services.settings.max_body

    async def chunks() -> Any:
        for _ in range(cap // 65536 + 1):
            yield b"x" * 65536

    problem(await call(url, b"x" * (cap + 1)), 413)
    async with httpx.AsyncClient(trust_env=False, timeout=30) as provider:
        problem(await provider.post(url, content=chunks()), 413)
    problem(await call(url, b"x", **{"content-encoding": "gzip"}), 415)
    assert (await call(url, b"x" * cap, **{"content-encoding": "identity"})).status_code == 200
    assert (await rows(gateway))[0] == 1


async def test_storage_trouble_is_503_with_a_time_to_come_back(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = (await gateway.connect())["inbound_url"]

    def full(_make: object, _item: object, told: Callable[[Exception], None]) -> None:
        told(StoreUnavailable("the disk is full", retry_after=7))

    with monkeypatch.context() as patch:
        patch.setattr(gateway.store, "take_then", full)
        answer = await call(url, json.dumps(MADE).encode())
        problem(answer, 503)
        assert answer.headers["retry-after"] == "7"
    gateway.services.not_ready = "stopping"
    problem(await call(url, json.dumps(MADE).encode()), 503)
    gateway.services.not_ready = None
    assert (await call(url, json.dumps(MADE).encode())).json()["status"] == "accepted"


async def test_events_reach_the_log_with_where_they_came_from(gateway: Gateway) -> None:
    made = await gateway.connect()
    body = json.dumps(MADE).encode()
    said = (await call(made["inbound_url"], body, **{"content-type": "application/json"})).json()
    event = await gateway.get(f"/v1/events/{said['events'][0]}")
    origin = event["origin"]
    assert (origin["provider"], origin["connection"], origin["verification"]) == ("talking", made["id"], "token")
    assert origin["raw"]["sha256"] == hashlib.sha256(body).hexdigest()
    assert (origin["raw"]["size"], origin["raw"]["content_type"]) == (len(body), "application/json")
    assert event["key"] == event["data"]["booking"]["key"] == f"talking:{made['id']}:b1"
    raw = await gateway.http.get(origin["raw"]["href"], params={"exact": "true"})
    assert raw.content == body

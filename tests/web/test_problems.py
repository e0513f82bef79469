"""Every error is a problem: what is wrong, and where; never a value from the request."""

from typing import Any

import pytest

from gateway.contract.errors import StoreUnavailable
from tests.web.conftest import Gateway

CANARY = "hunter2-CANARY"


async def refused(gateway: Gateway, method: str, path: str, status: int, **request: Any) -> dict[str, Any]:
    answer = await gateway.http.request(method, path, **request)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["type"] == "about:blank"
    assert problem["title"]
    assert problem["detail"]
    return problem


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", ""),
        (b"nonsense", ""),
        (b"\xff\xfe", ""),
        (b"[" * 20_000, ""),
        (b"[]", ""),
        (b"null", ""),
        (b"{}", "url"),
        (b'{"url": 5}', "url"),
        (b'{"url": "https://a.example", "more": 1}', "more"),
        (b'{"url": "https://a.example", "types": []}', "types"),
        (b'{"url": "https://a.example", "types": ["a", 5]}', "types[1]"),
        (b'{"url": "https://a.example", "rate": "5"}', "rate"),
        (b'{"url": "https://a.example", "rate": 0}', "rate"),
        (b'{"url": "https://a.example", "format": "hunter2-CANARY"}', "format"),
        (b'{"url": "https://a.example", "headers": {"x": 1}}', "headers[...]"),
    ],
)
async def test_a_body_that_is_wrong_names_the_path(gateway: Gateway, body: bytes, field: str) -> None:
    problem = await refused(gateway, "POST", "/v1/destinations", 400, content=body)
    assert [error["field"] for error in problem["errors"]] == [field]
    assert problem["errors"][0]["message"]
    assert CANARY not in str(problem)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/events?limit=0", "limit"),
        ("/v1/events?limit=501", "limit"),
        ("/v1/events?limit=many", "limit"),
        ("/v1/events?wait=61", "wait"),
        ("/v1/events?typo=1", "typo"),
        ("/v1/events?limit=1&limit=2", "limit"),
        ("/v1/deliveries?status=hunter2-CANARY", "status"),
        ("/v1/url?typo=1", "typo"),
        ("/v1/events?types=hunter2-CANARY", "types[0]"),
    ],
)
async def test_a_query_that_is_wrong_names_the_parameter(gateway: Gateway, path: str, field: str) -> None:
    problem = await refused(gateway, "GET", path, 400)
    assert [error["field"] for error in problem["errors"]] == [field]
    assert CANARY not in str(problem)


async def test_an_empty_parameter_counts_as_not_given(gateway: Gateway) -> None:
    await gateway.get("/v1/events?after=&types=&provider=&connection=&booking=&limit=&wait=")


@pytest.mark.parametrize("path", ["/v1/events/evt_x", "/v1/nothing", "/nothing", "/v1/events/%2e%2e", "/v1"])
async def test_what_is_not_there_is_404(gateway: Gateway, path: str) -> None:
    await refused(gateway, "GET", path, 404)


async def test_a_method_that_is_not_taken_is_405_and_says_which_are(gateway: Gateway) -> None:
    answer = await gateway.http.put("/v1/events")
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_body_that_is_too_large_is_413(gateway: Gateway) -> None:
    await refused(gateway, "POST", "/v1/destinations", 413, content=b" " * 300_000)


@pytest.mark.parametrize("headers", [{"content-type": "text/xml"}, {"content-encoding": "gzip"}])
async def test_a_body_in_another_form_is_415(gateway: Gateway, headers: dict[str, str]) -> None:
    await refused(gateway, "POST", "/v1/destinations", 415, content=b"{}", headers=headers)


async def test_trouble_with_the_store_is_503_and_says_when_to_come_back(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails() -> Any:
        raise StoreUnavailable(f"disk full at /{CANARY}", retry_after=9)

    monkeypatch.setattr(gateway.store, "destinations", fails)
    answer = await gateway.http.get("/v1/destinations")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "9")
    assert CANARY not in answer.text


async def test_what_nobody_expected_is_500_without_a_word_of_it(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails() -> Any:
        raise ValueError(CANARY)

    monkeypatch.setattr(gateway.store, "destinations", fails)
    problem = await refused(gateway, "GET", "/v1/destinations", 500)
    assert CANARY not in str(problem)

"""/openapi.json and /docs: true to what really happens."""

import re
from typing import Any

import httpx
import msgspec
import pytest

from gateway.contract.events import EVENT_TYPES
from gateway.web.api.openapi import document
from gateway.web.app import create_app
from tests.web.conftest import Gateway
from tests.web.test_auth import ROUTES


@pytest.fixture
async def described(gateway: Gateway) -> Any:
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as nobody:
        answer = await nobody.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def operations(described: Any) -> dict[tuple[str, str], Any]:
    return {
        (method.upper(), re.sub(r"\{[^}]*\}", "{}", path)): operation
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }


async def test_every_call_is_described_with_its_scope(described: Any) -> None:
    assert described["openapi"] == "3.1.0"
    found = operations(described)
    assert {route: operation["security"] for route, operation in found.items()} == {
        route: [{"key": [scope]}] for route, scope in ROUTES.items()
    }
    assert len({operation["operationId"] for operation in found.values()}) == len(found)
    assert all(operation["summary"] for operation in found.values())


async def test_every_reference_leads_somewhere(described: Any) -> None:
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', msgspec.json.encode(described).decode()))
    assert names <= set(described["components"]["schemas"])
    assert described["components"]["securitySchemes"] == {"key": {"type": "http", "scheme": "bearer"}}


async def test_every_call_declares_its_problems(described: Any) -> None:
    for (_, path), operation in operations(described).items():
        problems = {status for status in operation["responses"] if status >= "400"}
        assert problems >= {"400", "401", "403", "500", "503"}
        assert ("404" in problems) == ("{}" in path)
        assert all("application/problem+json" in operation["responses"][status]["content"] for status in problems)


async def test_bodies_and_queries_say_what_is_really_refused(described: Any) -> None:
    schemas, found = described["components"]["schemas"], operations(described)
    new = schemas["NewDestination"]
    assert (new["required"], new["additionalProperties"]) == (["url"], False)
    assert new["properties"]["format"]["enum"] == ["cloudevents", "standard"]
    assert new["properties"]["types"]["minItems"] == 1
    limit = next(p for p in found["GET", "/v1/events"]["parameters"] if p["name"] == "limit")
    assert (limit["schema"]["minimum"], limit["schema"]["maximum"], limit["schema"]["default"]) == (1, 500, 50)
    assert found["POST", "/v1/destinations"]["requestBody"]["required"] is True
    assert found["POST", "/v1/deliveries/retry"]["requestBody"]["required"] is False
    assert "requestBody" not in found["POST", "/v1/destinations/{}/pause"]


async def test_an_answer_has_the_keys_that_are_described(described: Any, gateway: Gateway) -> None:
    made = await gateway.connect()
    assert set(made) == set(described["components"]["schemas"]["ConnectionView"]["required"])
    answer = (await gateway.http.get("/v1/nothing")).json()
    assert set(answer) >= set(described["components"]["schemas"]["Problem"]["required"])


async def test_the_page_for_people_needs_nothing_from_elsewhere(gateway: Gateway) -> None:
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as nobody:
        answer = await nobody.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "<script" not in answer.text
    assert not re.findall(r"(?:src|href)=[\"']?(?:https?:)?//", answer.text)
    for method, path in ROUTES:
        shown = re.escape(path).replace(r"\{\}", r"\{\w+\}")
        assert re.search(rf"<code>{method} {shown}</code>", answer.text), (method, path)
    anchors = set(re.findall(r'id="([^"]+)"', answer.text))
    assert set(re.findall(r'href="#([^"]+)"', answer.text)) <= anchors


async def test_the_document_is_the_same_each_time(gateway: Gateway) -> None:
    assert document(create_app(gateway.services)) == document(create_app(gateway.services))


async def test_the_schema_of_each_event_type_is_served_to_anybody(gateway: Gateway) -> None:
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as anybody:
        for name in (*EVENT_TYPES, "event"):
            answer = await anybody.get(f"/schemas/1.0/{name}.json")
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/schema+json"
            assert answer.json()["$id"] == f"/schemas/1.0/{name}.json"
        for wrong in ("1.0/nothing.json", "0.9/event.json", "1.0/event", "1.0/.json"):
            assert (await anybody.get(f"/schemas/{wrong}")).status_code == 404

"""/openapi.json and /docs: true to what really happens."""

import importlib
import inspect
import re
from typing import Any, get_args

import httpx
import jsonschema_rs
import msgspec
import pytest

from gateway.contract.events import EVENT_TYPES, RESERVED
from gateway.web.api.openapi import document
from gateway.web.api.page import GROUPS, example
from gateway.web.api.samples import sample
from gateway.web.app import create_app
from gateway.web.auth import MEANINGS
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


async def test_every_group_of_calls_has_its_place_on_the_page(described: Any) -> None:
    tags = {operation["tags"][0] for operation in operations(described).values()}
    assert tags == {tag for tags in GROUPS.values() for tag in tags}


async def test_the_page_says_what_each_call_takes_and_answers(gateway: Gateway) -> None:
    text = (await gateway.http.get("/docs")).text
    section = text.partition('id="create_destination"')[2].partition("</section>")[0]
    for said in (
        "Needs the scope <code>config:write</code>",
        "1 to 2048 characters",
        "<code>cloudevents</code>, <code>standard</code>",
        "requests a second; at most 10000; more than 0",
        "201</strong> Created",
        "https://crm.example.com/hooks",
        "&#34;secret&#34;: &#34;whsec_...&#34;",
    ):
        assert said in section, said
    assert "{&#34;" not in re.sub(r"<pre.*?</pre>", "", text, flags=re.DOTALL), "no raw schema is left"
    for scope, meaning in MEANINGS.items():
        assert f"<code>{scope}</code></td><td>{meaning}" in text


def handlers() -> list[Any]:
    names = [name for tags in GROUPS.values() for name in tags if name != "stream"]  # which takes no body
    return [one for name in names for one in importlib.import_module(f"gateway.web.api.{name}").HANDLERS]


async def test_every_body_on_the_page_is_one_that_the_call_takes(described: Any) -> None:
    components = described["components"]["schemas"]
    by_name = {handler.fn.__name__: inspect.signature(handler.fn).parameters for handler in handlers()}
    shown = 0
    for operation in operations(described).values():
        if "requestBody" in operation:
            body = example(operation["requestBody"]["content"]["application/json"]["schema"], components)
            (kind,) = get_args(by_name[operation["operationId"]]["given"].annotation)[:1]
            assert msgspec.convert(body, kind) is not None
            shown += 1
    assert shown > 10


async def test_every_answer_on_the_page_fits_its_schema(described: Any) -> None:
    for operation in operations(described).values():
        for answer in operation["responses"].values():
            schema = answer.get("content", {}).get("application/json", {}).get("schema")
            if schema is not None:
                whole = {**schema, "components": described["components"]}
                made = sample(schema, described["components"]["schemas"], whole=True)
                assert jsonschema_rs.is_valid(whole, made), (operation["operationId"], made)


async def test_the_document_is_the_same_each_time(gateway: Gateway) -> None:
    assert document(create_app(gateway.services)) == document(create_app(gateway.services))


async def test_the_schema_of_each_event_type_is_served_to_anybody(gateway: Gateway) -> None:
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as anybody:
        for name in (*EVENT_TYPES, "event"):
            answer = await anybody.get(f"/schemas/1.0/{name}.json")
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/schema+json"
            assert answer.json()["$id"] == f"/schemas/1.0/{name}.json"
        listed = (await anybody.get("/schemas")).json()
        assert (listed["latest"], listed["reserved"]) == ("1.0", sorted(RESERVED))
        assert set(listed["versions"]["1.0"]) == {"event", *EVENT_TYPES}
        for address in listed["versions"]["1.0"].values():
            assert (await anybody.get(address)).status_code == 200
        for wrong in ("1.0/nothing.json", "0.9/event.json", "1.0/event", "1.0/.json"):
            assert (await anybody.get(f"/schemas/{wrong}")).status_code == 404

"""/asyncapi.json: what consumers are told is what they get."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from gateway.contract.events import EVENT_TYPES
from gateway.contract.schema import json_schema, json_schema_of_all
from gateway.web.api.asyncapi import REFS, document
from tests.web.conftest import Consumer, Gateway

NAMED_BY = {"channel": "#/channels/", "payload": "#/components/schemas/"}


def refs(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Find every reference, and the field that holds it."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield name, value["$ref"]
        for key, inner in value.items():
            yield from refs(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from refs(inner, name)


def follow(root: Any, ref: str) -> Any:
    assert ref.startswith("#/")
    for part in ref[2:].split("/"):
        root = root[part]
    return root


def test_every_reference_leads_to_what_its_field_is_about() -> None:
    described = document()
    found = list(refs(described))
    assert len(found) > len(EVENT_TYPES) * 5
    for name, ref in found:
        follow(described, ref)
        assert ref.startswith(NAMED_BY.get(name, "#/"))


def test_an_operation_sends_what_its_channel_carries() -> None:
    described = document()
    for operation in described["operations"].values():
        channel = operation["channel"]["$ref"]
        assert operation["action"] == "send"
        assert {ref["$ref"] for ref in operation["messages"]} == {f"{channel}/messages/{name}" for name in EVENT_TYPES}
        assert set(follow(described, channel)["messages"]) == set(EVENT_TYPES)


def test_every_schema_obeys_json_schema() -> None:
    for schema in [*document()["components"]["schemas"].values(), json_schema_of_all(), *map(json_schema, EVENT_TYPES)]:
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def test_every_message_says_what_it_is() -> None:
    for name, message in document()["components"]["messages"].items():
        assert (message["name"], message["title"]) == (name, EVENT_TYPES[name].__name__)
        assert message["contentType"] == "application/json"


async def test_it_is_served_to_anybody(gateway: Gateway) -> None:
    answer = await gateway.http.get("/asyncapi.json", headers={"authorization": ""})
    assert (answer.status_code, answer.json()) == (200, document())


@pytest.mark.parametrize("word", ["made", "gone"])
async def test_a_delivery_is_as_described(gateway: Gateway, consumer: Consumer, word: str) -> None:
    await gateway.connect()
    await gateway.post("/v1/destinations", {"url": consumer.url}, 201)
    url = (await gateway.get("/v1/url"))["inbound_url"]
    (event,) = (await gateway.says(url, booking="b1", word=word))["events"]
    body = msgspec.json.decode((await gateway.http.get(f"/v1/events/{event}")).content)
    described = document()
    message = described["components"]["messages"][body["type"]]
    whole = {"components": described["components"]}
    jsonschema_rs.validator_for({**message["payload"], **whole}, validate_formats=True).validate(body)
    wrong = {**body, "timestamp": 5}
    assert not jsonschema_rs.validator_for({**message["payload"], **whole}).is_valid(wrong)
    assert message["payload"]["$ref"] == REFS.format(name=EVENT_TYPES[body["type"]].__name__)
    stated = {
        "webhook-id": event,
        "webhook-timestamp": "1767225600",
        "webhook-signature": "v1,aGVsbG8= v1,aGVsbG8h",
    }
    jsonschema_rs.validator_for(message["headers"]).validate(stated)

"""Events about the gateway itself: real events, the same id for the same change."""

from typing import Any

import msgspec
from msgspec.structs import replace

from gateway.contract.events import (
    ConnectionState,
    GatewayConnectionChanged,
    GatewayDestinationPaused,
    decode_event,
    event_id,
)
from gateway.contract.schema import json_schema
from gateway.pipeline.announce import connection_changed, destination_paused
from gateway.pipeline.render import render
from gateway.store.model import Connection, Destination, NewEvent

AT = 1_800_000_000_123
CONNECTION = Connection(
    id="con_1", provider="meetergo", name="Main office", status="needs_repair", created_at=0, version=4
)
DESTINATION = Destination(
    id="dst_1", name="crm", url="https://crm.example", paused=True, paused_reason="gone", created_at=0, version=2
)


def changed(**changes: Any) -> NewEvent:
    return connection_changed(CONNECTION, "active", AT, **({"reason": "401: key of jo@example.com"} | changes))


def test_a_changed_connection_is_an_event_that_consumers_can_read() -> None:
    made = changed()
    event = decode_event(made.body)
    assert isinstance(event, GatewayConnectionChanged)
    data = event.data
    assert (data.connection, data.provider, data.name, data.silent) == ("con_1", "meetergo", "Main office", False)
    assert (data.status, data.previous_status) == (ConnectionState.NEEDS_REPAIR, ConnectionState.ACTIVE)
    assert (event.origin.provider, event.origin.connection, event.key, made.key) == ("gateway", "con_1", None, None)
    assert (event.id, event.type) == (event_id(made.id), made.type)
    assert (made.timestamp, event.timestamp.timestamp()) == (AT, AT / 1000)


def test_a_paused_destination_is_an_event_that_consumers_can_read() -> None:
    event = decode_event(destination_paused(DESTINATION, AT).body)
    assert isinstance(event, GatewayDestinationPaused)
    assert msgspec.to_builtins(event.data) == {"destination": "dst_1", "name": "crm", "reason": "gone"}


def test_the_same_change_has_the_same_id_whenever_it_is_told() -> None:
    later = connection_changed(CONNECTION, "active", AT + 5, reason="told again")
    assert later.id == changed().id
    others = {
        changed(change="silent:7").id,
        connection_changed(replace(CONNECTION, version=5), "active", AT).id,
        connection_changed(replace(CONNECTION, id="con_2"), "active", AT).id,
        destination_paused(DESTINATION, AT).id,
        destination_paused(replace(DESTINATION, version=3), AT).id,
        later.id,
    }
    assert len(others) == 6


def test_a_thin_profile_drops_what_a_provider_said_and_keeps_the_state() -> None:
    body = render(changed().body, "standard", "thin")
    data = msgspec.json.decode(body)["data"]
    assert b"jo@example.com" not in body
    assert (data["status"], data["name"], data["reason"]) == ("needs_repair", "Main office", None)


def test_a_cloudevent_names_the_gateway_as_its_source() -> None:
    event = msgspec.json.decode(render(changed().body, "cloudevents", "full", "https://hooks.example.com"))
    assert event["source"] == "/providers/gateway/connections/con_1"
    assert event["type"] == "gateway.connection_changed"
    assert event["dataschema"] == "https://hooks.example.com/schemas/1.0/gateway.connection_changed.json"
    assert "partitionkey" not in event


def test_what_is_sent_has_the_published_keys() -> None:
    for made in (changed(), destination_paused(DESTINATION, AT)):
        schema = json_schema(made.type)
        sent = msgspec.json.decode(made.body)
        assert list(sent) == schema["required"]
        name = schema["properties"]["data"]["$ref"].rpartition("/")[2]
        assert list(sent["data"]) == schema["$defs"][name]["required"]

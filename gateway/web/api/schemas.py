"""/schemas: the canonical events as JSON Schema, for whoever asks."""

import json
from functools import cache
from typing import Any

from litestar import Response, get

from gateway.contract.events import EVENT_TYPES, RESERVED, SCHEMA_VERSION
from gateway.contract.schema import json_schema, json_schema_of_all
from gateway.web.api.reading import Id
from gateway.web.problems import missing

ANY = "event"
"""The name of the schema that any event fits."""


@get("/schemas", media_type="application/json", sync_to_thread=False)
def list_schemas() -> dict[str, Any]:
    """List the versions and, of each, the event types with their addresses; `reserved` are those nothing sends yet."""
    types = {name: f"/schemas/{SCHEMA_VERSION}/{name}.json" for name in (ANY, *EVENT_TYPES)}
    return {"latest": SCHEMA_VERSION, "versions": {SCHEMA_VERSION: types}, "reserved": sorted(RESERVED)}


@get("/schemas/{version:str}/{name:str}", media_type="application/schema+json", sync_to_thread=False)
def show_schema(version: Id, name: Id) -> Response[bytes]:
    """Serve the JSON Schema of one event type, such as `/schemas/1.0/booking.scheduled.json`, or of any (`event`)."""
    event_type = name.removesuffix(".json")
    known = version == SCHEMA_VERSION and name.endswith(".json") and event_type in (*EVENT_TYPES, ANY)
    if not known:
        raise missing(f"schema: /schemas lists those of version {SCHEMA_VERSION}")
    return Response(_schema(event_type), media_type="application/schema+json")


@cache
def _schema(event_type: str) -> bytes:
    """Make it once, in some ten milliseconds: anybody may ask."""
    schema = json_schema_of_all() if event_type == ANY else json_schema(event_type)
    return json.dumps(schema).encode()

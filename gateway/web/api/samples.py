"""Made-up values that fit a schema, for the examples on /docs."""

from collections.abc import Mapping
from typing import Any

WHEN = "2026-03-01T09:30:00Z"
KNOWN: Mapping[str, Any] = {
    "after": "120",
    "booking": "meetergo:con_06f2s4k1b3vq5t7w9x0y2z4a6c:appt-1",
    "connection": "con_06f2s4k1b3vq5t7w9x0y2z4a6c",
    "credentials": {"api_key": "..."},
    "destination": "dst_06f2s4k1b3vq5t7w9x0y2z4a6c",
    "email": "ada@example.com",
    "event": "evt_3g5h7j2k4l6m3n5p7q2r4s6t3u5v7w2x",
    "event_type": "booking.scheduled",
    "headers": {"x-team": "sales"},
    "id": "...",
    "inbound_url": "https://hooks.example.com/in/...",
    "key": "...",
    "name": "Sales",
    "next": None,
    "provider": "meetergo",
    "receipt": "rcp_06f2s4k1b3vq5t7w9x0y2z4a6c",
    "secret": "whsec_...",
    "settings": {},
    "types": ["booking.*"],
    "url": "https://crm.example.com/hooks",
}
"""What is shown for a field of a name, wherever it fits."""
DEEPEST = 4
Json = dict[str, Any]


def sample(schema: Json, components: Json, *, whole: bool, name: str = "", depth: int = 0) -> Any:
    """Make a value of a schema. `whole`: with every field, as in answers; else with what has to be given."""
    if "$ref" in schema:
        schema = components[schema["$ref"].rpartition("/")[2]]
        return _object(schema, components, whole=whole, depth=depth + 1)
    if "anyOf" in schema:
        options = [option for option in schema["anyOf"] if option.get("type") != "null"]
        known = KNOWN.get(name, ...)
        empty = (known is None or depth > DEEPEST) and len(options) < len(schema["anyOf"])
        return None if empty else sample(options[0], components, whole=whole, name=name, depth=depth)
    if "enum" in schema:
        return schema.get("default", schema["enum"][0])
    return _plain(schema, components, whole=whole, name=name, depth=depth)


def _object(schema: Json, components: Json, *, whole: bool, depth: int) -> Json:
    properties, required = schema.get("properties", {}), schema.get("required", ())
    chosen = [name for name in properties if whole or name in required]
    return {name: sample(properties[name], components, whole=whole, name=name, depth=depth) for name in chosen}


def _plain(schema: Json, components: Json, *, whole: bool, name: str, depth: int) -> Any:
    known = KNOWN.get(name)
    match schema.get("type"):
        case "string":
            return WHEN if schema.get("format") == "date-time" else known if isinstance(known, str) else "..."
        case "array":
            made = _list(schema, components, whole=whole, depth=depth)
            return known if isinstance(known, list) else made
        case "object":
            return known if isinstance(known, dict) else {}
        case "boolean":
            return schema.get("default", False)
        case "integer" | "number":
            return schema.get("default", max(schema.get("minimum", 1), 1))
    return None


def _list(schema: Json, components: Json, *, whole: bool, depth: int) -> list[Any]:
    if depth > DEEPEST or "items" not in schema:
        return []
    return [sample(schema["items"], components, whole=whole, depth=depth + 1)]

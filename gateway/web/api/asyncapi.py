"""/asyncapi.json: what consumers receive, as an AsyncAPI 3.0 document, from the same structs as the events themselves.

https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

import json
from functools import cache
from typing import Any

from litestar import Response, get

from gateway import __version__
from gateway.contract.events import EVENT_TYPES
from gateway.contract.schema import schemas
from gateway.web.api.openapi import Json

REFS = "#/components/schemas/{name}"

DELIVERIES = """
Every event goes to the URL of every destination that subscribed to it: at least once, in order for each booking.
Answer 2xx within the timeout; 410 pauses the destination, anything else is tried again on the schedule.
"""
STREAM = """
The same events for whoever asks with a key (scope `events:read`), as server-sent events: `id` is the cursor, `event`
the type, `data` the payload. The header `Last-Event-ID` goes on where a reader was.
"""
HEADERS = {
    "type": "object",
    "description": "Standard Webhooks 1.0: any of its libraries verifies a delivery.",
    "required": ["webhook-id", "webhook-timestamp", "webhook-signature"],
    "properties": {
        "webhook-id": {
            "type": "string",
            "pattern": "^evt_[a-z2-7]{32}$",
            "description": "the event's id: the same one however often the event is sent",
        },
        "webhook-timestamp": {
            "type": "string",
            "pattern": "^[0-9]+$",
            "description": "seconds since 1970-01-01 (UTC) of this attempt",
        },
        "webhook-signature": {
            "type": "string",
            "pattern": "^v1,[A-Za-z0-9+/]+=*( v1,[A-Za-z0-9+/]+=*)*$",
            "description": "one signature for each live secret of the destination",
        },
    },
}


@get("/asyncapi.json", media_type="application/json", sync_to_thread=False)
def asyncapi_json() -> Response[bytes]:
    """Serve the AsyncAPI document."""
    return Response(_document(), media_type="application/json")


@cache
def _document() -> bytes:
    """Make it once: anybody may ask."""
    return json.dumps(document()).encode()


def document() -> Json:
    """Describe everything that consumers receive."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Booking webhook gateway: events",
            "version": __version__,
            "description": "One canonical booking event, whatever scheduler it came from.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "deliveries": _channel(None, "Deliveries to destinations", DELIVERIES),
            "stream": _channel("/v1/events/stream", "Stream of events", STREAM),
        },
        "operations": {
            "deliver": _operation("deliveries", "POST", "Deliver an event"),
            "stream": _operation("stream", "GET", "Stream events"),
        },
        "components": {
            "messages": {name: _message(name, kind) for name, kind in EVENT_TYPES.items()},
            "schemas": schemas(REFS),
        },
    }


def _channel(address: str | None, title: str, description: str) -> Json:
    """Make a channel. The address of a delivery is not known: each consumer sets its own."""
    messages = {name: {"$ref": f"#/components/messages/{name}"} for name in EVENT_TYPES}
    return {"address": address, "title": title, "description": _line(description), "messages": messages}


def _operation(channel: str, method: str, title: str) -> Json:
    return {
        "action": "send",
        "title": title,
        "channel": {"$ref": f"#/channels/{channel}"},
        "bindings": {"http": {"method": method, "bindingVersion": "0.3.0"}},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in EVENT_TYPES],
    }


def _message(name: str, kind: type[Any]) -> Json:
    return {
        "name": name,
        "title": kind.__name__,
        "contentType": "application/json",
        "headers": HEADERS,
        "payload": {"$ref": REFS.format(name=kind.__name__)},
    }


def _line(text: str) -> str:
    return " ".join(text.split())

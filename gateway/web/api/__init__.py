"""/v1, and its documentation."""

from litestar import Router
from litestar.di import Provide

from gateway.web import stream
from gateway.web.api import (
    asyncapi,
    audit,
    catching_up,
    connections,
    deliveries,
    destinations,
    docs,
    encryption,
    erase,
    events,
    inbound,
    keys,
    latest_call,
    metrics,
    providers,
    quarantine,
    reading,
    repairs,
    schemas,
    stats,
)
from gateway.web.api.auditing import auditing
from gateway.web.auth import authorize

SCHEMAS = (schemas.list_schemas, schemas.show_schema)


def api_router() -> Router:
    """Make the routes under /v1, and those that describe them."""
    areas = (
        providers,
        connections,
        repairs,
        catching_up,
        latest_call,
        destinations,
        events,
        deliveries,
        quarantine,
        keys,
        stats,
        inbound,
        stream,
        erase,
        encryption,
        audit,
    )
    v1 = Router(
        "/v1",
        route_handlers=[handler for area in areas for handler in area.HANDLERS],
        guards=[authorize, reading.no_stray_query],
        before_request=reading.no_stray_body,
        middleware=[auditing],
        dependencies={
            reading.GIVEN: Provide(reading.given),
            reading.ASKED: Provide(reading.asked),
        },
        request_max_body_size=reading.MAX_BODY,
        # answers hold secrets that are shown once, and bytes that others chose
        response_headers={"cache-control": "no-store", "x-content-type-options": "nosniff"},
    )
    return Router(
        "/", route_handlers=[v1, docs.openapi_json, asyncapi.asyncapi_json, *SCHEMAS, docs.docs, metrics.metrics]
    )

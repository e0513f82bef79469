"""The dashboard at `/`: pages for whoever runs the gateway, rendered here, working without a script."""

from litestar import Router
from litestar.exceptions import HTTPException

from gateway.contract.errors import StoreUnavailable
from gateway.web.api.reading import MAX_BODY
from gateway.web.dashboard import (
    audit,
    connections,
    deliveries,
    destinations,
    door,
    erase,
    errors,
    events,
    held,
    inbound,
    keys,
    overview,
    quarantine,
    repairs,
    static,
)
from gateway.web.dashboard.calls import REFUSALS


def dashboard_router() -> Router:
    """Make the pages; all but the door need a session, and whatever changes something a form of ours."""
    areas = (
        overview,
        events,
        deliveries,
        quarantine,
        held,
        connections,
        repairs,
        destinations,
        keys,
        inbound,
        audit,
        erase,
    )
    inside = Router(
        "/",
        route_handlers=[door.sign_out, *(handler for area in areas for handler in area.HANDLERS)],
        guards=[door.signed_in],
    )
    return Router(
        "/",
        route_handlers=[inside, static.serve, *door.HANDLERS],
        before_request=door.checked,
        request_max_body_size=MAX_BODY,
        exception_handlers={
            door.NotSignedIn: door.turn_away,
            HTTPException: errors.refused,
            StoreUnavailable: errors.cannot_store,
            Exception: errors.unexpected,
            **dict.fromkeys(REFUSALS, errors.refused),
        },
    )

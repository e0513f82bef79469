"""The dashboard at `/`: pages for whoever runs the gateway, rendered here, working without a script."""

from http import HTTPStatus
from typing import Any

from litestar import Request, Response, Router
from litestar.exceptions import HTTPException

from gateway.contract.errors import StoreUnavailable
from gateway.web import problems
from gateway.web.api.reading import MAX_BODY, Asker
from gateway.web.dashboard import (
    audit,
    connections,
    deliveries,
    destinations,
    door,
    erase,
    events,
    held,
    inbound,
    keys,
    overview,
    quarantine,
    repairs,
    static,
)
from gateway.web.dashboard.calls import REFUSALS, why
from gateway.web.dashboard.pages import html
from gateway.web.problems import DETAILS, Refusal


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
            HTTPException: _refused,
            StoreUnavailable: _cannot_store,
            Exception: _unexpected,
            **dict.fromkeys(REFUSALS, _refused),
        },
    )


def _refused(_: Asker, error: Exception) -> Response[Any]:
    status = error.status_code if isinstance(error, HTTPException) else 409
    known = isinstance(error, Refusal) or not isinstance(error, HTTPException)
    detail = why(error) if known else DETAILS.get(status, HTTPStatus(status).description)
    return _error(status, detail)


def _cannot_store(_: Asker, error: StoreUnavailable) -> Response[Any]:
    return _error(503, f"The store cannot be used now: {error}. Nothing that was accepted is lost. Try again soon.")


def _unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    problems.log_unexpected(request, error)
    return _error(500, DETAILS[500])


def _error(status: int, detail: str) -> Response[bytes]:
    return html("error.html", {"title": HTTPStatus(status).phrase, "detail": detail}, status=status)

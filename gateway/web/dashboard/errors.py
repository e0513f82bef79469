"""What a browser is shown in place of a page: what is wrong, in words, and the bar to go on from."""

from http import HTTPStatus
from typing import Any, Final

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from gateway.contract.errors import StoreUnavailable
from gateway.web import naming, problems
from gateway.web.api.reading import Asker, wired
from gateway.web.dashboard import door
from gateway.web.dashboard.calls import why
from gateway.web.dashboard.pages import frame, html
from gateway.web.problems import DETAILS, Refusal

FOR_PROGRAMS: Final = frozenset(
    {"v1", "in", "schemas", "docs", "openapi.json", "asyncapi.json", "metrics", "live", "ready"}
)
"""Beginnings of addresses that are no pages, whoever asks."""
LOST: Final = {
    404: "There is no such page. It may have been moved, or its address was cut off.",
    405: "This address only takes what a form on a page sends.",
}


def wanted(request: Asker) -> bool:
    """Tell whether a browser asks for a page, and not a program for an answer."""
    return "text/html" in request.headers.get("accept", "") and request.url.path.split("/")[1] not in FOR_PROGRAMS


def lost(request: Asker, error: HTTPException) -> Response[Any]:
    """Answer who asks for a page that there is not."""
    status = error.status_code
    return _page(request, status, LOST.get(status, DETAILS[404]), error.headers)


def refused(request: Asker, error: Exception) -> Response[Any]:
    """Say why something is not done."""
    status = error.status_code if isinstance(error, HTTPException) else 409
    known = isinstance(error, Refusal) or not isinstance(error, HTTPException)
    detail = why(error) if known else DETAILS.get(status, HTTPStatus(status).description)
    return _page(request, status, detail)


def cannot_store(request: Asker, error: StoreUnavailable) -> Response[Any]:
    """Say that nothing can be read now, and that nothing is lost for that."""
    detail = f"The store cannot be used now: {error}. Nothing that was accepted is lost. Try again soon."
    return _page(request, 503, detail, {"retry-after": str(error.retry_after)})


def unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Say that it is our fault, and what to look for in the log."""
    problems.log_unexpected(request, error)
    name = structlog.contextvars.get_contextvars().get(naming.FIELD)
    return _page(request, 500, DETAILS[500] + (f" Look there for {name}." if name else ""))


def _page(request: Asker, status: int, detail: str, headers: dict[str, str] | None = None) -> Response[Any]:
    session = door.who(wired(request), request.cookies)
    shown = {"title": HTTPStatus(status).phrase, "detail": detail, **frame(request, session)}
    return html("error.html", shown, status=status, headers=headers)

"""What Litestar answers: all but the inbound URL, which is answered before it (exchange.py)."""

from typing import Any, Final

from litestar import Litestar, Response, get
from litestar.datastructures import State
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException

from gateway.web import problems
from gateway.web.api import api_router
from gateway.web.api.reading import Asker
from gateway.web.dashboard import dashboard_router, errors
from gateway.web.naming import naming
from gateway.web.services import Services

NO_SUCH: Final = (NotFoundException, MethodNotAllowedException)
"""What is raised where no route is: a browser is answered with a page, a program with a problem."""


def create_app(services: Services) -> Litestar:
    """Make the probes, /v1 and the dashboard. The services are made and closed by whoever calls (server.py)."""

    @get("/live", include_in_schema=False, sync_to_thread=False)
    def live() -> dict[str, str]:
        return {"status": "live"}

    @get("/ready", include_in_schema=False, sync_to_thread=False)
    def ready() -> Response[dict[str, object]]:
        failing = services.loops.failing
        reason = services.not_ready or failing.get("store")
        if reason is None:  # a loop that fails delays what was accepted, and keeps nobody from accepting more
            return Response({"status": "ready", **({"failing": failing} if failing else {})})
        return Response({"status": "not ready", "reason": reason}, status_code=503)

    def lost(request: Asker, error: HTTPException) -> Response[Any]:
        return errors.lost(request, error) if errors.wanted(request) else problems.framework(request, error)

    return Litestar(
        route_handlers=[live, ready, api_router(), dashboard_router()],
        middleware=[naming],
        exception_handlers={**problems.exception_handlers, **dict.fromkeys(NO_SUCH, lost)},
        openapi_config=None,  # api/openapi.py and api/docs.py take its place, and say why
        state=State({"services": services}),
        logging_config=None,
        debug=False,
    )

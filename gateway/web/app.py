"""The Litestar application: the inbound URL, the two probes, and /v1."""

from litestar import Litestar, Response, get
from litestar.datastructures import State
from litestar.handlers import asgi
from litestar.types import Receive, Scope, Send

from gateway.web.api import api_router, exception_handlers, openapi_config
from gateway.web.ingest import Ingest
from gateway.web.services import Services


def create_app(services: Services) -> Litestar:
    """Wire the routes. The services are made and closed by whoever calls (server.py, tests)."""
    ingest = Ingest(services)

    @asgi("/in", is_mount=True, copy_scope=False)
    async def inbound(scope: Scope, receive: Receive, send: Send) -> None:
        await ingest(scope, receive, send)

    @get("/live", include_in_schema=False, sync_to_thread=False)
    def live() -> dict[str, str]:
        return {"status": "live"}

    @get("/ready", include_in_schema=False, sync_to_thread=False)
    def ready() -> Response[dict[str, str]]:
        reason = services.not_ready
        if reason is None:
            return Response({"status": "ready"})
        return Response({"status": "not ready", "reason": reason}, status_code=503)

    return Litestar(
        route_handlers=[inbound, live, ready, api_router()],
        exception_handlers=exception_handlers,
        openapi_config=openapi_config(),
        state=State({"services": services}),
        logging_config=None,
        debug=False,
    )

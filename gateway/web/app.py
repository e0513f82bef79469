"""What answers where: the inbound URL straight away, everything else through Litestar."""

from typing import Any

from litestar import Litestar, Response, get
from litestar.datastructures import State

from gateway.web.api import api_router
from gateway.web.ingest import Ingest, Receive, Scope, Send
from gateway.web.problems import exception_handlers
from gateway.web.services import Services


def create_app(services: Services) -> Any:
    """Make the ASGI application. The services are made and closed by whoever calls (server.py, tests).

    The inbound URL stands in front of the framework: its router and middleware would cost a third of a durable call.
    """
    ingest, site = Ingest(services), create_site(services)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        answering: Any = ingest if scope["path"].startswith("/in/") else site
        await answering(scope, receive, send)

    return app


def create_site(services: Services) -> Litestar:
    """Make the two probes, /v1 and its document."""

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
        route_handlers=[live, ready, api_router()],
        exception_handlers=exception_handlers,
        openapi_config=None,  # api/openapi.py and api/docs.py take its place, and say why
        state=State({"services": services}),
        logging_config=None,
        debug=False,
    )

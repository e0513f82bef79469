"""Every request that a person or program makes has a name: in the answer, and in each line that is logged about it."""

import structlog
from litestar.datastructures import MutableScopeHeaders
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from gateway.sealing import new_id

HEADER = "x-request-id"
FIELD = "request"


def naming(app: ASGIApp) -> ASGIApp:
    """Wrap the application: whatever comes from outside under that name is not repeated."""

    async def named(scope: Scope, receive: Receive, send: Send) -> None:
        name = new_id("req_")

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableScopeHeaders(message)[HEADER] = name
            await send(message)

        with structlog.contextvars.bound_contextvars(**{FIELD: name}):
            await app(scope, receive, answer)

    return named

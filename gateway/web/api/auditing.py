"""Every act through the API is in the audit log before it is answered."""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from msgspec import Struct

from gateway.web.services import Services

LOOKING = ("GET", "HEAD", "OPTIONS")
FIRST_REFUSAL = 400


class _Named(Struct):
    """What an answer calls the object it is about."""

    id: str | None = None


def auditing(app: ASGIApp) -> ASGIApp:
    """Wrap a route: what was done, to what, with which key, is on disk before the first byte of the answer leaves."""

    async def audited(scope: Scope, receive: Receive, send: Send) -> None:
        looking = scope.get("method", "GET") in LOOKING
        await app(scope, receive, send if looking else _Answer(scope, send))

    return audited


class _Answer:
    """Holds the head of an answer back until its body tells the id of what was made."""

    def __init__(self, scope: Any, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._head: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] < FIRST_REFUSAL:
            self._head = message
            return
        if self._head is not None and message["type"] == "http.response.body":
            head, self._head = self._head, None
            await self._write(message["body"])
            await self._send(head)
        await self._send(message)

    async def _write(self, body: bytes) -> None:
        services: Services = self._scope["app"].state.services
        path_ids = list(self._scope["path_params"].values())
        handler: Callable[..., Any] = self._scope["route_handler"].fn
        await services.store.audit.add(
            self._scope["auth"].id, handler.__name__, str(path_ids[0]) if path_ids else _made(body)
        )


def _made(body: bytes) -> str | None:
    try:
        return msgspec.json.decode(body, type=_Named).id
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None

"""`POST /in/{token}`: the one inbound URL. Token before body; the answer after the commit that holds the call."""

import re
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

from gateway.contract.errors import StoreUnavailable
from gateway.contract.provider import Inbound
from gateway.pipeline.normalize import accept
from gateway.pipeline.receive import Inbox, Refused, receive
from gateway.store.model import Accepted
from gateway.web.services import Services

Scope = Any
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Header = tuple[bytes, bytes]
Response = tuple[int, list[Header], bytes]

PATH = re.compile(rb"/in/([A-Za-z0-9_-]{32,256})")

_log = structlog.get_logger(__name__)
_encode = msgspec.json.Encoder().encode
_JSON: Header = (b"content-type", b"application/json")


class Ingest:
    """The ASGI application behind `/in`."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._max_body = services.settings.max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call. A caller that goes away half-way gets no answer and leaves nothing."""
        response = await self._answer(scope, receive)
        if response is None:
            return
        status, headers, body = response
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answer(self, scope: Scope, receive: Receive) -> Response | None:
        matched = PATH.fullmatch(scope["raw_path"])
        inbox = self._services.inboxes.by_token(matched[1].decode("ascii")) if matched else None
        if inbox is None:
            return problem(404, "Not Found", "There is nothing here.")
        if scope["method"] != "POST":
            return _not_a_post(scope["method"])
        headers = tuple([(name.decode("latin-1"), value) for name, value in scope["headers"]])
        refusal = self._refusal(headers)
        if refusal is not None:
            return refusal
        body = await _read(receive, self._max_body)
        if body is None:
            return None
        if len(body) > self._max_body:
            return _too_large(self._max_body)
        return await self._take(Inbound(inbox.url, headers, body, datetime.now(UTC)), inbox)

    def _refusal(self, headers: Iterable[tuple[str, bytes]]) -> Response | None:
        """Refuse by the headers alone, before a byte of the body is read."""
        for name, value in headers:
            if name == "content-encoding" and value.strip().lower() not in (b"", b"identity"):
                return problem(415, "Unsupported Media Type", "Send the body without a content-encoding.")
            if name == "content-length" and int(value) > self._max_body:
                return _too_large(self._max_body)
        return None

    async def _take(self, inbound: Inbound, inbox: Inbox) -> Response:
        if self._services.not_ready:
            return _unavailable(5)
        call = receive(inbound, inbox)
        if isinstance(call, Refused):
            self._services.refusals.add(call.connections)
            return problem(401, "Unauthorized", "The call does not carry a valid signature.")
        try:
            accepted = await accept(self._services.store, call, inbox)
        except StoreUnavailable as error:
            _log.error("cannot_store", reason=str(error))
            return _unavailable(error.retry_after)
        if accepted.status == "quarantined":
            _log.warning("quarantined", receipt=accepted.receipt, reason=accepted.reason)
        return 200, [_JSON], _encode(_said(accepted))


def problem(status: int, title: str, detail: str, *headers: Header) -> Response:
    """Make an RFC 9457 answer. It has no `instance`, which would repeat the token, and says nothing of what exists."""
    body = _encode({"type": "about:blank", "title": title, "status": status, "detail": detail})
    return status, [(b"content-type", b"application/problem+json"), *headers], body


async def _read(receive: Receive, limit: int) -> bytes | None:
    """Read a body, and stop as soon as it is over the limit; None when the caller went away.

    The deadline is the server's (server.py): it closes what dawdles, and that arrives here as a disconnect.
    """
    message = await receive()
    if message["type"] == "http.disconnect":
        return None
    body: bytes = message["body"]
    while message.get("more_body") and len(body) <= limit:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message["body"]
    return body


def _not_a_post(method: str) -> Response:
    if method in ("GET", "HEAD"):  # some providers probe the URL before they register it
        return 200, [], b""
    return problem(405, "Method Not Allowed", "Webhooks are sent with POST.", (b"allow", b"POST, GET, HEAD"))


def _too_large(limit: int) -> Response:
    return problem(413, "Content Too Large", f"A body has at most {limit} bytes.")


def _unavailable(retry_after: int) -> Response:
    wait = str(retry_after).encode("ascii")
    return problem(503, "Service Unavailable", "The call cannot be stored now. Send it again.", (b"retry-after", wait))


def _said(accepted: Accepted) -> dict[str, object]:
    said: dict[str, object] = {"status": accepted.status, "receipt": accepted.receipt}
    if accepted.status in ("accepted", "duplicate"):
        said["events"] = accepted.events
    if accepted.status == "quarantined":
        said["reason"] = accepted.reason
    return said

"""One call on the inbound URL: from its head to its written answer, straight on the connection.

It stands where uvicorn has its request cycle for everything else, without the task and the messages of an ASGI
application: those were a quarter of a durable call's price. What the answer is, `ingest` decides.
"""

import asyncio
from typing import ClassVar, NamedTuple, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from gateway.pipeline.receive import Inbox
from gateway.web.ingest import Answer, Headers, Ingest

_CLOSE = b"connection: close\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Head(NamedTuple):
    """What is known before the body. `expects`: the caller waits for a go-ahead before it sends the body."""

    method: bytes
    path: bytes
    headers: Headers
    expects: bool


class Connection(Protocol):
    """What an exchange asks of the connection it is on."""

    transport: asyncio.Transport

    def on_response_complete(self) -> None: ...


class Exchange:
    """A call and its answer. The attributes without underscore are those that uvicorn looks at in its own cycles."""

    __slots__ = (
        *("body", "disconnected", "keep_alive", "response_complete", "response_started"),
        *("_connection", "_head", "_inbox", "_ingest", "_whole"),
    )

    message_event: ClassVar = asyncio.Event()
    """Set by uvicorn when there is news; nobody waits for it here."""

    def __init__(self, connection: Connection, ingest: Ingest, head: Head, keep_alive: bool) -> None:
        self.keep_alive = keep_alive
        self.disconnected = False
        self.response_started = False
        self.response_complete = False
        self._connection = connection
        self._ingest = ingest
        self._head = head
        self.body = bytearray()
        self._whole = False
        self._inbox: Inbox | None = None

    def start(self) -> None:
        """Decide by the head, now that all earlier calls of the connection are answered."""
        if self.disconnected or self._connection.transport.is_closing():
            return
        head = self._head
        self._ingest.admit(head.method, head.path, head.headers, self._admitted)

    def _admitted(self, admitted: Inbox | Answer) -> None:
        if isinstance(admitted, Answer):
            self._answer(admitted)
            return
        if self.disconnected or self._connection.transport.is_closing():
            return
        self._inbox = admitted
        if self._head.expects and not self.body:
            self._connection.transport.write(_CONTINUE)
        self._go_on()

    def feed(self, part: bytes) -> None:
        """Take the next part of the body; what comes after the answer, or far beyond the cap, is let go."""
        if not self.response_complete and len(self.body) <= self._ingest.max_body:
            self.body += part
            if len(self.body) > self._ingest.max_body:
                self._go_on()

    def end(self) -> None:
        """Take note that the body is whole."""
        self._whole = True
        if not self.response_complete:
            self._go_on()

    def _go_on(self) -> None:
        if self._inbox is None or self.disconnected:
            return
        if len(self.body) > self._ingest.max_body:
            self._answer(self._ingest.too_large)
        elif self._whole:
            self._ingest.take(self._inbox, self._head.headers, bytes(self.body), self._answer)

    def _answer(self, answer: Answer) -> None:
        """Write the whole answer in one go, unless nobody is there any more."""
        transport = self._connection.transport
        if self.disconnected or transport.is_closing():
            return
        self.response_started = self.response_complete = True
        status, fields, body = answer
        close = b"" if self.keep_alive else _CLOSE
        said = b"" if self._head.method == b"HEAD" else body
        transport.write(b"%b%b%bcontent-length: %d\r\n\r\n%b" % (STATUS_LINE[status], fields, close, len(body), said))
        if not self.keep_alive:
            transport.close()
        self._connection.on_response_complete()

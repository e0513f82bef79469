"""One HTTP/1.1 connection: write a request, read its whole answer up to a cap."""

import asyncio
import select
import sys
from typing import cast

import httptools
import httpx
from msgspec import Struct

HEAD_CAP = 65_536
"""Bytes of framing an answer may have beside its body: status lines, headers, chunk sizes, trailers."""
FIRST_FINAL = 200
"""Statuses below announce the answer proper."""


class Stale(httpx.RemoteProtocolError):
    """Say that the other side closed before the first byte of an answer."""


class WireAnswer(Struct, frozen=True):
    """`body` is cut at the cap when `whole` is false. It is as it was sent: no content coding is undone."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    whole: bool

    def header(self, name: bytes) -> str | None:
        """Read one header by its lower-case name; the first, when it is repeated."""
        return next((value.decode("latin-1") for key, value in self.headers if key.lower() == name), None)


class Wire(asyncio.Protocol):
    """Carry one exchange at a time. After a failed, cut or cancelled one the connection is gone."""

    def __init__(self) -> None:
        self.closed = False
        self._transport: asyncio.Transport | None = None
        self._done: asyncio.Future[bool] | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._cap = 0
        self._received = 0
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._size = 0
        self._framed = False
        self._headed = False
        self._keep = False

    async def exchange(self, payload: bytes, cap: int) -> WireAnswer:
        """Send a request and wait for its answer, of which at most `cap` bytes of body are read.

        Raises Stale, httpx.ReadError or httpx.RemoteProtocolError. Has no deadline of its own: the caller's cancels it.
        """
        transport = self._transport
        if transport is None or self.closed:
            raise Stale("the connection was closed before the request")
        self._parser = httptools.HttpResponseParser(self)
        self._done = asyncio.get_running_loop().create_future()
        self._cap, self._received, self._keep = cap, 0, False
        self.on_message_begin()
        try:
            transport.write(payload)
            whole = await self._done
            self._keep = self._keep and not transport.get_write_buffer_size()
            return WireAnswer(self._status, self._headers, b"".join(self._body)[:cap], whole)
        finally:
            self._done = self._parser = None
            if not self._keep:
                self.abort()

    @property
    def reusable(self) -> bool:
        """Say whether the last exchange left the connection fit for another."""
        return self._keep and not self.closed

    def abort(self) -> None:
        """Close at once."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    @property
    def silent(self) -> bool:
        """Say whether nothing lies in the socket that the event loop has not told us yet: an end, most likely."""
        if self._transport is None or sys.platform == "win32":  # no poll there
            return True
        descriptor = self._transport.get_extra_info("socket").fileno()
        if descriptor < 0:  # closed, and not yet said so
            return False
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        return not waiting.poll(0)

    # --- what the event loop says ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are, without inheriting

    def data_received(self, data: bytes) -> None:
        if self._parser is None:  # nobody asked: a connection that talks by itself is not fit for a request
            self.abort()
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._keep = False
            self._fail(httpx.RemoteProtocolError("the answer is not HTTP"))
        if self._received > self._cap + HEAD_CAP:
            self._cut()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if exc is None and self._headed and not self._framed:
            self._finish(whole=True)  # an answer without a length ends with the connection
        elif self._received == 0:
            self._fail(Stale("the connection was closed before an answer"))
        else:
            self._fail(httpx.ReadError("the connection was closed within the answer"))

    # --- what the parser says ---

    def on_message_begin(self) -> None:
        if self._done is None or self._done.done():
            raise httptools.HttpParserError("an answer that nobody asked for")
        self._headers, self._body, self._size = [], [], 0
        self._framed = self._headed = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._headed:  # trailers are not kept
            self._headers.append((name, value))
            self._framed |= name.lower() in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        self._status = self._parser.get_status_code()
        self._headed = self._status >= FIRST_FINAL

    def on_body(self, body: bytes) -> None:
        self._body.append(body)
        self._size += len(body)
        if self._size > self._cap:
            self._cut()

    def on_message_complete(self) -> None:
        assert self._parser is not None
        if self._headed:  # not a 1xx, after which the answer proper comes
            self._keep = self._parser.should_keep_alive()
            self._finish(whole=True)

    # --- how an exchange ends ---

    def _cut(self) -> None:
        self._keep = False
        if self._headed:
            self._finish(whole=False)
        else:
            self._fail(httpx.RemoteProtocolError("the answer's headers are too long"))

    def _finish(self, *, whole: bool) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(whole)

    def _fail(self, error: httpx.TransportError) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(error)

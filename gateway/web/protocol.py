"""HTTP/1.1 as strict as the inbound URL promises: deadlines, sizes, and an answer before the door closes.

uvicorn frames requests strictly, but bounds neither their head nor the time they take to arrive; this does.
"""

import asyncio
from typing import Any, ClassVar

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from gateway.web.crowd import GRACE, Crowd, Place
from gateway.web.exchange import Exchange, Head
from gateway.web.ingest import Ingest
from gateway.web.refusals import MAX_FIELD_BYTES, MAX_FIELDS, MAX_URL, response

INBOUND = b"/in/"
"""Where the paths begin that are answered here and not by the application."""
_MAX_HEAD_BYTES = 2 * (MAX_URL + MAX_FIELD_BYTES)

HEAD_SECONDS = 10.0
"""How long a request line and its header fields may take to arrive."""
REQUEST_SECONDS = 15.0
"""How long a whole request may take to arrive, its body included."""
ANSWER_SECONDS = 30.0
"""How long a caller may take to fetch the next of an answer..."""
LEAST_FETCHED = 64 * 1024
"""... which is so many bytes, or the rest."""
_LINGER_SECONDS = 1.0
_BITE, _BODY_BITE = 4 * 1024, 64 * 1024
"""Bytes that are parsed in one go: of heads, as that many may hold dozens of requests, and of a body."""
_WAITING = 4 * 1024
"""Bytes that a request takes up while it waits for those before it."""
_VERSIONS = ("1.1", "1.0")


class _RefusedError(Exception):
    """Leave the parser's callback with the status to answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class StrictProtocol(HttpToolsProtocol):
    """One connection, with limits on each request's head, size and time of arrival."""

    max_request: ClassVar[int] = 16 * 1024 * 1024
    """Bytes of one request as sent: chunk sizes and trailers count, which no body cap sees."""

    ingest: ClassVar[Ingest | None] = None
    """What decides on calls to the inbound URL, which are answered without the application."""

    crowd: ClassVar[Crowd]
    """All connections of the process, which this one is among."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.access_log = False  # its lines hold paths, and ours hold tokens
        self._began: float | None = self.loop.time()
        self._head_done = False
        self._size = 0
        self._rested: float | None = None
        self._refusing = False
        self._last_words: bytes | None = None
        self._unheard = b""
        self._ended = False
        self._arriving = 0
        self._lying = (0, 0.0)
        self.held = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # -- as uvicorn has it
        super().connection_made(transport)
        self.crowd.join(self, self.loop.time())

    def connection_lost(self, exc: Exception | None) -> None:
        self.crowd.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; what is not HTTP, or is too much of it, is answered and the connection closed."""
        if self._refusing:
            return
        if self._unheard:
            self._unheard += data
            self.flow.pause_reading()
            return
        self._rested = None
        if self._began is None and (self.cycle is None or self.cycle.response_complete):
            self._began = self.loop.time()  # whatever comes now must become a request in time; line breaks do not count
        try:
            self._hear(data)
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause.status if isinstance(cause, _RefusedError) else 400)
        except _RefusedError as error:
            self._refuse(error.status)

    def _hear(self, data: bytes) -> None:
        """Parse no further than to the first requests that have to wait: thousands of them may be in one packet."""
        start = 0
        while start < len(data) and not self._refusing:
            bite = data[start : start + (_BODY_BITE if self._head_done else _BITE)]
            start += len(bite)
            self._size += len(bite)
            self._feed(bite)
            self._check_size()
            if self.pipeline and start < len(data):
                self._unheard = data[start:]
                self.flow.pause_reading()
                return

    def _hear_on(self) -> None:
        """Parse what was left when requests had to wait, now that they are answered."""
        data, self._unheard = self._unheard, b""
        if not self.transport.is_closing():
            self.data_received(data)
            if self._ended and not self._unheard and not self.eof_received():
                self.transport.close()

    def _feed(self, data: bytes) -> None:
        """Parse; a request that offers another protocol as well is parsed again without the offer.

        The parser leaves the body of such a request out, as if it were of the other protocol.
        """
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                head = [(name, value) for name, value in self.headers if name != b"upgrade"]
                line = b"%b %b HTTP/%b\r\n" % (
                    self.parser.get_method(),
                    self.url,
                    self.parser.get_http_version().encode("ascii"),
                )
                fields = b"".join([b"%b: %b\r\n" % field for field in head])
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
                data = line + fields + b"\r\n" + data[offer.args[0] :]
            else:
                return

    def eof_received(self) -> bool | None:  # type: ignore[override]  # -- asyncio allows it, uvicorn's says None
        """Still answer a caller that has said all it will say; hang up on one that stopped half-way."""
        self._ended = True
        if self._last_words is not None or self._unheard:
            return True
        if self._began is not None or self.cycle is None or self.cycle.response_complete:
            return None
        last = self.pipeline[0][0] if self.pipeline else self.cycle
        last.keep_alive = False
        return True

    def on_message_begin(self) -> None:
        self.url, self.headers, self.expect_100_continue = b"", [], False
        self._began = self.loop.time()

    def on_headers_complete(self) -> None:
        version = self.parser.get_http_version()
        self._check_head(version)
        if self.cycle is not None and not self.cycle.response_complete:
            self.crowd.hold(self, _WAITING)
        if self._refusing:
            return
        if self.parser.should_upgrade():
            return
        path = _path(self.url)
        if self.ingest is not None and path.startswith(INBOUND):
            self._exchange(self.ingest, path, version)
        else:
            self._begin_scope()
            super().on_headers_complete()
        self._head_done = True

    def _begin_scope(self) -> None:
        """Make what an application is told of a request; uvicorn does it for every one, when it begins."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers

    def on_body(self, body: bytes) -> None:
        if self._refusing:
            return
        if not self.cycle.response_complete:
            self._arriving += len(body)
            self.crowd.hold(self, len(body))
        if isinstance(self.cycle, Exchange):
            self.cycle.feed(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._refusing or self.parser.should_upgrade():
            return
        self._began, self._head_done, self._size, self._arriving = None, False, 0, 0
        if isinstance(self.cycle, Exchange):
            self.cycle.end()
        else:
            super().on_message_complete()
        self._rest()

    def on_response_complete(self) -> None:
        """Go on with the next request that waits for its turn, or wait for one."""
        self.server_state.total_requests += 1
        if not self.pipeline:
            self.crowd.release(self, self._arriving if self._began is not None else 0)
        if self.transport.is_closing():
            return
        if self.pipeline:
            self.loop.call_soon(self._start_asgi_task, *self.pipeline.pop())
        elif self._last_words is not None:
            self._say_last(self._last_words)
        else:
            self._rest()
        if self._unheard and not self.pipeline:
            self.loop.call_soon(self._hear_on)
        self._resume_reading()

    def pause_writing(self) -> None:
        """Hear no more from a caller that does not read its answers."""
        super().pause_writing()
        self.flow.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.pipeline:
            self._resume_reading()

    def _resume_reading(self) -> None:
        if not (self.flow.write_paused or self._unheard):
            self.flow.resume_reading()

    def _exchange(self, ingest: Ingest, path: bytes, version: str) -> None:
        """Answer a call here, when those before it are answered: uvicorn's way, without its task."""
        parser, before = self.parser, self.cycle
        head = Head(parser.get_method(), path, self.headers, self.expect_100_continue)
        keep_alive = version != "1.0" and parser.should_keep_alive()
        exchange: Any = Exchange(self, ingest, head, keep_alive)
        self.cycle = exchange
        if before is None or before.response_complete:
            exchange.start()
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if isinstance(cycle, Exchange):
            cycle.start()
        else:
            super()._start_asgi_task(cycle, app)

    def _rest(self) -> None:
        """Note since when the connection has nothing to do: all that came is answered."""
        if self._began is None and self.cycle.response_complete:
            self._rested = self.loop.time()

    def place(self, now: float) -> Place | None:
        """Say how well the connection uses its place."""
        if self.unsent():
            return Place(3, self._lying[1])
        if self.pipeline or (self.cycle is not None and not self.cycle.response_complete and self._began is None):
            return None
        if self._began is None:
            return Place(1, now if self._rested is None else self._rested)
        if self._head_done:
            return Place(3, self._began)
        return Place(2 if now - self._began < GRACE else 0, self._began)

    def unsent(self) -> int:
        """Tell the bytes of answers that the caller has not fetched."""
        return 0 if self.transport.is_closing() else self.transport.get_write_buffer_size()

    def drop(self) -> None:
        """Hang up, without an answer."""
        self._refusing = True
        self.transport.abort()

    def make_room(self) -> None:
        """Refuse what is being sent: there is no room for it."""
        self._refuse(503)

    def dawdles(self, now: float) -> None:
        """Close the connection if its request should have arrived by now (`now` on the loop's clock)."""
        if self._leaves_lying(now):
            self.drop()
        if self.pipeline or self._refusing:
            return
        if self._began is None:
            if self._rested is not None and now - self._rested > self.timeout_keep_alive:
                self.transport.close()
            return
        waited = now - self._began
        if waited > REQUEST_SECONDS or (waited > HEAD_SECONDS and not self._head_done):
            if self._size:
                self._refuse(408)
            else:
                self.transport.close()

    def _leaves_lying(self, now: float) -> bool:
        """Say whether the caller does not fetch its answers, or in such small bites that it never ends."""
        unsent, (before, since) = self.transport.get_write_buffer_size(), self._lying
        if unsent and before and unsent > before - LEAST_FETCHED:
            return now - since > ANSWER_SECONDS
        self._lying = (unsent, now)
        return False

    def _check_head(self, version: str) -> None:
        """Refuse what is too large, and what somebody in front of us could read otherwise: nothing is smuggled in."""
        if len(self.url) > MAX_URL:
            raise _RefusedError(414)
        size = hosts = 0
        codings = []
        for name, value in self.headers:
            size += len(name) + len(value)
            if name == b"host":
                hosts += 1
            elif name == b"transfer-encoding":
                codings.append(value.strip().lower())
        if size > MAX_FIELD_BYTES or len(self.headers) > MAX_FIELDS:
            raise _RefusedError(431)
        odd = codings != [] and (codings != [b"chunked"] or version != "1.1")
        if odd or version not in _VERSIONS or hosts > 1 or (hosts == 0 and version == "1.1"):
            raise _RefusedError(400)
        if self.parser.get_method() == b"CONNECT":
            raise _RefusedError(400)

    def _check_size(self) -> None:
        if self._began is None:
            return
        if not self._head_done and self._size > _MAX_HEAD_BYTES:
            raise _RefusedError(414 if len(self.url) > MAX_URL else 431)
        if self._size > self.max_request or len(self.headers) > MAX_FIELDS:
            raise _RefusedError(413)

    def _refuse(self, status: int) -> None:
        """Stop listening, and answer: after the requests before this one, and unless it has an answer already."""
        self._refusing = True
        if self.transport.is_closing():
            return
        if self._head_done and self.pipeline:
            self.pipeline.popleft()  # the wrong one itself, which was waiting for its turn
            self._last_words = response(status)
        elif not self._head_done and self.cycle is not None and not self.cycle.response_complete:
            self._last_words = response(status)
        else:
            answered = self._head_done and self.cycle.response_started
            self._say_last(b"" if answered else response(status))

    def _say_last(self, words: bytes) -> None:
        """Answer, and close when it could be read."""
        if words:
            self.transport.write(words)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.body.clear()
            self.cycle.message_event.set()


def strict_protocol(max_body: int, ingest: Ingest | None, crowd: Crowd) -> type[StrictProtocol]:
    """Make the protocol for bodies of at most `max_body` bytes, however small the chunks they come in."""
    limit = 8 * max_body + _MAX_HEAD_BYTES
    return type("StrictProtocol", (StrictProtocol,), {"max_request": limit, "ingest": ingest, "crowd": crowd})


def _path(url: bytes) -> bytes:
    """Find the path in a request's target, which may be a whole URL."""
    if url.startswith(INBOUND) and b"?" not in url and b"#" not in url:
        return url
    return httptools.parse_url(url).path or b""

"""Consumers and provider APIs on loopback, as well or as badly behaved as a test asks."""

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import cast

from gateway.config import Allowed

DELIVERY = {"webhook-id": "evt_1", "content-type": "application/json"}
LOOPBACK = Allowed(ipaddress.ip_network("127.0.0.0/8"), None)


@dataclass
class Seen:
    """One request as it arrived; `connection` counts from 1."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


Behave = Callable[[Seen, asyncio.Transport], Awaitable[None]]


@dataclass
class Sink:
    """What a listening server has seen so far."""

    host: str
    port: int
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    closed: int = 0
    ended: bool = False
    waiting: list[asyncio.Event] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/hook/path-token"

    async def until(self, holds: Callable[["Sink"], bool]) -> None:
        """Wait for something to have happened here."""
        async with asyncio.timeout(20):
            while not holds(self):
                rang = asyncio.Event()
                self.waiting.append(rang)
                await rang.wait()

    def ring(self) -> None:
        """Say that something happened."""
        while self.waiting:
            self.waiting.pop().set()


def answer(status: int = 200, body: bytes = b"ok", **headers: str) -> bytes:
    """Write a whole answer; header names with `_` for `-`."""
    lines = [f"HTTP/1.1 {status} Said"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in {"content_length": len(body), **headers}.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def says(*answers: bytes) -> Behave:
    """Give these answers in turn, the last one ever after."""
    left = list(answers)

    async def behave(_seen: Seen, transport: asyncio.Transport) -> None:
        transport.write(left.pop(0) if len(left) > 1 else left[0])

    return behave


def says_then_closes(*answers: bytes) -> Behave:
    """Give these answers in turn and close after each."""
    say = says(*answers)

    async def behave(seen: Seen, transport: asyncio.Transport) -> None:
        await say(seen, transport)
        transport.close()

    return behave


async def hangs(_seen: Seen, _transport: asyncio.Transport) -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def endless(_seen: Seen, transport: asyncio.Transport) -> None:
    """Answer without an end."""
    transport.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not transport.is_closing():
        transport.write(b"x" * 65_536)
        await asyncio.sleep(0)


async def endless_chunks(_seen: Seen, transport: asyncio.Transport) -> None:
    """Answer without an end, in chunks that are nearly all framing."""
    transport.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while not transport.is_closing():
        transport.write(b"1;" + b"e" * 9_000 + b"\r\nx\r\n")
        await asyncio.sleep(0)


async def drips(_seen: Seen, transport: asyncio.Transport) -> None:
    """Answer a byte at a time."""
    transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    while not transport.is_closing():
        transport.write(b".")
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def listening(
    behave: Behave | None = None, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Sink]:
    """Serve on loopback; answers 200 when not told otherwise."""
    act = behave or says(answer())
    sink = Sink(host, port)
    made: list[_Connection] = []

    def connection() -> _Connection:
        made.append(_Connection(sink, act))
        return made[-1]

    server = await asyncio.get_running_loop().create_server(connection, host, port, ssl=tls)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()
        sink.ended = True
        for each in made:
            each.end()
        await asyncio.gather(*(each.acting for each in made), return_exceptions=True)


class _Connection(asyncio.Protocol):
    """Read requests and act on each in turn."""

    def __init__(self, sink: Sink, act: Behave) -> None:
        self._sink, self._act = sink, act
        self._requests: asyncio.Queue[Seen] = asyncio.Queue()
        self._buffer = b""
        self._number = 0
        self.transport: asyncio.Transport | None = None
        self.acting = asyncio.create_task(self._serve())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self._sink.ended:
            self.end()
        self._sink.connections += 1
        self._number = self._sink.connections

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        method, target, _ = first.split(" ")
        seen = Seen(method, target, headers, rest[:length], self._number)
        self._sink.seen.append(seen)
        self._sink.ring()
        self._requests.put_nowait(seen)

    def connection_lost(self, exc: Exception | None) -> None:
        self._sink.closed += 1
        self._sink.ring()
        self.acting.cancel()

    def end(self) -> None:
        self.acting.cancel()
        if self.transport is not None:
            self.transport.abort()

    async def _serve(self) -> None:
        while True:
            seen = await self._requests.get()
            assert self.transport is not None
            await self._act(seen, self.transport)

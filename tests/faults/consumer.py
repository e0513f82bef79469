"""A consumer that writes down everything that it gets, and answers as it is told."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Got:
    """One delivery: `path` tells the destination, `life` which start of the gateway sent it."""

    path: str
    headers: dict[str, str]
    body: bytes
    life: int
    moment: int

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Consumer:
    """Answers 200 unless `answer` says otherwise: (status, seconds to wait) for a delivery; None: never."""

    moment: Callable[[], int] = int
    answer: Callable[[Got], tuple[int, float] | None] = lambda _: (200, 0.0)
    life: int = 0
    got: list[Got] = field(default_factory=list)

    async def listen(self) -> str:
        """Listen on loopback and name the address."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20)
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def close(self) -> None:
        self._server.close()

    async def until(self, holds: Callable[[list[Got]], bool], seconds: float = 60.0) -> None:
        """Wait until what was got is what is waited for; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not holds(self.got):
                await asyncio.sleep(0.02)

    async def quiet(self, seconds: float = 0.3) -> None:
        """Wait until nothing has come for so long."""
        for _ in itertools.count():
            before = len(self.got)
            await asyncio.sleep(seconds)
            if len(self.got) == before:
                return

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        got = Got(first.split()[1], headers, body, self.life, self.moment())
        self.got.append(got)
        answer = self.answer(got)
        if answer is None:
            await reader.read()  # until the gateway hangs up
            return False
        status, wait = answer
        await asyncio.sleep(wait)
        writer.write(b"HTTP/1.1 %d OK\r\ncontent-length: 0\r\n\r\n" % status)
        await writer.drain()
        return True

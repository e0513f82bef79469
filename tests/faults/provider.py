"""A provider that never stops calling, and remembers what it was told."""

import asyncio
import contextlib
import hashlib
import json
import random
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.bench.load import meeting, signed

SECRET = "a signing secret for these tests"
WORDS = ("meetingScheduled", "meetingRescheduled", "meetingCancelled")


@dataclass
class Call:
    """One call, as often as it was sent. `began` and `ended`: the machine's moments around the answer that counts."""

    booking: str
    sha256: str
    sent: int = 0
    status: int | None = None
    said: dict[str, Any] = field(default_factory=dict)
    began: int = 0
    ended: int = 0
    seconds: float = 0.0
    """How long the answer took."""


@dataclass
class Told:
    """All calls, in the order in which they were first sent; `refused`: answers that were 503."""

    calls: list[Call] = field(default_factory=list)
    refused: int = 0
    hung_up: int = 0
    odd: list[str] = field(default_factory=list)
    """Answers that nobody should get."""

    @property
    def kept(self) -> list[Call]:
        """Those that were answered 2xx."""
        return [call for call in self.calls if call.status == 200]


class Provider:
    """Some connections to one gateway, which may go away and come back on its port.

    `patient`: the share of calls that are sent again until they are kept; the others are given up without an answer.
    """

    def __init__(
        self, url: str, *, workers: int = 16, rest: float = 0.0, patient: float = 0.5, moment: Callable[[], int] = int
    ) -> None:
        self._url = url
        self._parts = urlsplit(url)
        self._workers = workers
        self._rest = rest
        self._patient = patient
        self._moment = moment
        self._random = random.Random(workers)  # noqa: S311 -- a repeatable choice
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self.told = Told()

    def start(self) -> "Provider":
        self._stopping = False
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._workers)]
        return self

    async def stop(self) -> Told:
        """Finish the calls under way, as far as anybody answers them."""
        self._stopping = True
        await asyncio.gather(*self._tasks)
        return self.told

    async def until(self, count: int, seconds: float = 60.0) -> None:
        """Wait until so many calls are kept in all; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while len(self.told.kept) < count:
                await asyncio.sleep(0.01)

    @property
    def port(self) -> int:
        return self._parts.port or 80

    async def try_once(self, body: bytes) -> bool:
        """Make one call on a connection of its own; False when it was not kept."""
        call = Call("", hashlib.sha256(body).hexdigest())
        self.told.calls.append(call)
        try:
            async with asyncio.timeout(5), _Line(self._parts.hostname or "", self.port) as line:
                await self._send(line, call, body)
        except (OSError, asyncio.IncompleteReadError):
            return False
        return call.status == 200

    async def _work(self) -> None:
        while not self._stopping:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                async with _Line(self._parts.hostname or "", self.port) as line:
                    while not self._stopping:
                        await self._book(line)
            await asyncio.sleep(0.02)

    async def _book(self, line: "_Line") -> None:
        """Book, move and cancel, one call after the other."""
        booking = str(uuid.UUID(int=self._random.getrandbits(128)))
        for word in WORDS:
            body = meeting(booking, word)
            call = Call(booking, hashlib.sha256(body).hexdigest())
            self.told.calls.append(call)
            if not await self._insist(line, call, body):
                return
            await asyncio.sleep(self._rest)

    async def _insist(self, line: "_Line", call: Call, body: bytes) -> bool:
        """Send until it is kept, if this is a patient one; say whether it was."""
        patient = self._random.random() < self._patient
        while True:
            try:
                await self._send(line, call, body)
            except (OSError, asyncio.IncompleteReadError):
                self.told.hung_up += 1
            if call.status == 200 or not patient or self._stopping:
                return call.status == 200
            await asyncio.sleep(0.05)

    async def _send(self, line: "_Line", call: Call, body: bytes) -> None:
        call.sent += 1
        call.began, began = self._moment(), time.monotonic()
        status, said = await line.ask(signed(self._url, SECRET, body))
        call.ended, call.seconds = self._moment(), time.monotonic() - began
        call.status, call.said = status, said
        if status == 503:
            self.told.refused += 1
        elif status != 200:
            self.told.odd.append(f"{status} {said}")


class _Line:
    """One keep-alive connection, made again when it breaks."""

    def __init__(self, host: str, port: int) -> None:
        self._at = (host, port)
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> "_Line":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._drop()

    async def ask(self, request: bytes) -> tuple[int, dict[str, Any]]:
        """Send one request and read its answer; raises OSError or IncompleteReadError when nobody is there."""
        try:
            if self._writer is None:
                self._reader, self._writer = await asyncio.open_connection(*self._at)
            self._writer.write(request)
            head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].split()[0])
            said = json.loads(await self._reader.readexactly(length))
        except BaseException:
            self._drop()
            raise
        if b"connection: close" in head:
            self._drop()
        return int(head.split()[1]), said

    def _drop(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None


def free_port() -> int:
    """Find a port that a gateway can come back to."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port

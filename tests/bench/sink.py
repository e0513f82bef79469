"""A consumer that is faster than any gateway: answers 200 to every POST and remembers when what came.

Run as a process: prints its port, then one JSON line of figures for each line it reads; `reset` begins again.
"""

import asyncio
import json
import sys
import time
from datetime import datetime
from typing import Protocol, cast

import uvloop


class Sink:
    """What has come in so far, by path and `webhook-id`."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what came, to measure what comes from now on."""
        self.ids: dict[bytes, int] = {}
        self.latencies: list[float] = []
        self.last = 0.0

    def take(self, head: bytes, body: bytes) -> None:
        head = head.lower()
        at = head.find(b"webhook-id: ")
        name = head[: head.find(b" http/")] + head[at + 12 : head.find(b"\r", at)]
        self.ids[name] = self.ids.get(name, 0) + 1
        self.last = time.time()
        at = body.find(b'"received_at":"')
        if at >= 0:
            stated = body[at + 15 : body.find(b'"', at + 15)].decode()
            self.latencies.append(self.last - datetime.fromisoformat(stated).timestamp())

    def figures(self) -> dict[str, float]:
        ordered = sorted(self.latencies) or [0.0]
        return {
            "events": len(self.ids),
            "repeats": sum(self.ids.values()) - len(self.ids),
            "last": self.last,
            "p50": ordered[len(ordered) // 2] * 1000,
            "p99": ordered[int(len(ordered) * 0.99)] * 1000,
        }


class Takes(Protocol):
    """What a consumer does with the head and the body of a request."""

    def take(self, head: bytes, body: bytes) -> None: ...


class Consumer(asyncio.Protocol):
    """One connection from the gateway."""

    def __init__(self, sink: Takes) -> None:
        self._sink = sink
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop has classes of its own

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head, separator, rest = self._buffer.partition(b"\r\n\r\n")
            if not separator:
                return
            lower = head.lower()
            at = lower.find(b"content-length:")
            length = int(lower[at + 15 :].split(b"\r\n", 1)[0])
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            self._sink.take(head, rest[:length])
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


async def main() -> None:
    """Serve until standard input ends."""
    sink = Sink()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Consumer(sink), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while asked := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(sink.figures()), flush=True)
        if asked == "reset\n":
            sink.reset()


if __name__ == "__main__":
    uvloop.run(main())

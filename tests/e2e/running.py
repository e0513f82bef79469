"""A gateway in a process of its own, on a directory that outlives it, and a consumer that keeps everything."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.contract.events import AnyEvent, UnknownEvent, decode_event
from tests import stores
from tests.bench.sink import Consumer


@dataclass
class Gateway:
    """One gateway. `start` and `kill` may take turns on the same directory."""

    directory: Path
    environment: dict[str, str] = field(default_factory=dict)
    command: Sequence[str] = (sys.executable, "-m", "gateway", "serve")
    process: subprocess.Popen[str] | None = None
    said: list[str] = field(default_factory=list)
    ready_in: list[float] = field(default_factory=list)
    """Seconds that each start took."""

    @property
    def settings(self) -> dict[str, str]:
        """What it is started with; a command on its machine finds its store by it."""
        if "GATEWAY_DATABASE_URL" in self.environment:
            return {"GATEWAY_DATA_DIR": str(self.directory)} | self.environment
        return stores.environment(self.directory) | self.environment

    @property
    def url(self) -> str:
        return (self.directory / "gateway.url").read_text().strip()

    @property
    def key(self) -> str:
        return (self.directory / "admin.key").read_text().strip()

    @property
    def log(self) -> Path:
        """Everything it wrote to standard error, over all its lives."""
        return self.directory.with_suffix(".log")

    def launch(self) -> subprocess.Popen[str]:
        """Start, and do not wait for anything."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=ours | {"GATEWAY_PORT": "0"} | self.settings,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        return self.process

    def start(self) -> "Gateway":
        """Start, and return when it says that it is ready."""
        began = time.monotonic()
        process = self.launch()
        assert process.stdout is not None
        for line in process.stdout:
            self.said.append(line)
            if line.lstrip().startswith("data"):
                self.ready_in.append(time.monotonic() - began)
                return self
        process.stdout.close()
        raise RuntimeError(f"the gateway did not start:\n{self.log.read_text()}")

    def kill(self, how: signal.Signals = signal.SIGKILL) -> int:
        """End the process and return its exit status."""
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.send_signal(how)
        status = self.process.wait(30)
        self.process.stdout.close()
        self.process = None
        return status

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Any:
        """Call an inbound URL as a vendor does, wherever it says that it is; raises as `call`."""
        asked = urllib.request.Request(self.url + urlsplit(url).path, body, dict(headers), method="POST")
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return json.loads(answer.read())

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Call the API; raises urllib.error.HTTPError for anything but a 2xx."""
        asked = urllib.request.Request(
            self.url + path,
            None if body is None else json.dumps(body).encode(),
            {"authorization": f"Bearer {self.key}", "content-type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            said = answer.read()
        return json.loads(said) if said else None


@dataclass
class Delivered:
    """One request that a consumer took."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> AnyEvent | UnknownEvent:
        return decode_event(self.body)


class Collector:
    """A consumer that answers 200 and keeps what it got, in order of arrival."""

    def __init__(self) -> None:
        self.got: list[Delivered] = []
        self._rang = asyncio.Event()

    async def listen(self) -> str:
        """Listen on loopback and name the address."""
        self._server = await asyncio.get_running_loop().create_server(lambda: Consumer(self), "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hooks"

    def close(self) -> None:
        self._server.close()

    def take(self, head: bytes, body: bytes) -> None:
        """Keep one request."""
        lines = head.decode("latin-1").split("\r\n")[1:]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.got.append(Delivered(headers, body))
        self._rang.set()

    async def until(self, holds: Callable[[list[Delivered]], bool], seconds: float = 60.0) -> None:
        """Wait until what was got is what is waited for; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not holds(self.got):
                self._rang.clear()
                await self._rang.wait()

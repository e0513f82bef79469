"""The processes that are measured, on cores of their own, and what drives them."""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, cast

import uvloop

CONNECTIONS = 64
SECRET = "a signing secret for the benchmark"


class Child:
    """A process of ours, pinned to a core, that says where it listens in its first line."""

    def __init__(self, stack: ExitStack, core: int, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
            preexec_fn=lambda: pin(core),  # noqa: PLW1509 -- before a thread exists, in the child
        )
        stack.callback(self._end)

    def line(self) -> str:
        """Read the next line it prints."""
        said = cast("IO[str]", self.process.stdout).readline()
        if not said:
            raise RuntimeError(f"{self.process.args!r}: ended with {self.process.wait()}")
        return said.strip()

    def ask(self, question: str) -> dict[str, float]:
        """Write a line, read a JSON line."""
        stdin = cast("IO[str]", self.process.stdin)
        stdin.write(question + "\n")
        stdin.flush()
        return cast("dict[str, float]", json.loads(self.line()))

    def resident_mib(self) -> float:
        """Read how much memory it has now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def cpu_seconds(self) -> float:
        """Read how much CPU time it has taken so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _end(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        for pipe in (self.process.stdin, self.process.stdout):
            cast("IO[str]", pipe).close()


class Gateway:
    """A gateway on an empty directory, driven over its API."""

    def __init__(
        self, stack: ExitStack, sink_port: int, program: str = "gateway", *, core: int = 0, **environment: str
    ) -> None:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.child = Child(
            stack,
            core,
            program,
            "serve",
            GATEWAY_DATA_DIR=str(directory),
            GATEWAY_PORT="0",
            GATEWAY_EGRESS_ALLOW=f"127.0.0.1/32:{sink_port}",
            GATEWAY_LOG_LEVEL="error",
            **environment,
        )
        while "data" not in self.child.line():
            pass
        self.url = (directory / "gateway.url").read_text().strip()
        self._key = environment.get("GATEWAY_ADMIN_KEY") or (directory / "admin.key").read_text().strip()

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Call the API."""
        asked = urllib.request.Request(
            self.url + path,
            None if body is None else json.dumps(body).encode(),
            {"authorization": f"Bearer {self._key}", "content-type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def connect(self) -> str:
        """Connect Harmonizely without registering, and name the URL its calls go to."""
        made = self.call(
            "POST",
            "/v1/connections",
            {
                "provider": "harmonizely",
                "credentials": {"api_key": "unused"},
                "signing_secret": SECRET,
                "register": False,
            },
        )
        return cast("str", made["inbound_url"])


def pin(core: int) -> None:
    """Keep this process on one core, where there are two."""
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {core})


def wait_for(sink: Child, events: int, seconds: float = 120.0) -> dict[str, float]:
    """Wait until the consumer has so many events; raises TimeoutError."""
    until = time.monotonic() + seconds
    while (figures := sink.ask("figures"))["events"] < events:
        if time.monotonic() > until:
            raise TimeoutError(f"the consumer has {figures['events']} of {events} events")
        time.sleep(0.05)
    return figures


def run(work: Any) -> Any:
    """Run one piece of the load."""
    return uvloop.run(work)

"""README's first connection works as it stands there: gateway, simulated scheduler and consumer, each a process."""

import contextlib
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.test_consumers import example

ROOT = Path(__file__).parent.parent
SECTION = (ROOT / "README.md").read_text().partition("## A first connection in five minutes")[2].partition("\n## ")[0]
COMMANDS = [re.sub(r" {2,}#.*", "", line) for line in re.findall(r"^    (.*)$", SECTION, flags=re.MULTILINE)]
SERVE, SIMULATE, CONNECT, ADD, CUT, CONSUME, *LOOK = COMMANDS


def free_ports(count: int) -> list[str]:
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [str(one.getsockname()[1]) for one in taken]


@dataclass
class Terminals:
    """One directory, in which README's lines are typed; ports that may be taken here are exchanged for free ones."""

    directory: Path
    scheduler: str
    consumer: str

    def parts(self, line: str) -> tuple[dict[str, str], list[str]]:
        line = line.replace("9100", self.scheduler).replace("9000", self.consumer)
        words = shlex.split(line)
        settings = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
        program = {".venv/bin/gateway": [sys.executable, "-m", "gateway"], ".venv/bin/python": [sys.executable]}
        command, *rest = words[len(settings) :]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
        return {**kept, "PYTHONPATH": str(ROOT), "GATEWAY_PORT": "0", **settings}, [*program[command], *rest]

    @contextlib.contextmanager
    def running(self, line: str, *more: str) -> Iterator["subprocess.Popen[str]"]:
        environ, command = self.parts(line)
        with subprocess.Popen(
            [*command, *more],
            cwd=self.directory,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.terminate()

    def typed(self, line: str) -> str:
        environ, command = self.parts(line)
        done = subprocess.run(
            command, cwd=self.directory, env=environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{line}: {done.stderr}{done.stdout}"
        return done.stdout


def until(process: "subprocess.Popen[str]", words: str) -> str:
    """Read what it prints up to a line that holds some words."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if words in line:
            return "".join(said)
    pytest.fail(f"no {words!r} in: {''.join(said)}")


def listens(port: str) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(port)), 1):
            return
        time.sleep(0.05)
    pytest.fail("the consumer does not listen")


def test_a_first_connection_is_made_as_the_readme_says(tmp_path: Path) -> None:
    scheduler, consumer = free_ports(2)
    here = Terminals(tmp_path, scheduler, consumer)
    (tmp_path / "README.md").write_bytes((ROOT / "README.md").read_bytes())
    subprocess.run(["sh", "-c", CUT], cwd=tmp_path, check=True)
    assert (tmp_path / "consumer.py").read_text() == example("python", "open_delivery")
    with here.running(SERVE) as gateway, here.running(SIMULATE, "--port", scheduler) as vendor:
        until(gateway, "data")
        introduced = until(vendor, "Enter makes the next call")
        shown = re.search(r"^  (API_KEY=.*)$", introduced, flags=re.MULTILINE)
        assert shown is not None
        printed = CONNECT.replace(".venv/bin/", "").replace("9100", scheduler)
        assert shown[1] == printed, "it prints the command that README has"
        assert "made at the provider" in here.typed(CONNECT)
        secret = re.search(r"whsec_\S+", here.typed(ADD))
        assert secret is not None
        with here.running(CONSUME.replace("whsec_...", secret[0])) as listening:
            listens(consumer)
            assert vendor.stdin is not None
            for happens, becomes in (
                ("a meeting is booked", "booking.scheduled"),
                ("it is moved", "booking.rescheduled"),
                ("it is cancelled", "booking.cancelled"),
            ):
                vendor.stdin.write("\n")
                vendor.stdin.flush()
                assert "200 accepted" in until(vendor, happens)
                until(listening, f"{becomes}: ")
            vendor.stdin.write("\n")
            vendor.stdin.flush()
            assert "200 quarantined" in until(vendor, "a call comes without its meeting's uuid")
        events, quarantine, doctor = LOOK
        assert "booking.rescheduled" in here.typed(events)
        assert "uuid" in here.typed(quarantine)
        assert "connection Harmonizely" in here.typed(doctor)

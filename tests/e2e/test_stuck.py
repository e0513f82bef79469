"""A gateway that stands still ends by itself, so that whoever runs it starts it again; one that only waits lives."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests import stores

GATEWAY = """
import os, sys, time
from gateway import loops
from gateway.cli.main import main
from gateway.pipeline.dispatcher import Dispatcher
from gateway.store.store import Store
from gateway.web import startup

loops.TICK_SECONDS = 0.05
startup.PATIENCE = {"event loop": 40, "store": 60, "dispatcher": 60}


def stuck(*_):
    while True:
        time.sleep(1)


async def standing(*_):
    await __import__("asyncio").Event().wait()


async def blocking(*_):
    stuck()


%s
sys.exit(main(["serve"]))
"""

STUCK = {
    "store": "Store._pulse = stuck",
    "dispatcher": "Dispatcher._wake_lanes = standing",
    "event loop": "startup._feel = blocking",
}


@pytest.mark.parametrize("what", STUCK)
def test_what_stands_still_ends_the_process_with_one_clear_line(what: str, tmp_path: Path) -> None:
    done = _run(GATEWAY % STUCK[what], tmp_path)
    assert done.returncode == 70, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("gateway: ")]
    assert len(lines) == 1
    assert lines[0].startswith(f"gateway: the {what} has stood still for ")
    assert lines[0].endswith("ending, to be started again")


async def test_a_process_that_was_stopped_for_long_is_not_taken_for_stuck(tmp_path: Path) -> None:
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-c", GATEWAY % "", env=_environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert running.stdout is not None
    assert running.stderr is not None
    async with asyncio.timeout(60):
        while b"data" not in await running.stdout.readline():
            pass
        running.send_signal(signal.SIGSTOP)
        await asyncio.sleep(4)  # twice as long as it may stand still
        running.send_signal(signal.SIGCONT)
        url = (tmp_path / "data" / "gateway.url").read_text().strip()
        async with httpx.AsyncClient(trust_env=False) as http:
            for _ in range(5):
                assert (await http.get(f"{url}/ready")).status_code == 200
                await asyncio.sleep(0.1)
        running.terminate()
        assert await running.wait() == 0
        assert b"stood still" not in await running.stderr.read()


def _environment(directory: Path) -> dict[str, str]:
    return stores.environment(directory / "data") | {"GATEWAY_PORT": "0", "PATH": ""}


def _run(program: str, directory: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", program],
        env=_environment(directory),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

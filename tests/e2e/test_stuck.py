"""A gateway that stands still ends by itself, so that whoever runs it starts it again; one that only waits lives."""

import subprocess
import sys
from pathlib import Path

import pytest

GATEWAY = """
import os, sys, time
from gateway import loops
from gateway.cli.main import main
from gateway.pipeline.dispatcher import Dispatcher
from gateway.store.store import Store
from gateway.web import startup

loops.TICK_SECONDS = 0.05
startup.PATIENCE = {"event loop": 40, "store": 40, "dispatcher": 40}


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
    assert lines[0].startswith(f"gateway: the {what} has stood still for 40 s")
    assert lines[0].endswith("ending, to be started again")


def _run(program: str, directory: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", program],
        env={"GATEWAY_DATA_DIR": str(directory / "data"), "GATEWAY_PORT": "0", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

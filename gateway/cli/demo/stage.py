"""What the demo runs: HTTP servers on loopback inside this process, and a real gateway in a process of its own."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import uvicorn

from gateway.cli.reach import ADMIN_KEY_FILE, URL_FILE, Failed

HOST = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 20.0


class _Server(uvicorn.Server):
    """uvicorn without its signal handling: Ctrl-C is for the whole demo."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


@contextlib.asynccontextmanager
async def served(app: Any) -> AsyncIterator[int]:
    """Serve an ASGI application on a free loopback port, which is given back."""
    listening = socket.create_server((HOST, 0))
    config = uvicorn.Config(app, log_config=None, log_level="critical", access_log=False, timeout_graceful_shutdown=1)
    server = _Server(config)
    serving = asyncio.create_task(server.serve([listening]))
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        await serving
        listening.close()


@contextlib.asynccontextmanager
async def gateway_process(directory: Path, ports: Sequence[int]) -> AsyncIterator[tuple[str, str]]:
    """Run `gateway serve` on an empty directory, with no private port allowed but these: its address and admin key.

    Raises Failed, with the gateway's own words, when it does not start.
    """
    data = directory / "data"
    with (directory / "gateway.log").open("w+b") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "serve"),
            env=_environment(data, ports),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
        try:
            await _started(process, data, log.name)
            yield _line(data / URL_FILE), _line(data / ADMIN_KEY_FILE)
        finally:
            await _stopped(process)


def _environment(data: Path, ports: Sequence[int]) -> dict[str, str]:
    """Make the gateway's environment; settings that lie in ours are not the demo's."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    return ours | {
        "GATEWAY_DATA_DIR": str(data),
        "GATEWAY_HOST": HOST,
        "GATEWAY_PORT": "0",
        "GATEWAY_EGRESS_ALLOW": ",".join(f"{HOST}/32:{port}" for port in ports),
        "GATEWAY_LOG_FORMAT": "console",
        "GATEWAY_LOG_LEVEL": "warning",
    }


async def _started(process: asyncio.subprocess.Process, data: Path, log: str) -> None:
    """Wait for the first line of output, which a gateway prints once it accepts."""
    assert process.stdout is not None  # it was asked for
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS):
            await process.stdout.readline()
    if not (data / URL_FILE).exists():
        words = await asyncio.to_thread(Path(log).read_text, "utf-8", "replace")
        raise Failed(f"the demo's gateway did not start: {words[-500:].strip() or 'it says nothing'}")


async def _stopped(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _line(path: Path) -> str:
    return path.read_text("utf-8").strip()

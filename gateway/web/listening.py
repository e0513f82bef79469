"""One listening address: uvicorn, strict about framing and time, quiet about paths, drained by the process."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

from gateway.contract.errors import ConfigurationError
from gateway.web.crowd import Crowd
from gateway.web.ingest import Ingest
from gateway.web.protocol import StrictProtocol, strict_protocol

DRAIN_SECONDS = 5.0
"""How long calls and deliveries under way may take to finish after SIGTERM; each of the two in turn."""


def bind(host: str, port: int, setting: str) -> socket.socket:
    """Take an address; raises ConfigurationError naming the setting when it cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except socket.gaierror:
        raise ConfigurationError(
            f"cannot listen on {host}: no such address. Set {setting} to one of this machine."
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}:{port}: {error.strerror or error}. Set {setting} to another address."
        ) from None
    listening.setblocking(False)
    return listening


class Server(uvicorn.Server):
    """uvicorn without its signal handling (ours drains the whole process), with a sweep for requests that dawdle.

    `ingest` takes the calls to the inbound URL, `app` all others. `crowd`: all connections of the process, when it has
    more servers than this one.
    """

    def __init__(
        self,
        app: Any,
        max_body: int,
        listening: socket.socket,
        ingest: Ingest | None = None,
        crowd: Crowd | None = None,
    ) -> None:
        self._crowd = crowd or Crowd.for_bodies(max_body)
        super().__init__(
            uvicorn.Config(
                app,
                http=strict_protocol(max_body, ingest, self._crowd),
                backlog=self._crowd.most // 2,  # whoever waits outside is let in at once, before anybody is sent away
                ws="none",
                lifespan="off",
                access_log=False,
                proxy_headers=False,
                log_config=None,
                server_header=False,
                date_header=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=int(DRAIN_SECONDS),
            )
        )
        self._socket = listening
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say so."""
        await super().startup(sockets)
        self.listening.set()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen until `should_exit`."""
        await super().serve(sockets or [self._socket])

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Look once a second for requests that should have arrived by now."""
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, StrictProtocol):
                    connection.dawdles(now)
            self._crowd.fetch_or_go()
        return await super().on_tick(counter)

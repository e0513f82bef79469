"""One process: made, served and drained in this order."""

import asyncio
import gc
import os
import signal
import socket
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from gateway import __version__, logs
from gateway.config import Settings, database_name
from gateway.contract.errors import ConfigurationError
from gateway.store.store import Store
from gateway.web.app import create_app
from gateway.web.crowd import Crowd, raise_limit
from gateway.web.ingest import Ingest
from gateway.web.listening import Server, bind
from gateway.web.services import Services
from gateway.web.startup import ADMIN_KEY_FILE, running, write_private

_log = structlog.get_logger(__name__)
URL_FILE = "gateway.url"
PUBLIC_PATHS = ("/live", "/ready")


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, then drain; the process's exit status.

    Raises ConfigurationError, naming the setting, when it cannot start.
    """
    os.umask(0o077)
    logs.configure(settings.log_format, settings.log_level)
    raise_limit()
    if sys.platform == "win32":
        asyncio.run(_serve(settings))
    else:
        import uvloop  # noqa: PLC0415 -- does not exist on Windows

        uvloop.run(_serve(settings))
    _log.info("stopped")
    return 0


async def _serve(settings: Settings) -> None:
    stopping = _stop_signal()
    sockets = _bind(settings)
    public_url = settings.public_url or sockets.url
    async with running(settings, public_url) as services:
        app, ingest, crowd = create_app(services), Ingest(services), Crowd.for_bodies(settings.max_body)
        servers = [Server(app, settings.max_body, sockets.main, ingest, crowd)]
        if sockets.public:
            servers.append(Server(_public_only(app), settings.max_body, sockets.public, ingest, crowd))
        serving = [asyncio.create_task(server.serve()) for server in servers]
        await _listening(servers, serving)
        services.not_ready = None
        _announce(settings, services, sockets.url)
        _spare_the_collector()
        await asyncio.wait([asyncio.create_task(stopping.wait()), *serving], return_when=asyncio.FIRST_COMPLETED)
        services.not_ready = "stopping"
        _log.info("stopping")
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*serving)


async def _listening(servers: list[Server], serving: list[asyncio.Task[None]]) -> None:
    """Wait until all listen; raises what kept one of them from it."""
    ready = asyncio.ensure_future(_all_listen(servers))
    await asyncio.wait([ready, *serving], return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        ready.cancel()
        await asyncio.gather(*serving)


async def _all_listen(servers: list[Server]) -> None:
    for server in servers:
        await server.listening.wait()


def _spare_the_collector() -> None:
    """Look for garbage cycles rarely, and never among what was made at start: a call makes none (measured: a tenth)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _stop_signal() -> asyncio.Event:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return stopping


def _announce(settings: Settings, services: Services, url: str) -> None:
    write_private(settings.data_dir / URL_FILE, url)
    print(  # noqa: T201 -- the start-up lines are for the person who typed the command
        f"booking-webhook gateway {__version__}, ready at {datetime.now(UTC):%Y-%m-%d %H:%M:%SZ}\n"
        f"  inbound URL   {services.inboxes.shared_url()}\n"
        f"  dashboard     {url}/\n"
        f"  API and docs  {url}/docs\n"
        f"  admin key     {_admin_key_place(settings)}\n"
        f"  data          {_data_place(settings)}",
        flush=True,
    )


def _data_place(settings: Settings) -> str:
    """Name the directory; with PostgreSQL also the server, without who we are there."""
    if settings.database_url is None:
        return str(settings.data_dir)
    return f"{database_name(settings.database_url)}; this process's own files: {settings.data_dir}"


def _admin_key_place(settings: Settings) -> str:
    if settings.admin_key:
        return "as set in GATEWAY_ADMIN_KEY"
    file = settings.data_dir / ADMIN_KEY_FILE
    return str(file) if file.exists() else f"the one used before; {file} is not there (GATEWAY_ADMIN_KEY sets another)"


# --- listening -----------------------------------------------------------------------------------------------------


def _bind(settings: Settings) -> "_Sockets":
    try:
        return _Sockets.bind(settings)
    except ConfigurationError:
        Store.refuse_if_held(settings.data_dir)  # if it is our own other process that has the address, say that
        raise


@dataclass
class _Sockets:
    main: socket.socket
    public: socket.socket | None
    url: str

    @classmethod
    def bind(cls, settings: Settings) -> "_Sockets":
        main = bind(settings.host, settings.port, "GATEWAY_HOST and GATEWAY_PORT")
        public = None
        if settings.public_listen:
            host, _, port = settings.public_listen.rpartition(":")
            public = bind(host.strip("[]"), int(port), "GATEWAY_PUBLIC_LISTEN")
            if _meet(public.getsockname(), main.getsockname()):  # both may bind, but only one would be heard
                public.close()
                main.close()
                raise ConfigurationError("GATEWAY_PUBLIC_LISTEN is where GATEWAY_HOST and GATEWAY_PORT are: change one")
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        return cls(main, public, f"http://{host}:{main.getsockname()[1]}")


def _meet(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Say whether two addresses are one, or one of them is all of this machine's."""
    hosts = {one[0], other[0]}
    return one[1] == other[1] and (len(hosts) == 1 or bool(hosts & {"0.0.0.0", "::"}))  # noqa: S104 -- compared only


def _public_only(app: Any) -> Any:
    """Serve only what load balancers need; what providers need is answered before."""

    async def public(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] in PUBLIC_PATHS:
            await app(scope, receive, send)
            return
        body = b'{"type":"about:blank","title":"Not Found","status":404}'
        headers = [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 404, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return public

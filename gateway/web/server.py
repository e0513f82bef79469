"""A running gateway: made, served and drained in this order, in one process."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from gateway import __version__, logs, sealing
from gateway.config import Settings
from gateway.contract.errors import ConfigurationError
from gateway.egress import Egress
from gateway.pipeline.dispatcher import Dispatcher
from gateway.pipeline.inboxes import Inboxes
from gateway.registration.registrar import Registrar
from gateway.registry import load_providers
from gateway.store.model import Key, Token
from gateway.store.store import Store
from gateway.web.app import create_app
from gateway.web.listening import DRAIN_SECONDS, Server, bind
from gateway.web.services import Services

URL_FILE = "gateway.url"
ADMIN_KEY_FILE = "admin.key"
ADMIN_KEY_ID = "key_admin"
PUBLIC_PATHS = ("/in/", "/live", "/ready")

_log = structlog.get_logger(__name__)


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, then drain; the process's exit status.

    Raises ConfigurationError, naming the setting, when it cannot start.
    """
    os.umask(0o077)
    logs.configure(settings.log_format, settings.log_level)
    if sys.platform == "win32":
        asyncio.run(_serve(settings))
    else:
        import uvloop  # noqa: PLC0415 -- does not exist on Windows

        uvloop.run(_serve(settings))
    return 0


async def _serve(settings: Settings) -> None:
    stopping = _stop_signal()
    sockets = _Sockets.bind(settings)
    public_url = settings.public_url or sockets.url
    async with _running(settings, public_url) as services:
        app = create_app(services)
        servers = [Server(app, settings.max_body, sockets.main)]
        if sockets.public:
            servers.append(Server(_public_only(app), settings.max_body, sockets.public))
        serving = [asyncio.create_task(server.serve()) for server in servers]
        await _listening(servers, serving)
        services.not_ready = None
        _announce(settings, services, sockets.url)
        _spare_the_collector()
        await asyncio.wait([asyncio.create_task(stopping.wait()), *serving], return_when=asyncio.FIRST_COMPLETED)
        services.not_ready = "stopping"
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


@contextlib.asynccontextmanager
async def _running(settings: Settings, public_url: str) -> AsyncIterator[Services]:
    """Make the parts of a gateway, run its loops, and take it down in the opposite order."""
    providers = load_providers()
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.secret_keys is None and Store.exists(settings.data_dir) and not sealing.has_keys(settings.data_dir):
        raise ConfigurationError(
            f"{settings.data_dir} holds a database, but not the {sealing.KEY_FILE} that it is sealed with: "
            "put the file back, or set GATEWAY_SECRET_KEYS"
        )
    keys = sealing.load_or_create_keys(settings.data_dir, settings.secret_keys)
    async with contextlib.AsyncExitStack() as stack:
        store = await Store.open(settings.data_dir, keys)
        stack.push_async_callback(store.close)
        await _ensure_admin_key(store, settings)
        given = await _ensure_tokens(store, settings)
        egress = Egress(settings.egress_allow)
        stack.push_async_callback(egress.aclose)
        inboxes = Inboxes(store, providers, public_url, given)
        await inboxes.refresh()
        registrar = Registrar(store, egress, providers, inboxes)
        services = Services(settings, store, egress, providers, registrar, inboxes, public_url)
        dispatcher = Dispatcher(
            store,
            egress,
            schedule=settings.retry_schedule,
            timeout=settings.delivery_timeout,
            public_url=public_url,
        )
        loops = [asyncio.create_task(dispatcher.run()), asyncio.create_task(registrar.run_removals())]
        stack.push_async_callback(_cancelled, loops)
        stack.push_async_callback(dispatcher.stop, DRAIN_SECONDS)
        yield services


async def _cancelled(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


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


# --- first start ---------------------------------------------------------------------------------------------------


async def _ensure_admin_key(store: Store, settings: Settings) -> None:
    """Make the first admin key, or take the one that is set; the file is the only place that holds it in clear."""
    existing = next((key for key in await store.keys() if key.id == ADMIN_KEY_ID), None)
    if settings.admin_key is None and existing is not None:
        return
    secret = settings.admin_key or sealing.new_api_key()
    digest = sealing.digest(secret)
    if settings.admin_key is None:
        _write_private(settings.data_dir / ADMIN_KEY_FILE, secret)
    if existing is None or existing.digest != digest:
        await store.put_key(
            Key(id=ADMIN_KEY_ID, name="admin", digest=digest, scopes=("admin",), created_at=store.now())
        )


async def _ensure_tokens(store: Store, settings: Settings) -> tuple[str, ...]:
    """Make the first token of the inbound URL, unless tokens are set: those are then the only ones."""
    if settings.inbound_tokens:
        return tuple(settings.inbound_tokens.replace(",", " ").split())
    if not await store.tokens():
        token = sealing.new_url_token()
        await store.put_token(Token(id=sealing.new_id("tok"), token=token, created_at=store.now()))
    return ()


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())


def _announce(settings: Settings, services: Services, url: str) -> None:
    _write_private(settings.data_dir / URL_FILE, url)
    print(  # noqa: T201 -- the start-up lines are for the person who typed the command
        f"booking-webhook gateway {__version__}, ready at {datetime.now(UTC):%Y-%m-%d %H:%M:%SZ}\n"
        f"  inbound URL   {services.inboxes.shared_url()}\n"
        f"  API and docs  {url}/docs\n"
        f"  admin key     {_admin_key_place(settings)}\n"
        f"  data          {settings.data_dir}",
        flush=True,
    )


def _admin_key_place(settings: Settings) -> str:
    return "as set in GATEWAY_ADMIN_KEY" if settings.admin_key else str(settings.data_dir / ADMIN_KEY_FILE)


# --- listening -----------------------------------------------------------------------------------------------------


@dataclass
class _Sockets:
    main: socket.socket
    public: socket.socket | None
    url: str

    @classmethod
    def bind(cls, settings: Settings) -> "_Sockets":
        main = bind(settings.host, settings.port, "GATEWAY_PORT")
        public = None
        if settings.public_listen:
            host, _, port = settings.public_listen.rpartition(":")
            public = bind(host.strip("[]"), int(port), "GATEWAY_PUBLIC_LISTEN")
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        return cls(main, public, f"http://{host}:{main.getsockname()[1]}")


def _public_only(app: Any) -> Any:
    """Serve only what providers and load balancers need."""

    async def public(scope: Any, receive: Any, send: Any) -> None:
        path: str = scope["path"]
        if path in PUBLIC_PATHS or path.startswith(PUBLIC_PATHS[0]):
            await app(scope, receive, send)
            return
        body = b'{"type":"about:blank","title":"Not Found","status":404}'
        headers = [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 404, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return public

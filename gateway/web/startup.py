"""Make the parts of a gateway from its settings, what a first start makes included, and take them down again."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

from gateway import sealing
from gateway.config import Settings
from gateway.contract.errors import ConfigurationError
from gateway.egress import Egress
from gateway.loops import Loops, Watchdog, tick
from gateway.metrics import Metrics
from gateway.pipeline.deliver import Terms
from gateway.pipeline.dispatcher import Dispatcher
from gateway.pipeline.inboxes import Inboxes
from gateway.pipeline.retry import DAY
from gateway.registration import retired
from gateway.registration.registrar import Registrar
from gateway.registration.watch import Watch
from gateway.registry import load_providers
from gateway.store.model import Key, Token
from gateway.store.store import Store
from gateway.tracing import tracing
from gateway.web import damaged
from gateway.web.crowd import descriptors
from gateway.web.following import Following
from gateway.web.listening import DRAIN_SECONDS
from gateway.web.services import Services

ADMIN_KEY_FILE = "admin.key"
ADMIN_KEY_ID = "key_admin"
PATIENCE = {"event loop": 60, "store": 120, "dispatcher": 180}
"""Seconds without a sign of life after which the process ends. Only these: without them nothing goes in or out."""
PULSE_SECONDS = 2.0
LONGEST_STOP = 20
"""Seconds after which a process that stops, and does not come to its end, is ended."""


@contextlib.asynccontextmanager
async def running(settings: Settings, public_url: str) -> AsyncIterator[Services]:
    """Make the parts of a gateway, run its loops, and take it down in the opposite order."""
    loops = Loops()
    watchdog = Watchdog(loops, PATIENCE)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(watchdog.stop)
        services = await _parts(stack, settings, public_url, loops)
        stack.push_async_callback(loops.stop)
        dispatcher = _start_loops(services)
        stack.push_async_callback(dispatcher.stop, DRAIN_SECONDS)
        watchdog.start()
        stack.callback(watchdog.hurry, LONGEST_STOP)
        yield services


async def _parts(stack: contextlib.AsyncExitStack, settings: Settings, public_url: str, loops: Loops) -> Services:
    """Make the parts, each with what it needs of those before; the stack closes them."""
    providers = load_providers()
    keys = _keys(settings)
    metrics = Metrics()
    store = await Store.open(settings.data_dir, keys, url=settings.database_url, observe=metrics.committed)
    stack.push_async_callback(store.close)
    await damaged.warn(store)
    await _ensure_admin_key(store, settings)
    given = await _ensure_tokens(store, settings)
    egress = Egress(settings.egress_allow)
    stack.push_async_callback(egress.aclose)
    inboxes = Inboxes(store, providers, public_url, given)
    await inboxes.refresh()
    await retired.warn(store, inboxes)
    registrar = Registrar(store, egress, providers, inboxes)
    tells = tracing(os.environ)
    stack.callback(tells.close)
    return Services(
        settings,
        store,
        egress,
        providers,
        registrar,
        inboxes,
        public_url,
        loops=loops,
        metrics=metrics,
        tracing=tells,
        following=None if store.alone else Following(store, inboxes),
    )


def _start_loops(services: Services) -> Dispatcher:
    """Start what goes on by itself. The dispatcher is told to stop, so that what is on its way still arrives."""
    store, loops = services.store, services.loops
    dispatcher = Dispatcher(store, services.egress, _terms(services), loops, places=descriptors() // 3)
    watch = _watch(services)
    loops.start("event loop", partial(tick, partial(loops.beat, "event loop")))
    loops.start("lag", services.metrics.watch_lag)
    loops.start("store", partial(_feel, store, partial(loops.beat, "store")))
    loops.start("dispatcher", dispatcher.run)
    if services.following is not None:
        loops.start("configuration", services.following.run)
        loops.start("notes", watch.run_notes)
    for name, run in (
        ("removals", services.registrar.run_removals),
        ("watch", watch.run),
        ("upkeep", services.upkeep.run),
        ("confirming", services.confirmation.run),
        ("catching up", services.reconciler.run),
    ):
        loops.start(name, partial(store.lead, run))
    return dispatcher


def _keys(settings: Settings) -> sealing.KeyRing:
    """Read what everything is sealed with, made at a first start. Raises ConfigurationError where none can be right."""
    sealing.make_private_dir(settings.data_dir)
    if settings.secret_keys is None and settings.database_url is not None:
        raise ConfigurationError(
            "GATEWAY_SECRET_KEYS is needed with PostgreSQL: every gateway on it seals with the same"
        )
    if settings.secret_keys is None and Store.exists(settings.data_dir) and not sealing.has_keys(settings.data_dir):
        raise ConfigurationError(
            f"{settings.data_dir} holds a database, but not the {sealing.KEY_FILE} that it is sealed with: "
            "put the file back, or set GATEWAY_SECRET_KEYS"
        )
    return sealing.load_or_create_keys(settings.data_dir, settings.secret_keys)


def _terms(services: Services) -> Terms:
    settings = services.settings
    return Terms(
        schedule=settings.retry_schedule,
        timeout=settings.delivery_timeout,
        pause_after=settings.pause_after_days * DAY or None,
        schemas_at=services.schemas_at,
        metrics=services.metrics,
        tracing=services.tracing,
    )


def _watch(services: Services) -> Watch:
    settings = services.settings
    return Watch(
        services.registrar,
        services.store.rhythms.of,
        services.inboxes.heard,
        services.refusals,
        interval=settings.watch_interval,
        silent_after=settings.silent_after,
    )


async def _feel(store: Store, beat: Callable[[], None]) -> None:
    """Feel the store's pulse until cancelled."""
    while True:
        await store.pulse()
        beat()
        await asyncio.sleep(PULSE_SECONDS)


async def _ensure_admin_key(store: Store, settings: Settings) -> None:
    """Make the first admin key, or take the one that is set; the file is the only place that holds it in clear."""
    existing = next((key for key in await store.keys() if key.id == ADMIN_KEY_ID), None)
    kept = _kept_key(settings.data_dir / ADMIN_KEY_FILE)
    if settings.admin_key is None and existing is not None and kept is None:
        return
    secret = settings.admin_key or kept or sealing.new_api_key()
    digest = sealing.digest(secret)
    if settings.admin_key is None and kept is None:
        write_private(settings.data_dir / ADMIN_KEY_FILE, secret)
    if existing is None or existing.digest != digest:
        await store.put_key(
            Key(id=ADMIN_KEY_ID, name="admin", digest=digest, scopes=("admin",), created_at=store.now())
        )


def _kept_key(file: Path) -> str | None:
    """Read the key that a first start made: where none is set (any more), it is the admin's."""
    return (file.read_text("utf-8").strip() or None) if file.exists() else None


async def _ensure_tokens(store: Store, settings: Settings) -> tuple[str, ...]:
    """Make the first token of the inbound URL, unless tokens are set: those are then the only ones."""
    if settings.tokens:
        return settings.tokens
    if not await store.tokens():
        token = sealing.new_url_token()
        await store.put_token(Token(id=sealing.new_id("tok"), token=token, created_at=store.now()))
    return ()


def write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    sealing.sync_dir(path.parent)

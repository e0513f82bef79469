"""A registrar on a real store, with invented vendors behind it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.contract.events import AnyEvent, UnknownEvent, decode_event
from gateway.contract.provider import Webhook
from gateway.egress import Egress
from gateway.pipeline.inboxes import Inboxes
from gateway.registration.registrar import Registrar
from gateway.registration.rules import ConnectRequest
from gateway.registration.watch import Watch
from gateway.sealing import new_url_token
from gateway.store.engines.engine import Clock
from gateway.store.model import Connection, Token
from gateway.store.store import Store
from gateway.web.services import Refusals
from tests.registration.vendors import Office, Pasted, Plain, Signing
from tests.store.samples import open_store

PUBLIC_URL = "https://gateway.example"


@dataclass
class Bench:
    """What a test works with. `office` is the API of both vendors that have one."""

    store: Store
    office: Office
    inboxes: Inboxes
    registrar: Registrar
    watch: Watch
    refusals: Refusals

    async def row(self, connection_id: str) -> Connection:
        (found,) = [row for row in await self.rows() if row.id == connection_id]
        return found

    def ours(self) -> list[Webhook]:
        """List the webhooks at the vendor that call this gateway."""
        return [hook for hook in self.office.hooks.values() if self.inboxes.by_token(hook.url.rpartition("/")[2])]

    async def told(self) -> list[AnyEvent | UnknownEvent]:
        """List what operators were told."""
        events = await self.store.events(types=["gateway.connection_changed"], limit=500)
        return [decode_event(event.body) for event in events]

    async def connect(self, provider: str, **fields: Any) -> Connection:
        if provider != "pasted":
            fields.setdefault("credentials", {"api_key": "the-api-key"})
        return (await self.registrar.connect(ConnectRequest(provider=provider, **fields))).connection

    async def rows(self) -> list[Connection]:
        return await self.store.connections()

    async def gone(self, *ids: str) -> None:
        """Wait until these rows are gone, all if none are named; the test's own time limit bounds it."""
        while any(row.id in ids or not ids for row in await self.rows()):
            await self.store.changed(1.0)

    def reachable(self, connection: Connection) -> bool:
        """Say whether calls on a connection's URL may still be its own."""
        inbox = self.inboxes.by_token(self.inboxes.url_of(connection).rpartition("/")[2])
        return inbox is not None and any(c.account.connection == connection.id for c in inbox.candidates)


@contextlib.asynccontextmanager
async def bench(
    directory: Path,
    office: Office,
    *,
    public_url: str = PUBLIC_URL,
    given: Sequence[str] = (),
    silent_after: float | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Bench]:
    """Start on a data directory, which may have been used before."""
    store = await open_store(directory, clock)
    egress = Egress()
    providers = {plugin.name: plugin for plugin in (Signing(office), Plain(office), Pasted())}
    if not await store.tokens():
        await store.put_token(Token(id="tok_1", token=new_url_token(), created_at=store.now()))
    inboxes = Inboxes(store, providers, public_url, given)
    await inboxes.refresh()
    registrar = Registrar(store, egress, providers, inboxes, delays=(0.01,))
    refusals = Refusals()
    watch = Watch(registrar, store.rhythms.of, inboxes.heard, refusals, interval=0.01, silent_after=silent_after)
    try:
        yield Bench(store, office, inboxes, registrar, watch, refusals)
    finally:
        await egress.aclose()
        await store.close()


@contextlib.asynccontextmanager
async def removing(registrar: Registrar) -> AsyncIterator[None]:
    """Let the background work run for as long as the block does."""
    work = asyncio.create_task(registrar.run_removals())
    try:
        yield
    finally:
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work


@pytest.fixture
def office(request: pytest.FixtureRequest) -> Office:
    """Make the vendor; a test's parameter may be its class."""
    kind: type[Office] = getattr(request, "param", Office)
    return kind()


@pytest.fixture
async def desk(tmp_path: Path, office: Office) -> AsyncIterator[Bench]:
    async with bench(tmp_path, office) as made:
        yield made

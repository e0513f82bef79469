"""A gateway on a real store and a real socket, with invented vendors behind it and a consumer in front."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.config import Allowed, Settings
from gateway.contract.provider import Provider
from gateway.egress import Egress
from gateway.pipeline.inboxes import Inboxes
from gateway.registration.registrar import Registrar
from gateway.sealing import KEY_FILE, digest, new_api_key, new_id, new_url_token
from gateway.store.model import Key, Token
from gateway.store.store import Store
from gateway.web.app import create_app
from gateway.web.auth import Scope
from gateway.web.following import Following
from gateway.web.ingest import Ingest
from gateway.web.listening import Server
from gateway.web.services import Services
from tests import stores
from tests.registration.vendors import Office, Pasted, Signing
from tests.store.samples import KEYS, open_store
from tests.web.vendors import Talking


@dataclass
class Consumer:
    """A destination's server: keeps what it got, answers `status`."""

    url: str = ""
    status: int = 200
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.got.append(({name.decode(): value.decode() for name, value in scope["headers"]}, body))
        await send({"type": "http.response.start", "status": self.status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


@dataclass
class Gateway:
    """A running gateway. `http` asks with a key that has every scope."""

    services: Services
    url: str
    office: Office
    talking: Talking
    http: httpx.AsyncClient

    @property
    def store(self) -> Store:
        return self.services.store

    async def key(self, *scopes: Scope) -> str:
        """Make a key with these scopes."""
        key = new_api_key()
        row = Key(id=new_id("key_"), name="test", digest=digest(key), scopes=scopes, created_at=self.store.now())
        await self.store.put_key(row)
        return key

    @contextlib.asynccontextmanager
    async def client(self, *scopes: Scope) -> AsyncIterator[httpx.AsyncClient]:
        """Ask with a key that has only these scopes."""
        async with _client(self.url, await self.key(*scopes)) as client:
            yield client

    async def get(self, path: str, **query: Any) -> Any:
        """Ask for something that must be there."""
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        """Have something done that must succeed."""
        answer = await self.http.post(path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def connect(self, provider: str = "talking", **fields: Any) -> Any:
        credentials = {"credentials": {"api_key": "the-api-key"}} if provider in ("talking", "signing") else {}
        return await self.post("/v1/connections", {"provider": provider, **credentials, **fields}, 201)

    async def says(self, url: str, **body: Any) -> Any:
        """Have the talking vendor call, which must be taken."""
        answer = await self.http.post(url, json={"from": "talking", **body}, headers={"authorization": ""})
        assert answer.status_code == 200, answer.text
        return answer.json()


def _client(url: str, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}, trust_env=False, timeout=30)


class QuickServer(Server):
    """Stops when told to: a test does not wait for the next tick."""

    async def main_loop(self) -> None:
        while not self.should_exit:  # noqa: ASYNC110 -- uvicorn's way to be told
            await asyncio.sleep(0.005)


def listen() -> socket.socket:
    """Take a free loopback port; asyncio turns Nagle's 40 ms off only where the protocol is named."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.setblocking(False)
    return listening


@contextlib.asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """Serve an application on a free loopback port; gives its address."""
    with listen() as listening:
        async with _serving(QuickServer(app, 1 << 20, listening)):
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@contextlib.asynccontextmanager
async def _serving(server: Server) -> AsyncIterator[None]:
    serving = asyncio.create_task(server.serve())
    await server.listening.wait()
    try:
        yield
    finally:
        server.should_exit = True
        await serving


@contextlib.asynccontextmanager
async def running(directory: Path, providers: Sequence[Provider]) -> AsyncIterator[tuple[Services, str]]:
    """Start a gateway on a data directory. Of what is not public it may reach 127.0.0.1, and no other address."""
    url = stores.database_url(directory)
    settings = Settings(
        data_dir=directory,
        egress_allow=(Allowed(ip_network("127.0.0.1"), None),),
        database_url=url,
        secret_keys=None if url is None else KEYS,
    )
    async with contextlib.AsyncExitStack() as stack:
        (directory / KEY_FILE).write_text(KEYS)
        store = await open_store(directory)
        stack.push_async_callback(store.close)
        await store.put_token(Token(id="tok_1", token=new_url_token(), created_at=store.now()))
        egress = Egress(settings.egress_allow)
        stack.push_async_callback(egress.aclose)
        known = {provider.name: provider for provider in providers}
        listening = stack.enter_context(listen())
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        inboxes = Inboxes(store, known, url)
        await inboxes.refresh()
        registrar = Registrar(store, egress, known, inboxes, delays=(0.01,))
        services = Services(settings, store, egress, known, registrar, inboxes, url, not_ready=None)
        if not store.alone:
            services.following = Following(store, inboxes)
            services.loops.start("configuration", services.following.run)
        services.loops.start("upkeep", services.upkeep.run)
        services.loops.start("confirming", services.confirmation.run)
        services.loops.start("catching up", services.reconciler.run)
        stack.push_async_callback(services.loops.stop)
        app, ingest = create_app(services), Ingest(services)
        async with _serving(QuickServer(app, settings.max_body, listening, ingest)):
            yield services, url
            services.not_ready = "stopping"  # as a process says first, so that streams end


@pytest.fixture
async def consumer() -> AsyncIterator[Consumer]:
    made = Consumer()
    async with served(made) as url:
        made.url = url + "/events"
        yield made


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    office = Office()
    talking = Talking(office)
    plugins = (Signing(office), talking, Pasted())
    async with running(tmp_path, plugins) as (services, url), _client(url, "x") as http:
        made = Gateway(services, url, office, talking, http)
        http.headers["authorization"] = f"Bearer {await made.key('admin')}"
        yield made

"""Every installed provider is connected through its vendor's own API, on sockets, and its calls come out as events."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.contract.provider import ByHand, Provider
from gateway.contract.simulator import Hook, Simulator
from gateway.registry import load_providers, load_simulator
from gateway.sealing import digest, new_api_key
from gateway.store.model import Key
from tests.web.conftest import running, served

PROVIDERS = load_providers()
BY_API = sorted(name for name, provider in PROVIDERS.items() if not isinstance(provider.webhooks, ByHand))


@dataclass
class Vendor:
    """One vendor's stand-in and a gateway that may reach it."""

    provider: Provider
    simulation: Simulator
    http: httpx.AsyncClient
    request: dict[str, Any]

    async def connects(self, status: int = 201, **fields: Any) -> Any:
        answer = await self.http.post("/v1/connections", json={**self.request, **fields})
        assert answer.status_code == status, answer.text
        return answer.json()

    async def connections(self) -> list[Any]:
        found: list[Any] = (await self.http.get("/v1/connections")).json()["items"]
        return found


@contextlib.asynccontextmanager
async def vendor(name: str, directory: Path) -> AsyncIterator[Vendor]:
    simulation, key = load_simulator(PROVIDERS[name])(), new_api_key()
    async with (
        served(simulation.app) as api,
        running(directory, tuple(PROVIDERS.values())) as (services, url),
        httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}, trust_env=False) as http,
    ):
        row = Key(id="key_1", name="test", digest=digest(key), scopes=("admin",), created_at=services.store.now())
        await services.store.put_key(row)
        settings, credentials = simulation.settings(api), dict(simulation.credentials)
        request = {"provider": name, "credentials": credentials, "settings": settings}
        yield Vendor(PROVIDERS[name], simulation, http, request)


@pytest.mark.parametrize("name", sorted(PROVIDERS))
async def test_what_happens_at_a_vendor_comes_out_as_events(name: str, tmp_path: Path) -> None:
    async with vendor(name, tmp_path) as at:
        made = await at.connects()
        if isinstance(at.provider.webhooks, ByHand):
            assert made["inbound_url"] in made["instructions"]
            at.simulation.paste(made["inbound_url"])
        expected = []
        for scene in at.simulation.story():
            for call in at.simulation.calls(scene.word, scene.body):
                answer = await at.http.post(call.url, content=call.body, headers=dict(call.headers))
                assert answer.json()["status"] == ("accepted" if scene.type else "quarantined")
                expected += [scene.type] if scene.type else []
        events = (await at.http.get("/v1/events")).json()["items"]
        assert [event["type"] for event in events] == expected
        assert {event["origin"]["connection"] for event in events} == {made["id"]}


@pytest.mark.parametrize("name", BY_API)
async def test_connecting_and_disconnecting_leaves_the_vendor_as_it_was(name: str, tmp_path: Path) -> None:
    async with vendor(name, tmp_path) as at:
        theirs = at.simulation.paste("https://somebody.example/hook")
        made = await at.connects()
        assert made["remote"]["id"] in at.simulation.hooks
        assert at.simulation.hooks[made["remote"]["id"]].url == made["inbound_url"]
        assert (await at.http.delete(f"/v1/connections/{made['id']}")).status_code == 204
        assert list(at.simulation.hooks) == [theirs.id]


@pytest.mark.parametrize("name", BY_API)
async def test_a_wrong_key_is_told_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    async with vendor(name, tmp_path) as at:
        problem = await at.connects(502, credentials={"api_key": "a-mistyped-key"})
        assert "Check `credentials`" in problem["detail"]
        assert "a-mistyped-key" not in problem["detail"]
        assert await at.connections() == []
        assert at.simulation.hooks == {}


@pytest.mark.parametrize("name", BY_API)
async def test_an_api_where_nobody_answers_is_told_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    async with vendor(name, tmp_path) as at:
        problem = await at.connects(502, settings={"base_url": "http://127.0.0.1:1"})
        assert "`--set base_url=...`" in problem["detail"]
        assert await at.connections() == []


@pytest.mark.parametrize("name", BY_API)
async def test_a_page_that_is_no_api_is_told_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    async def page(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"15")]})
        await send({"type": "http.response.body", "body": b"<html>Hi</html>"})

    async with served(page) as url, vendor(name, tmp_path) as at:
        problem = await at.connects(502, settings={"base_url": url})
        assert "Nothing at its address answers as its API does" in problem["detail"]
        assert await at.connections() == []


async def test_a_full_account_says_what_to_do(tmp_path: Path) -> None:
    async with vendor("meetergo", tmp_path) as at:
        for number in range(6):
            at.simulation.hooks[f"h{number}"] = Hook(id=f"h{number}", url="https://else.example", events=())
        problem = await at.connects(502)
        assert "Company reached maximum" in problem["detail"]
        assert "Delete a webhook there" in problem["detail"]
        assert await at.connections() == []

"""Whatever an operator can make the gateway call goes out by one door: destinations, tests of them, provider APIs."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.egress.guard import literal
from gateway.registry import load_providers
from gateway.sealing import digest, new_api_key
from gateway.store.model import Key
from tests.egress.dns import NameServer, naming
from tests.egress.sinks import answer, listening, says, says_then_closes
from tests.egress.spellings import LOOPBACK_SPELLINGS, NOT_PUBLIC
from tests.web.conftest import Gateway, running

ALLOWED, INNER = "127.0.0.1", "127.0.0.2"
"""What these gateways may reach, and another address of this machine."""
MEANT = (*LOOPBACK_SPELLINGS, *NOT_PUBLIC)
REFUSED = [
    host
    for host in MEANT
    if host.isascii() and str(literal(host)) not in (ALLOWED, f"::ffff:{ALLOWED}", "::ffff:7f00:1")
]
BY_API = ("harmonizely", "meetergo")


@pytest.fixture
async def names(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NameServer]:
    async with naming(monkeypatch) as server:
        yield server


async def made(gateway: Gateway, url: str) -> str:
    answer: str = (await gateway.post("/v1/destinations", {"url": url}, 201))["id"]
    return answer


async def tried(gateway: Gateway, destination: str) -> tuple[bool, str]:
    said = await gateway.post(f"/v1/destinations/{destination}/test")
    return said["delivered"], said["error"]


async def test_no_spelling_of_an_inner_address_becomes_a_destination(gateway: Gateway) -> None:
    existing = f"/v1/destinations/{await made(gateway, 'https://consumer.example/hooks')}"
    for host in (*REFUSED, "[fe80::1%25lo]", "[::ffff:127.0.0.2]"):
        for method, path in (("POST", "/v1/destinations"), ("PATCH", existing)):
            refused = await gateway.http.request(method, path, json={"url": f"http://{host}:9000/hooks"})
            assert refused.status_code == 400, host
            assert refused.json()["errors"][0]["field"] == "url", host


async def test_a_test_of_a_destination_goes_nowhere_that_a_delivery_could_not(
    gateway: Gateway, names: NameServer
) -> None:
    names.names["rebind.example"] = [[ALLOWED], [INNER], [ALLOWED, INNER], ["169.254.169.254"]]
    async with listening(says_then_closes(answer())) as sink, listening(host=INNER, port=sink.port) as inner:
        destination = await made(gateway, f"http://rebind.example:{sink.port}/hooks")
        outcomes = [await tried(gateway, destination) for _ in range(4)]
    assert [delivered for delivered, _ in outcomes] == [True, False, False, False]
    assert all("is not a public address" in words for _, words in outcomes[1:])
    assert (sink.connections, inner.connections) == (1, 0)


async def test_a_redirect_leads_nowhere(gateway: Gateway) -> None:
    async with listening() as target, listening(says(answer(302, location=target.url))) as sink:
        delivered, words = await tried(gateway, await made(gateway, sink.url))
    assert (delivered, words) == (False, "302 Found: redirects are not followed")
    assert target.connections == 0


# --- providers -----------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def operated(directory: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway with the real plugins, asked with a key that may do everything."""
    key = new_api_key()
    async with (
        running(directory, tuple(load_providers().values())) as (services, url),
        httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}, trust_env=False) as http,
    ):
        row = Key(id="key_1", name="test", digest=digest(key), scopes=("admin",), created_at=services.store.now())
        await services.store.put_key(row)
        yield http


async def connect(http: httpx.AsyncClient, provider: str, base_url: str) -> Any:
    wanted = {"provider": provider, "credentials": {"api_key": "secret-of-theirs"}, "settings": {"base_url": base_url}}
    return await http.post("/v1/connections", json=wanted)


@pytest.mark.parametrize("provider", BY_API)
async def test_no_spelling_of_an_inner_address_becomes_a_providers(provider: str, tmp_path: Path) -> None:
    async with operated(tmp_path) as http:
        for host in REFUSED:
            refused = await connect(http, provider, f"http://{host}:9000/api")
            assert refused.status_code == 400, (host, refused.text)
            assert refused.json()["errors"][0]["field"] == "settings.base_url", host
        assert (await http.get("/v1/connections")).json()["items"] == []


@pytest.mark.parametrize("provider", BY_API)
@pytest.mark.parametrize("answers", [[INNER], [ALLOWED, INNER], ["::1"], ["169.254.169.254"]])
async def test_a_providers_name_that_leads_inside_gets_no_credentials(
    names: NameServer, provider: str, answers: list[str], tmp_path: Path
) -> None:
    names.names["api.example"] = [answers]
    async with operated(tmp_path) as http, listening() as sink, listening(host=INNER, port=sink.port) as inner:
        refused = await connect(http, provider, f"http://api.example:{sink.port}/api")
        left = (await http.get("/v1/connections")).json()["items"]
    assert 400 <= refused.status_code < 600
    assert refused.status_code != 500
    assert "is not a public address" in refused.json()["detail"]
    assert (left, sink.connections, inner.connections) == ([], 0, 0)


@pytest.mark.parametrize("provider", BY_API)
async def test_a_provider_that_redirects_gets_its_credentials_sent_nowhere_else(provider: str, tmp_path: Path) -> None:
    async with (
        listening() as target,
        listening(says(answer(307, location=target.url))) as sink,
        operated(tmp_path) as http,
    ):
        refused = await connect(http, provider, f"http://{ALLOWED}:{sink.port}/api")
    assert refused.status_code == 502
    assert target.connections == 0
    assert sink.connections >= 1


@pytest.mark.parametrize("credential", ["two\r\nx-forged: 1", "nul\0", "sch\u00fctz", "tab\t", "\x7f"])
async def test_a_credential_that_is_no_header_is_refused_when_it_is_given(credential: str, tmp_path: Path) -> None:
    async with operated(tmp_path) as http:
        wanted = {"provider": "meetergo", "credentials": {"api_key": credential}}
        refused = await http.post("/v1/connections", json=wanted)
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["field"] == "credentials"
    assert credential not in refused.text

"""Who asks, and whether they may."""

import re
from typing import Any

import httpx
import pytest
from litestar.routes import HTTPRoute

from gateway.store.model import Key
from gateway.web.app import create_app
from gateway.web.auth import SCOPES, Scope, Standing
from tests.web.conftest import Gateway

READ, REPLAY, CONFIG, CHANGE, ADMIN = SCOPES
ROUTES: dict[tuple[str, str], Scope] = {
    ("GET", "/v1/providers"): CONFIG,
    ("GET", "/v1/url"): CHANGE,
    ("GET", "/v1/connections"): CONFIG,
    ("POST", "/v1/connections"): CHANGE,
    ("GET", "/v1/connections/{}"): CONFIG,
    ("PATCH", "/v1/connections/{}"): CHANGE,
    ("DELETE", "/v1/connections/{}"): CHANGE,
    ("POST", "/v1/connections/{}/check"): CHANGE,
    ("POST", "/v1/connections/{}/repair"): CHANGE,
    ("POST", "/v1/connections/{}/rotate"): CHANGE,
    ("POST", "/v1/url/rotate"): CHANGE,
    ("POST", "/v1/connections/{}/reconcile"): CHANGE,
    ("GET", "/v1/connections/{}/reconcile"): CONFIG,
    ("GET", "/v1/connections/{}/latest-call"): CONFIG,
    ("GET", "/v1/destinations"): CONFIG,
    ("POST", "/v1/destinations"): CHANGE,
    ("GET", "/v1/destinations/{}"): CONFIG,
    ("PATCH", "/v1/destinations/{}"): CHANGE,
    ("DELETE", "/v1/destinations/{}"): CHANGE,
    ("POST", "/v1/destinations/{}/pause"): CHANGE,
    ("POST", "/v1/destinations/{}/resume"): CHANGE,
    ("POST", "/v1/destinations/{}/rotate-secret"): CHANGE,
    ("POST", "/v1/destinations/{}/test"): CHANGE,
    ("GET", "/v1/events"): READ,
    ("GET", "/v1/events/stream"): "events:read",
    ("GET", "/v1/events/{}"): READ,
    ("GET", "/v1/events/{}/raw"): READ,
    ("POST", "/v1/events/{}/replay"): REPLAY,
    ("GET", "/v1/deliveries"): READ,
    ("GET", "/v1/deliveries/{}"): READ,
    ("POST", "/v1/deliveries/{}/retry"): REPLAY,
    ("POST", "/v1/deliveries/retry"): REPLAY,
    ("GET", "/v1/quarantine"): READ,
    ("GET", "/v1/quarantine/{}"): READ,
    ("GET", "/v1/quarantine/{}/raw"): READ,
    ("POST", "/v1/quarantine/{}/retry"): REPLAY,
    ("POST", "/v1/quarantine/retry"): REPLAY,
    ("DELETE", "/v1/quarantine/{}"): REPLAY,
    ("GET", "/v1/keys"): ADMIN,
    ("POST", "/v1/keys"): ADMIN,
    ("DELETE", "/v1/keys/{}"): ADMIN,
    ("GET", "/v1/stats"): READ,
    ("POST", "/v1/erase"): ADMIN,
    ("GET", "/v1/erase/{}"): ADMIN,
    ("POST", "/v1/encryption/rotate"): ADMIN,
    ("GET", "/v1/encryption/rotate"): ADMIN,
    ("GET", "/v1/audit"): ADMIN,
}
OPEN = ("/live", "/ready", "/docs", "/openapi.json")


def routes(gateway: Gateway) -> set[tuple[str, str]]:
    """List what the application really serves under /v1."""
    found = [route for route in create_app(gateway.services).routes if isinstance(route, HTTPRoute)]
    return {
        (method, re.sub(r"\{[^}]*\}", "{}", route.path_format))
        for route in found
        for method in route.methods - {"OPTIONS"}
        if route.path.startswith("/v1")
    }


async def test_the_table_below_is_the_whole_api(gateway: Gateway) -> None:
    assert routes(gateway) == set(ROUTES)


async def test_every_call_refuses_who_sends_no_key(gateway: Gateway) -> None:
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as nobody:
        for method, path in ROUTES:
            answer = await nobody.request(method, path.format("x"))
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="gateway"'), path
            assert answer.headers["content-type"] == "application/problem+json"


async def test_every_call_refuses_a_key_without_its_scope_and_names_it(gateway: Gateway) -> None:
    for scope in SCOPES:
        others = tuple(other for other in SCOPES if other not in (scope, "admin"))
        async with gateway.client(*others) as lacking:
            for method, path in (route for route, needed in ROUTES.items() if needed == scope):
                answer = await lacking.request(method, path.format("x"))
                assert answer.status_code == 403, (method, path)
                assert scope in answer.json()["detail"]
                assert f'scope="{scope}"' in answer.headers["www-authenticate"]


async def test_every_call_takes_a_key_with_just_its_scope(gateway: Gateway) -> None:
    for scope in SCOPES:
        async with gateway.client(scope) as having:
            for method, path in (route for route, needed in ROUTES.items() if needed == scope):
                async with having.stream(method, path.format("x")) as answer:  # one of them has no end
                    assert answer.status_code not in (401, 403, 500), (method, path)


@pytest.mark.parametrize("path", OPEN)
async def test_some_pages_need_no_key(gateway: Gateway, path: str) -> None:
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as nobody:
        assert (await nobody.get(path)).status_code == 200


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Basic {}", "{}", "Bearer {}x", "Bearer gwk_", "Bearer é", "Bearer " + "k" * 5000],
)
async def test_what_is_not_a_key_is_refused(gateway: Gateway, value: str) -> None:
    key = gateway.http.headers["authorization"].removeprefix("Bearer ")
    answer = await gateway.http.get("/v1/stats", headers={b"authorization": value.format(key).encode()})
    assert answer.status_code == 401
    assert key not in answer.text


async def test_two_keys_at_once_are_no_key(gateway: Gateway) -> None:
    key = gateway.http.headers["authorization"]
    headers: Any = [("authorization", key), ("authorization", key)]
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as twice:
        assert (await twice.get("/v1/stats", headers=headers)).status_code == 401


async def test_the_scheme_is_read_in_any_case(gateway: Gateway) -> None:
    key = gateway.http.headers["authorization"].removeprefix("Bearer ")
    answer = await gateway.http.get("/v1/stats", headers={"authorization": f"bearer {key}"})
    assert answer.status_code == 200


async def test_a_revoked_key_is_dead_at_once(gateway: Gateway) -> None:
    made = await gateway.post("/v1/keys", {"scopes": ["events:read"]}, 201)
    headers = {"authorization": f"Bearer {made['key']}"}
    assert (await gateway.http.get("/v1/stats", headers=headers)).status_code == 200
    assert (await gateway.http.delete(f"/v1/keys/{made['id']}")).status_code == 204
    assert (await gateway.http.get("/v1/stats", headers=headers)).status_code == 401


async def test_an_answer_that_goes_on_reads_the_keys_only_after_a_change(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await gateway.post("/v1/keys", {"scopes": ["events:read"]}, 201)
    rows = {row.id: row for row in await gateway.store.keys()}
    readings = counted(gateway, monkeypatch)
    standing = Standing(gateway.store, rows[made["id"]])
    assert [await standing.stands() for _ in range(3)] == [True] * 3
    assert len(readings) == 1
    await gateway.key("events:read")
    assert [await standing.stands() for _ in range(3)] == [True] * 3
    assert len(readings) == 2
    await gateway.store.remove_key(made["id"])
    assert [await standing.stands() for _ in range(3)] == [False] * 3
    assert len(readings) == 3


def counted(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> list[list[Key]]:
    """Keep what each reading of the keys found."""
    readings: list[list[Key]] = []
    read = gateway.store.keys

    async def keys() -> list[Key]:
        readings.append(await read())
        return readings[-1]

    monkeypatch.setattr(gateway.store, "keys", keys)
    return readings

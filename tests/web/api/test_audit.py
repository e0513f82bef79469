"""/v1/audit: every act through the API, and who did it."""

from typing import Any

import pytest

from tests.web.conftest import Gateway


async def acts(gateway: Gateway, **query: Any) -> list[tuple[str, str | None]]:
    return [(act["action"], act["object"]) for act in (await gateway.get("/v1/audit", **query))["items"]]


async def test_what_is_made_changed_and_removed_is_written_down(gateway: Gateway) -> None:
    made = await gateway.post("/v1/destinations", {"url": "https://x.example/"}, 201)
    await gateway.http.patch(f"/v1/destinations/{made['id']}", json={"name": "n"})
    await gateway.post(f"/v1/destinations/{made['id']}/pause")
    await gateway.http.delete(f"/v1/destinations/{made['id']}")
    key = await gateway.post("/v1/keys", {"scopes": ["events:read"]}, 201)

    assert await acts(gateway) == [
        ("create_destination", made["id"]),
        ("change_destination", made["id"]),
        ("pause_destination", made["id"]),
        ("delete_destination", made["id"]),
        ("create_key", key["id"]),
    ]
    assert await acts(gateway, action="create_key") == await acts(gateway, object=key["id"])


async def test_who_did_it_is_the_key_that_was_used(gateway: Gateway) -> None:
    async with gateway.client("config:write") as other:
        await other.post("/v1/destinations", json={"url": "https://x.example/"})
    keys = {key["id"] for key in (await gateway.get("/v1/keys"))["items"] if "config:write" in key["scopes"]}
    (act,) = (await gateway.get("/v1/audit"))["items"]
    assert {act["key"]} == keys
    assert await acts(gateway, key="key_nobody") == []


async def test_looking_and_what_was_refused_are_no_acts(gateway: Gateway) -> None:
    await gateway.get("/v1/stats")
    await gateway.http.post("/v1/destinations", json={"url": "nonsense"})
    await gateway.http.post("/v1/nothing")
    async with gateway.client("events:read") as lacking:
        await lacking.post("/v1/keys", json={"scopes": ["admin"]})
    assert await acts(gateway) == []


async def test_a_look_at_unmasked_bytes_is_an_act(gateway: Gateway) -> None:
    await gateway.connect()
    said = await gateway.says((await gateway.get("/v1/url"))["inbound_url"], booking="b1")
    for exact in ("false", "true"):
        await gateway.http.get(f"/v1/events/{said['events'][0]}/raw", params={"exact": exact})
    assert (await acts(gateway))[-1] == ("show_exact_bytes", said["receipt"])
    assert len(await acts(gateway, action="show_exact_bytes")) == 1


async def test_it_is_read_page_by_page(gateway: Gateway) -> None:
    for _ in range(3):
        await gateway.post("/v1/keys", {"scopes": ["events:read"]}, 201)
    first = await gateway.get("/v1/audit", limit=2)
    rest = await gateway.get("/v1/audit", limit=2, after=first["next"])
    assert (len(first["items"]), len(rest["items"]), rest["next"]) == (2, 1, None)


@pytest.mark.parametrize("after", ["x", "-1", "9" * 30, "\u0663"])
async def test_a_strange_cursor_is_refused(gateway: Gateway, after: str) -> None:
    assert (await gateway.http.get("/v1/audit", params={"after": after})).status_code == 400

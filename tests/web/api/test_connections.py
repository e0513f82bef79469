"""/v1/connections: the accounts that are listened to."""

from typing import Any

import pytest

from gateway.contract.errors import ApiUnavailable, CredentialRefused
from tests.web.conftest import Gateway

SHAPE = {
    "id", "provider", "name", "status", "silent", "inbound_url", "account", "settings", "remote", "instructions",
    "last_received_at", "rejected", "last_rejected_at", "created_at", "problem", "verification", "replaced",
    "missed_since", "cannot_catch_up",
}  # fmt: skip


async def test_a_connection_is_answered_whole(gateway: Gateway) -> None:
    made = await gateway.connect(name="Sales")
    assert set(made) == SHAPE
    url = (await gateway.get("/v1/url"))["inbound_url"]
    assert (made["provider"], made["name"], made["status"], made["inbound_url"]) == ("talking", "Sales", "waiting", url)
    assert made["account"] == "acme"
    assert made["settings"] == {"events": None, "base_url": "https://api.vendor.example"}
    assert made["remote"]["url"] == url
    assert made["remote"]["events"] == ["made", "moved", "gone"]
    assert made["remote"]["checked_at"].endswith("Z")
    assert await gateway.get(f"/v1/connections/{made['id']}") == made
    assert (await gateway.get("/v1/connections"))["items"] == [made]


async def test_no_secret_is_in_any_later_answer(gateway: Gateway) -> None:
    made = await gateway.connect("signing")
    given = await gateway.connect("signing", signing_secret="given-by-the-operator")
    assert "signing_secret" not in given
    later = str(await gateway.get("/v1/connections")) + str(await gateway.get(f"/v1/connections/{made['id']}"))
    for secret in (made["signing_secret"], "given-by-the-operator", "the-api-key"):
        assert secret not in later


async def test_tokens_are_shown_to_those_who_may_change_and_to_no_others(gateway: Gateway) -> None:
    made = await gateway.connect()
    by_hand = await gateway.connect("pasted")
    token = made["inbound_url"].rpartition("/")[2]
    async with gateway.client("config:read") as reader:
        listed = await reader.get("/v1/connections")
        shown = await reader.get(f"/v1/connections/{by_hand['id']}")
    assert token not in listed.text + shown.text
    assert shown.json()["inbound_url"] == made["inbound_url"].replace(token, "***")
    async with gateway.client("config:read", "config:write") as writer:
        assert token in (await writer.get("/v1/connections")).text


async def test_what_is_made_by_hand_says_what_to_do(gateway: Gateway) -> None:
    made = await gateway.connect("pasted", name="{tick} & co")
    first, *_ = made["instructions"].splitlines()
    assert first == f"Paste {made['inbound_url']}, call it {{tick}} & co, and {{tick}} all."
    assert made["remote"] is None


async def test_those_that_nobody_named_can_be_told_apart(gateway: Gateway) -> None:
    names = [(await gateway.connect("pasted", own_url=True))["name"] for _ in range(2)]
    assert names[1] == f"{names[0]} 2"


async def test_calls_show_on_the_connection(gateway: Gateway) -> None:
    made = await gateway.connect()
    await gateway.says(made["inbound_url"], booking="b1")
    shown = await gateway.get(f"/v1/connections/{made['id']}")
    assert shown["status"] == "active"
    assert shown["last_received_at"].endswith("Z")


async def test_refused_calls_are_counted(gateway: Gateway) -> None:
    made = await gateway.connect("signing")
    answer = await gateway.http.post(made["inbound_url"], json={"from": "signing"})
    assert answer.status_code == 401
    shown = await gateway.get(f"/v1/connections/{made['id']}")
    assert shown["rejected"] == 1
    assert shown["last_rejected_at"].endswith("Z")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"provider": "nobody"}, 400, "provider"),
        ({"provider": "talking"}, 400, "credentials.api_key"),
        ({"provider": "talking", "credentials": {"api_key": 1}}, 400, "credentials.api_key"),
        ({"provider": "talking", "colour": "red"}, 400, "colour"),
        ({"provider": "pasted", "settings": {"colour": "red"}}, 400, "settings.colour"),
    ],
)
async def test_a_wrong_request_names_the_field(gateway: Gateway, body: Any, status: int, field: str) -> None:
    answer = await gateway.http.post("/v1/connections", json=body)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["field"] == field


async def test_a_provider_that_refuses_is_502_with_its_words_and_no_connection_remains(gateway: Gateway) -> None:
    gateway.office.fails["create"] = [CredentialRefused("This key was revoked", status=401)]
    answer = await gateway.http.post("/v1/connections", json={"provider": "talking", "credentials": {"api_key": "k"}})
    assert answer.status_code == 502
    assert "This key was revoked" in answer.json()["detail"]
    assert (await gateway.get("/v1/connections"))["items"] == []


async def test_a_secret_used_twice_on_one_url_is_409(gateway: Gateway) -> None:
    await gateway.connect("signing", signing_secret="the same one")
    body = {"provider": "signing", "credentials": {"api_key": "k"}, "signing_secret": "the same one"}
    assert (await gateway.http.post("/v1/connections", json=body)).status_code == 409


async def test_a_name_is_changed_and_what_needs_a_new_webhook_is_409(gateway: Gateway) -> None:
    made = await gateway.connect()
    path = f"/v1/connections/{made['id']}"
    assert (await gateway.http.patch(path, json={"name": "New"})).json() == {**made, "name": "New"}
    answer = await gateway.http.patch(path, json={"settings": {"base_url": "https://elsewhere.example"}})
    assert answer.status_code == 409
    assert (await gateway.http.patch("/v1/connections/con_none", json={"name": "x"})).status_code == 404


async def test_disconnecting_deletes_the_webhook_and_kills_the_url(gateway: Gateway) -> None:
    made = await gateway.connect(own_url=True)
    path = f"/v1/connections/{made['id']}"
    assert (await gateway.http.delete(path)).status_code == 204
    assert gateway.office.hooks == {}
    assert (await gateway.http.post(made["inbound_url"], json={"from": "talking"})).status_code == 404
    assert (await gateway.http.delete(path)).status_code == 404


async def test_a_provider_that_cannot_be_asked_leaves_the_connection_removing(gateway: Gateway) -> None:
    made = await gateway.connect(own_url=True)
    gateway.office.fails["delete"] = [ApiUnavailable("down", status=503)]
    assert (await gateway.http.delete(f"/v1/connections/{made['id']}")).status_code == 202
    assert (await gateway.get(f"/v1/connections/{made['id']}"))["status"] == "removing"
    assert (await gateway.http.post(made["inbound_url"], json={"from": "talking"})).status_code == 404

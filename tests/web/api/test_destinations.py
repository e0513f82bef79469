"""/v1/destinations: who gets the events."""

import json
from typing import Any

import pytest
from msgspec.structs import replace
from standardwebhooks import Webhook

from tests.web.conftest import Consumer, Gateway

SHAPE = {
    "id", "name", "url", "types", "providers", "connections", "headers", "format", "profile", "rate", "paused",
    "paused_reason", "created_at",
}  # fmt: skip
PUBLIC = "https://consumer.example/hooks"


async def add(gateway: Gateway, **fields: Any) -> Any:
    return await gateway.post("/v1/destinations", {"url": PUBLIC, **fields}, 201)


async def refused(gateway: Gateway, method: str, path: str, body: Any) -> tuple[int, str]:
    answer = await gateway.http.request(method, path, json=body)
    problem = answer.json()
    return answer.status_code, problem.get("errors", [{"field": ""}])[0]["field"]


async def test_a_destination_has_its_defaults_and_shows_its_secret_once(gateway: Gateway) -> None:
    made = await add(gateway)
    assert set(made) == SHAPE | {"secret"}
    assert made["secret"].startswith("whsec_")
    assert (made["types"], made["name"]) == (["*"], "consumer.example")
    assert (made["format"], made["profile"]) == ("standard", "full")
    shown = await gateway.get(f"/v1/destinations/{made['id']}")
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    assert (await gateway.get("/v1/destinations"))["items"] == [shown]


async def test_the_values_of_headers_are_never_shown(gateway: Gateway) -> None:
    made = await add(gateway, headers={"Authorization": "Bearer the-consumers-own"})
    assert made["headers"] == {"Authorization": "***"}
    assert "the-consumers-own" not in str(await gateway.get("/v1/destinations"))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"url": "ftp://consumer.example"}, "url"),
        ({"url": "http://127.0.0.2:9"}, "url"),
        ({"url": "https://user:pass@consumer.example"}, "url"),
        ({"types": ["booking.sheduled"]}, "types[0]"),
        ({"types": ["booking.*", "book*"]}, "types[1]"),
        ({"types": ["gateway.*", "gateway.destroyed"]}, "types[1]"),
        ({"types": ["gateway"]}, "types[0]"),
        ({"types": ["gate*"]}, "types[0]"),
        ({"types": [".*"]}, "types[0]"),
        ({"types": ["**"]}, "types[0]"),
        ({"providers": ["nobody"]}, "providers[0]"),
        ({"providers": []}, "providers"),
        ({"connections": ["con_none"]}, "connections[0]"),
        ({"headers": {"webhook-id": "mine"}}, "headers"),
        ({"headers": {"x-a": "two\r\nlines"}}, "headers"),
        ({"headers": {"not a name": "x"}}, "headers"),
        ({"rate": -1}, "rate"),
        ({"profile": "slim"}, "profile"),
        ({"secret": "mine"}, "secret"),
    ],
)
async def test_what_cannot_be_delivered_to_is_refused_by_field(gateway: Gateway, fields: Any, field: str) -> None:
    assert await refused(gateway, "POST", "/v1/destinations", {"url": PUBLIC, **fields}) == (400, field)
    assert (await gateway.get("/v1/destinations"))["items"] == []


@pytest.mark.parametrize("types", [["gateway.*"], ["*", "gateway.*"], ["gateway.destination_paused", "booking.*"]])
async def test_events_about_the_gateway_can_be_subscribed_to(gateway: Gateway, types: list[str]) -> None:
    assert (await add(gateway, types=types))["types"] == types


async def test_an_address_that_is_not_public_names_the_setting_that_allows_it(gateway: Gateway) -> None:
    answer = await gateway.http.post("/v1/destinations", json={"url": "http://127.0.0.2:9"})
    assert "GATEWAY_EGRESS_ALLOW" in answer.json()["detail"]


async def test_a_change_changes_what_it_names(gateway: Gateway) -> None:
    made = await add(gateway, headers={"x-a": "1", "x-b": "2"}, providers=["talking"], rate=5)
    path = f"/v1/destinations/{made['id']}"
    answer = await gateway.http.patch(
        path, json={"name": "new", "types": ["booking.*"], "providers": None, "headers": {"x-a": "***", "x-c": "3"}}
    )
    changed = answer.json()
    assert (changed["name"], changed["types"], changed["providers"], changed["rate"]) == ("new", ["booking.*"], None, 5)
    (row,) = await gateway.store.destinations()
    assert row.headers == {"x-a": "1", "x-c": "3"}


async def test_a_wrong_change_changes_nothing(gateway: Gateway) -> None:
    made = await add(gateway)
    path = f"/v1/destinations/{made['id']}"
    changes: list[dict[str, Any]] = [{"url": "http://10.0.0.1"}, {"types": []}, {"paused": True}, {"url": None}]
    for change in changes:
        assert (await gateway.http.patch(path, json=change)).status_code == 400
    assert (await gateway.get(path))["url"] == PUBLIC


async def test_pausing_and_resuming(gateway: Gateway) -> None:
    made = await add(gateway)
    paused = await gateway.post(f"/v1/destinations/{made['id']}/pause")
    assert paused["paused"] is True
    assert paused["paused_reason"]
    resumed = await gateway.post(f"/v1/destinations/{made['id']}/resume")
    assert (resumed["paused"], resumed["paused_reason"]) == (False, None)


@pytest.mark.parametrize("verb", ["pause", "resume", "rotate-secret", "test"])
@pytest.mark.parametrize(
    ("body", "field"), [(b'{"until": 5}', "until"), (b"[]", ""), (b'"x"', ""), (b"{", ""), (b"null", "")]
)
async def test_a_verb_takes_no_fields_and_says_so(gateway: Gateway, verb: str, body: bytes, field: str) -> None:
    made = await add(gateway)
    answer = await gateway.http.post(f"/v1/destinations/{made['id']}/{verb}", content=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["field"] == field
    assert (await gateway.get(f"/v1/destinations/{made['id']}"))["paused"] is False


@pytest.mark.parametrize("body", [b"", b" ", b"{}", b" {} "])
async def test_a_verb_can_be_said_with_an_empty_body(gateway: Gateway, body: bytes) -> None:
    made = await add(gateway)
    answer = await gateway.http.post(f"/v1/destinations/{made['id']}/pause", content=body)
    assert answer.json()["paused"] is True


async def test_deleting(gateway: Gateway) -> None:
    made = await add(gateway)
    path = f"/v1/destinations/{made['id']}"
    assert (await gateway.http.delete(path)).status_code == 204
    assert (await gateway.http.delete(path)).status_code == 404
    assert (await gateway.get("/v1/destinations"))["items"] == []


@pytest.mark.parametrize("verb", ["pause", "resume", "rotate-secret", "test"])
async def test_nothing_can_be_done_with_what_is_not_there(gateway: Gateway, verb: str) -> None:
    assert (await gateway.http.post(f"/v1/destinations/dst_none/{verb}")).status_code == 404


async def test_a_test_is_one_signed_event_now(gateway: Gateway, consumer: Consumer) -> None:
    made = await add(gateway, url=consumer.url, headers={"x-tenant": "7"})
    tried = await gateway.post(f"/v1/destinations/{made['id']}/test")
    assert (tried["delivered"], tried["status"], tried["error"]) == (True, 200, None)
    ((headers, body),) = consumer.got
    event = Webhook(made["secret"]).verify(body, headers)
    assert (event["type"], event["id"], event["test"]) == ("gateway.test", tried["event"], True)
    assert (headers["webhook-id"], headers["x-tenant"]) == (tried["event"], "7")
    assert (await gateway.get("/v1/events"))["items"] == []
    assert (await gateway.get("/v1/deliveries"))["items"] == []


async def test_those_that_nobody_named_can_be_told_apart(gateway: Gateway) -> None:
    made = [await add(gateway, **fields) for fields in ({}, {}, {"name": "consumer.example"})]
    assert [one["name"] for one in made] == ["consumer.example", "consumer.example 2", "consumer.example"]


async def test_a_test_that_fails_says_why(gateway: Gateway, consumer: Consumer) -> None:
    consumer.status = 500
    made = await add(gateway, url=consumer.url)
    tried = await gateway.post(f"/v1/destinations/{made['id']}/test")
    assert (tried["delivered"], tried["status"]) == (False, 500)
    assert "500" in tried["error"]


async def test_a_test_has_the_form_of_the_destination(gateway: Gateway, consumer: Consumer) -> None:
    made = await add(gateway, url=consumer.url, format="cloudevents", profile="thin")
    await gateway.post(f"/v1/destinations/{made['id']}/test")
    ((headers, body),) = consumer.got
    assert headers["content-type"] == "application/cloudevents+json"
    assert json.loads(body)["data"]["type"] == "gateway.test"
    assert json.loads(body)["dataschema"].startswith(gateway.services.public_url)


async def test_no_schema_is_named_at_a_public_listener_that_serves_none(gateway: Gateway, consumer: Consumer) -> None:
    gateway.services.settings = replace(gateway.services.settings, public_listen="127.0.0.1:9443")
    made = await add(gateway, url=consumer.url, format="cloudevents")
    await gateway.post(f"/v1/destinations/{made['id']}/test")
    ((_, body),) = consumer.got
    assert "dataschema" not in json.loads(body)


async def test_an_old_secret_keeps_signing_beside_the_new_one(gateway: Gateway, consumer: Consumer) -> None:
    made = await add(gateway, url=consumer.url)
    rotated = await gateway.post(f"/v1/destinations/{made['id']}/rotate-secret")
    assert rotated["secret"] != made["secret"]
    await gateway.post(f"/v1/destinations/{made['id']}/test")
    ((headers, body),) = consumer.got
    for secret in (made["secret"], rotated["secret"]):
        Webhook(secret).verify(body, headers)
    (row,) = await gateway.store.destinations()
    new, old = row.secrets
    assert new.expires_at is None
    assert old.expires_at is not None
    assert 0 < old.expires_at - gateway.store.now() <= 24 * 3600 * 1000


async def test_two_who_change_the_same_destination_do_not_overwrite_each_other(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await add(gateway)
    path = f"/v1/destinations/{made['id']}"
    stale = await gateway.store.destinations()
    assert (await gateway.http.patch(path, json={"name": "first"})).status_code == 200

    async def read_before() -> Any:
        return stale

    with monkeypatch.context() as patch:
        patch.setattr(gateway.store, "destinations", read_before)
        assert (await gateway.http.patch(path, json={"name": "second"})).status_code == 409
    assert (await gateway.get(path))["name"] == "first"

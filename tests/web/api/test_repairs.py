"""Check, repair, rotate: what the API answers."""

from typing import Any

import pytest

from gateway.contract.errors import CredentialRefused, WebhookLimit
from tests.web.conftest import Gateway


async def test_checking_answers_status_remote_drift_and_plan(gateway: Gateway) -> None:
    made = await gateway.connect()
    gateway.office.hooks.clear()
    checked = await gateway.post(f"/v1/connections/{made['id']}/check")
    assert checked["status"] == "waiting"
    assert checked["remote"]["id"] == made["remote"]["id"]
    assert [drift["what"] for drift in checked["drift"]] == ["missing"]
    assert (checked["plan"]["kind"], checked["plan"]["decide"], checked["plan"]["left"]) == ("create", None, [])
    assert [(step["verb"], step["webhook"]) for step in checked["plan"]["steps"]] == [("create", None)]
    assert (checked["done"], checked["dry_run"]) == ([], True)
    assert gateway.office.hooks == {}


async def test_repairing_answers_what_was_done(gateway: Gateway) -> None:
    made = await gateway.connect()
    gateway.office.hooks.clear()
    dry = await gateway.post(f"/v1/connections/{made['id']}/repair", {"dry_run": True})
    assert (dry["plan"]["kind"], dry["done"], gateway.office.hooks) == ("create", [], {})
    done = await gateway.post(f"/v1/connections/{made['id']}/repair")
    assert done["done"] == [f"Made {done['remote']['id']}."]
    assert list(gateway.office.hooks) == [done["remote"]["id"]]
    again = await gateway.post(f"/v1/connections/{made['id']}/repair", {})
    assert (again["plan"]["kind"], again["done"]) == ("nothing", [])


async def test_a_new_secret_is_in_this_answer_and_in_no_other(gateway: Gateway) -> None:
    made = await gateway.connect("signing")
    rotated = await gateway.post(f"/v1/connections/{made['id']}/rotate", {})
    assert rotated["signing_secret"] not in (None, made["signing_secret"])
    assert rotated["verification"] == "signature"
    (old,) = rotated["replaced"]
    assert (old["kind"], old["retires_at"] > old["since"]) == ("secret", True)
    shown = await gateway.get(f"/v1/connections/{made['id']}")
    assert "signing_secret" not in shown
    assert rotated["signing_secret"] not in str(shown)


async def test_what_a_vendor_refuses_is_502_in_its_words(gateway: Gateway) -> None:
    made = await gateway.connect()
    gateway.office.fails["list"] = [CredentialRefused("This key expired", status=401)]
    answer = await gateway.http.post(f"/v1/connections/{made['id']}/check")
    assert (answer.status_code, "This key expired" in answer.json()["detail"]) == (502, True)
    shown = await gateway.get(f"/v1/connections/{made['id']}")
    assert (shown["status"], "This key expired" in shown["problem"]) == ("broken", True)
    gateway.office.hooks.clear()
    gateway.office.fails["create"] = [WebhookLimit("six is enough", status=406)]
    assert (await gateway.http.post(f"/v1/connections/{made['id']}/repair")).status_code == 502


@pytest.mark.parametrize("verb", ["check", "repair", "rotate"])
async def test_what_does_not_exist_is_404(gateway: Gateway, verb: str) -> None:
    assert (await gateway.http.post(f"/v1/connections/con_none/{verb}")).status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("repair", {"decision": "perhaps"}, "decision"),
        ("repair", {"colour": "red"}, "colour"),
        ("rotate", {"signing_secret": "short"}, "signing_secret"),
        ("rotate", {"finish": "yes"}, "finish"),
    ],
)
async def test_a_wrong_request_names_the_field(gateway: Gateway, path: str, body: Any, field: str) -> None:
    made = await gateway.connect("signing")
    answer = await gateway.http.post(f"/v1/connections/{made['id']}/{path}", json=body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field


async def test_where_there_is_nothing_of_its_own_to_renew_is_409(gateway: Gateway) -> None:
    made = await gateway.connect()
    assert (await gateway.http.post(f"/v1/connections/{made['id']}/rotate")).status_code == 409


async def test_the_one_url_is_renewed_and_both_are_accepted(gateway: Gateway) -> None:
    made = await gateway.connect()
    assert (await gateway.post("/v1/url/rotate", {"dry_run": True}))["inbound_url"] == made["inbound_url"]
    told = await gateway.post("/v1/url/rotate")
    assert told["inbound_url"] != made["inbound_url"]
    assert told["older"][0]["waiting"] == [made["id"]]
    assert told == await gateway.get("/v1/url")
    for url in (made["inbound_url"], told["inbound_url"]):
        assert (await gateway.says(url, booking=url))["status"] == "accepted"
    assert (await gateway.http.post("/v1/url/rotate", json={"finish": True})).status_code == 409


async def test_a_forced_removal_forgets(gateway: Gateway) -> None:
    made = await gateway.connect()
    gateway.office.fails["list"] = [CredentialRefused("no", status=401)]
    assert (await gateway.http.delete(f"/v1/connections/{made['id']}?force=true")).status_code == 204
    assert (await gateway.get("/v1/connections"))["items"] == []
    assert (await gateway.http.delete(f"/v1/connections/{made['id']}?force=perhaps")).status_code == 400

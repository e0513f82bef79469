"""/v1/erase: one call, and a person is nowhere."""

from typing import Any

import pytest

from tests.store.samples import result
from tests.web.conftest import Consumer, Gateway

GRACE = "grace@example.com"


@pytest.fixture
async def url(gateway: Gateway) -> str:
    await gateway.connect()
    inbound: str = (await gateway.get("/v1/url"))["inbound_url"]
    return inbound


async def booked(gateway: Gateway, url: str, booking: str, title: str = f"Call with {GRACE}") -> Any:
    (event,) = (await gateway.says(url, booking=booking, title=title))["events"]
    return await gateway.get(f"/v1/events/{event}")


@pytest.mark.parametrize("what", ["email", "booking"])
async def test_an_erased_event_is_gone_and_says_so(gateway: Gateway, url: str, what: str) -> None:
    hers, his = await booked(gateway, url, "b1"), await booked(gateway, url, "b2", "Alan")
    whom = {"email": GRACE} if what == "email" else {"booking": hers["key"]}
    done = await gateway.post("/v1/erase", whom)

    assert (done["status"], done["events"], done["receipts"]) == ("done", 1, 1)
    assert done["looked_at"] == done["to_look_at"] == 4
    assert await gateway.get(f"/v1/erase/{done['id']}") == done
    for method, path in (("GET", ""), ("GET", "/raw"), ("POST", "/replay")):
        answer = await gateway.http.request(method, f"/v1/events/{hers['id']}{path}")
        assert (answer.status_code, answer.json()["reason"]) == (410, "erased"), path
        assert GRACE not in answer.text
    assert [event["id"] for event in (await gateway.get("/v1/events"))["items"]] == [his["id"]]
    after = await gateway.get("/v1/events", after=hers["id"])
    assert [event["id"] for event in after["items"]] == [his["id"]]


async def test_a_repeated_call_is_a_duplicate_and_brings_nobody_back(gateway: Gateway, url: str) -> None:
    event = await booked(gateway, url, "b1")
    await gateway.post("/v1/erase", {"email": GRACE})

    for title in (f"Call with {GRACE}", f"Call, with {GRACE}!"):
        again = await gateway.says(url, booking="b1", title=title)
        assert (again["status"], again["events"]) == ("duplicate", [event["id"]])
    assert (await gateway.get("/v1/events"))["items"] == []
    assert (await gateway.http.get(f"/v1/events/{event['id']}")).status_code == 410


async def test_a_dead_delivery_of_an_erased_event_is_not_retried(
    gateway: Gateway, url: str, consumer: Consumer
) -> None:
    made = await gateway.post("/v1/destinations", {"url": consumer.url}, 201)
    await booked(gateway, url, "b1")
    row = next(each for each in await gateway.store.destinations() if each.id == made["id"])
    (claimed,) = await gateway.store.claim(row.number, 1, 45.0)
    await gateway.store.settle([result(claimed, "dead")])
    await gateway.post("/v1/erase", {"email": GRACE})
    (delivery,) = (await gateway.get("/v1/deliveries"))["items"]

    assert (delivery["status"], delivery["last_error"]) == ("dead", None)
    answer = await gateway.http.post(f"/v1/deliveries/{delivery['id']}/retry")
    assert (answer.status_code, answer.json()["reason"]) == (410, "erased")
    assert await gateway.post("/v1/deliveries/retry", {}, 202) == {"retried": 0}


async def test_quarantine_loses_who_is_erased(gateway: Gateway, url: str) -> None:
    gateway.talking.understands = False
    hers = await gateway.says(url, booking="b1", title=GRACE)
    his = await gateway.says(url, booking="b2", title="alan@example.com")
    done = await gateway.post("/v1/erase", {"email": GRACE})

    assert done["quarantined"] == 1
    assert [each["receipt"] for each in (await gateway.get("/v1/quarantine"))["items"]] == [his["receipt"]]
    assert (await gateway.http.get(f"/v1/quarantine/{hers['receipt']}/raw")).status_code == 404
    assert (await gateway.says(url, booking="b1", title=GRACE))["status"] == "duplicate"
    receipts = (await gateway.get("/v1/stats"))["receipts"]
    assert (receipts["quarantined"], receipts["discarded"]) == (1, 1)


@pytest.mark.parametrize(
    "body", [{}, {"email": GRACE, "booking": "b"}, {"email": "grace"}, {"email": ""}, {"who": GRACE}, {"booking": ""}]
)
async def test_it_wants_an_address_or_a_booking(gateway: Gateway, body: dict[str, str]) -> None:
    answer = await gateway.http.post("/v1/erase", json=body)
    assert answer.status_code == 400
    assert GRACE not in answer.text


async def test_the_audit_log_knows_that_somebody_was_erased_and_not_who(gateway: Gateway, url: str) -> None:
    await booked(gateway, url, "b1")
    done = await gateway.post("/v1/erase", {"email": GRACE})
    answer = await gateway.http.get("/v1/audit", params={"action": "erase"})

    (act,) = answer.json()["items"]
    assert act["object"] == done["id"]
    assert GRACE not in answer.text
    assert (await gateway.http.get("/v1/erase/ers_unknown")).status_code == 404

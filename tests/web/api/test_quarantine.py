"""/v1/quarantine: kept until it is understood."""

import hashlib
from typing import Any

import pytest
from msgspec.structs import replace

from tests.web.conftest import Gateway

NOTHING = {"retried": 0, "quarantined": 0, "next": None}
BODY = b'{"from":"talking","booking":"b1","secret":"xyz"}'


@pytest.fixture
async def puzzled(gateway: Gateway) -> Gateway:
    await gateway.connect()
    gateway.talking.understands = False
    return gateway


async def puzzle(gateway: Gateway, body: bytes = BODY) -> str:
    """Send what is not understood; gives the receipt's id."""
    url = (await gateway.get("/v1/url"))["inbound_url"]
    answer = (await gateway.http.post(url, content=body)).json()
    assert answer["status"] == "quarantined", answer
    receipt: str = answer["receipt"]
    return receipt


async def listed(gateway: Gateway, **query: Any) -> list[str]:
    return [item["receipt"] for item in (await gateway.get("/v1/quarantine", **query))["items"]]


async def test_it_says_what_came_and_why_it_is_kept(puzzled: Gateway) -> None:
    receipt = await puzzle(puzzled)
    (item,) = (await puzzled.get("/v1/quarantine"))["items"]
    (row,) = (await puzzled.get("/v1/connections"))["items"]
    assert item.pop("received_at").endswith("Z")
    assert item == {
        "receipt": receipt,
        "connection": row["id"],
        "reason": "not_understood: not yet - at `$.booking`",
        "size": len(BODY),
        "sha256": hashlib.sha256(BODY).hexdigest(),
    }
    assert (await puzzled.get(f"/v1/quarantine/{receipt}"))["receipt"] == receipt


async def test_its_bytes_are_shown_without_what_acts_without_a_login(puzzled: Gateway) -> None:
    receipt = await puzzle(puzzled)
    path = f"/v1/quarantine/{receipt}/raw"
    assert (await puzzled.http.get(path)).content == BODY.replace(b"xyz", b"***")
    assert (await puzzled.http.get(path, params={"exact": "true"})).content == BODY


async def test_what_nobody_recognised_hides_what_any_plugin_hides(puzzled: Gateway) -> None:
    receipt = await puzzle(puzzled, b'{"secret":"xyz"}')
    assert (await puzzled.get(f"/v1/quarantine/{receipt}"))["connection"] is None
    assert (await puzzled.http.get(f"/v1/quarantine/{receipt}/raw")).content == b'{"secret":"***"}'


async def test_after_a_fix_it_becomes_an_event(puzzled: Gateway) -> None:
    receipt = await puzzle(puzzled)
    still = await puzzled.post(f"/v1/quarantine/{receipt}/retry")
    assert (still["status"], still["events"]) == ("quarantined", [])
    puzzled.talking.understands = True
    done = await puzzled.post(f"/v1/quarantine/{receipt}/retry")
    assert (done["status"], done["receipt"]) == ("accepted", receipt)
    assert [event["id"] for event in (await puzzled.get("/v1/events"))["items"]] == done["events"]
    assert await listed(puzzled) == []
    assert (await puzzled.http.post(f"/v1/quarantine/{receipt}/retry")).status_code == 404


async def test_all_can_be_retried_at_once_or_those_of_one_connection(puzzled: Gateway) -> None:
    for number in range(3):
        await puzzle(puzzled, b'{"from":"talking","booking":"b%d"}' % number)
    await puzzle(puzzled, b'{"from":"nobody"}')
    puzzled.talking.understands = True
    assert await puzzled.post("/v1/quarantine/retry", {"connection": "con_none"}) == NOTHING
    assert await puzzled.post("/v1/quarantine/retry") == {**NOTHING, "retried": 4, "quarantined": 1}
    assert len(await listed(puzzled)) == 1
    assert len((await puzzled.get("/v1/events"))["items"]) == 3


async def test_many_are_retried_in_steps_each_of_which_says_where_to_go_on(puzzled: Gateway) -> None:
    for number in range(5):
        await puzzle(puzzled, b'{"from":"talking","n":%d}' % number)
    done: list[Any] = []
    after = None
    while after is not None or not done:
        done.append(await puzzled.post("/v1/quarantine/retry", {"limit": 2, "after": after}))
        after = done[-1]["next"]
    assert [each["retried"] for each in done] == [2, 2, 1]
    assert sum(each["quarantined"] for each in done) == 5


async def test_it_can_be_thrown_away_and_stays_away(puzzled: Gateway) -> None:
    receipt = await puzzle(puzzled)
    path = f"/v1/quarantine/{receipt}"
    assert (await puzzled.http.delete(path)).status_code == 204
    assert (await puzzled.http.delete(path)).status_code == 404
    assert (await puzzled.http.get(path)).status_code == 404
    url = (await puzzled.get("/v1/url"))["inbound_url"]
    assert (await puzzled.http.post(url, content=BODY)).json()["status"] == "duplicate"
    assert await listed(puzzled) == []


async def test_pages_go_on_where_they_ended(puzzled: Gateway) -> None:
    receipts = [await puzzle(puzzled, b'{"from":"talking","n":%d}' % number) for number in range(5)]
    first = await puzzled.get("/v1/quarantine", limit=2)
    second = await puzzled.get("/v1/quarantine", limit=2, after=first["next"])
    third = await puzzled.get("/v1/quarantine", limit=2, after=second["next"])
    assert [i["receipt"] for i in first["items"] + second["items"] + third["items"]] == receipts
    assert third["next"] is None
    assert await listed(puzzled, connection="con_none") == []


async def test_what_has_lost_its_bytes_is_gone_and_cannot_be_retried(
    puzzled: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipt = await puzzle(puzzled)
    stored = await puzzled.store.receipt(receipt)
    assert stored is not None

    async def pruned(receipt_id: str) -> Any:
        del receipt_id
        return replace(stored, inbound=None)

    monkeypatch.setattr(puzzled.store, "receipt", pruned)
    assert (await puzzled.http.get(f"/v1/quarantine/{receipt}/raw")).status_code == 410
    assert (await puzzled.http.post(f"/v1/quarantine/{receipt}/retry")).status_code == 409

"""/v1/events: the log, oldest first; nothing skipped, nothing twice."""

import asyncio
from typing import Any

import pytest

from gateway.pipeline.announce import destination_paused
from gateway.store.model import Destination
from tests.web.conftest import Consumer, Gateway

SECRET = "acts-without-a-login"


async def several(gateway: Gateway, count: int, start: int = 0, **more: Any) -> list[str]:
    """Have the vendor say several things; gives the events' ids."""
    url = (await gateway.get("/v1/url"))["inbound_url"]
    said = [await gateway.says(url, booking=f"b{number}", **more) for number in range(start, start + count)]
    return [event for answer in said for event in answer["events"]]


@pytest.fixture
async def connected(gateway: Gateway) -> Gateway:
    await gateway.connect()
    return gateway


async def test_an_event_is_shown_as_it_is_delivered(connected: Gateway) -> None:
    (event,) = await several(connected, 1)
    (listed,) = (await connected.get("/v1/events"))["items"]
    assert listed == await connected.get(f"/v1/events/{event}")
    assert (listed["id"], listed["type"], listed["origin"]["provider"]) == (event, "booking.scheduled", "talking")
    assert listed["origin"]["raw"]["href"] == f"/v1/events/{event}/raw"


async def test_there_is_always_a_cursor_and_it_goes_on_where_it_was(connected: Gateway) -> None:
    empty = await connected.get("/v1/events")
    assert empty["items"] == []
    ids = await several(connected, 3)
    page = await connected.get("/v1/events", after=empty["next"], limit=2)
    assert [event["id"] for event in page["items"]] == ids[:2]
    rest = await connected.get("/v1/events", after=page["next"])
    assert [event["id"] for event in rest["items"]] == ids[2:]
    assert (await connected.get("/v1/events", after=rest["next"]))["next"] == rest["next"]


async def test_an_event_id_is_a_cursor_too(connected: Gateway) -> None:
    ids = await several(connected, 3)
    page = await connected.get("/v1/events", after=ids[0])
    assert [event["id"] for event in page["items"]] == ids[1:]


async def test_the_end_of_the_log_can_be_asked_for_and_gone_on_from(connected: Gateway) -> None:
    ids = await several(connected, 4)
    page = await connected.get("/v1/events", newest=True, limit=2)
    assert [event["id"] for event in page["items"]] == ids[2:]
    (later,) = await several(connected, 1, start=9)
    assert [event["id"] for event in (await connected.get("/v1/events", after=page["next"]))["items"]] == [later]


@pytest.mark.parametrize("more", [{"after": "0"}, {"wait": 1}])
async def test_the_end_of_the_log_is_no_other_place(connected: Gateway, more: dict[str, Any]) -> None:
    answer = await connected.http.get("/v1/events", params={"newest": True, **more})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "newest")


async def test_reading_while_events_arrive_skips_none_and_repeats_none(connected: Gateway) -> None:
    writing = asyncio.gather(*(several(connected, 10, start) for start in range(0, 100, 10)))
    seen: list[str] = []
    after: dict[str, str] = {}
    done = False
    while True:
        page = await connected.get("/v1/events", limit=7, **after)
        seen += [event["id"] for event in page["items"]]
        after = {"after": page["next"]}
        if done and not page["items"]:
            break
        done = writing.done()
    written = [event for events in await writing for event in events]
    assert sorted(seen) == sorted(written)
    assert len(set(seen)) == 100


async def test_a_page_that_a_filter_left_empty_still_moves_the_cursor(connected: Gateway) -> None:
    ids = await several(connected, 2)
    page = await connected.get("/v1/events", types="booking.cancelled")
    assert page["items"] == []
    (event,) = await several(connected, 1, start=7)
    assert [e["id"] for e in (await connected.get("/v1/events", after=page["next"]))["items"]] == [event]
    assert event not in ids


async def test_filters_narrow(connected: Gateway) -> None:
    (made,) = await several(connected, 1)
    (gone,) = await several(connected, 1, word="gone")
    (row,) = (await connected.get("/v1/connections"))["items"]

    async def found(**query: Any) -> list[str]:
        return [event["id"] for event in (await connected.get("/v1/events", **query))["items"]]

    assert await found(types="booking.scheduled") == [made]
    assert await found(types="booking.scheduled,booking.cancelled") == [made, gone]
    assert await found(types=["booking.*", "form.submitted"]) == [made, gone]
    assert await found(types="*") == [made, gone]
    assert await found(types="form.*") == []
    assert await found(provider="talking", connection=row["id"]) == [made, gone]
    assert await found(provider="signing") == []
    assert await found(booking=f"talking:{row['id']}:b0") == [made, gone]
    assert await found(booking=f"talking:{row['id']}:b1") == []


async def test_waiting_ends_when_something_happens(connected: Gateway) -> None:
    waiting = asyncio.create_task(connected.get("/v1/events", wait=30))
    (event,) = await several(connected, 1)
    assert [e["id"] for e in (await waiting)["items"]] == [event]


async def test_waiting_ends_when_the_key_is_revoked(connected: Gateway) -> None:
    made = await connected.post("/v1/keys", {"scopes": ["events:read"]}, 201)
    headers = {"authorization": f"Bearer {made['key']}"}
    waiting = asyncio.create_task(connected.http.get("/v1/events", params={"wait": 30}, headers=headers))
    await asyncio.sleep(0.1)
    await connected.http.delete(f"/v1/keys/{made['id']}")
    assert (await waiting).status_code == 401


async def test_waiting_ends_after_the_time_asked_for(connected: Gateway) -> None:
    assert (await connected.get("/v1/events", wait=0.01))["items"] == []


@pytest.mark.parametrize(
    ("after", "status"),
    [("evt_" + "a" * 32, 410), ("999", 400), ("-1", 400), ("x", 400), ("9" * 30, 400), ("\u0661", 400)],
)
async def test_a_cursor_that_is_none_is_refused(connected: Gateway, after: str, status: int) -> None:
    assert (await connected.http.get("/v1/events", params={"after": after})).status_code == status


async def test_a_cursor_older_than_what_is_kept_is_gone(connected: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    await several(connected, 3)

    async def pruned() -> tuple[int, int]:
        return 3, 3

    monkeypatch.setattr(connected.store, "bounds", pruned)
    assert (await connected.http.get("/v1/events", params={"after": "1"})).status_code == 410
    assert (await connected.http.get("/v1/events", params={"after": "2"})).status_code == 200
    assert (await connected.http.get("/v1/events")).status_code == 200


# --- raw ----------------------------------------------------------------------------------------------------------


async def test_the_bytes_it_came_from_are_shown_without_what_acts_without_a_login(connected: Gateway) -> None:
    (event,) = await several(connected, 1, secret=SECRET)
    async with connected.client("events:read") as reader:
        answer = await reader.get(f"/v1/events/{event}/raw")
    assert answer.content == b'{"from":"talking","booking":"b0","secret":"%b"}' % (b"*" * len(SECRET))
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_exact_bytes_are_for_admins(connected: Gateway) -> None:
    (event,) = await several(connected, 1, secret=SECRET)
    path = f"/v1/events/{event}/raw?exact=true"
    assert SECRET in (await connected.http.get(path)).text
    async with connected.client("events:read", "events:replay", "config:write") as reader:
        answer = await reader.get(path)
    assert answer.status_code == 403
    assert "admin" in answer.json()["detail"]


async def test_what_is_masked_is_in_no_event(connected: Gateway) -> None:
    await several(connected, 1, secret=SECRET)
    assert SECRET not in str(await connected.get("/v1/events"))


# --- replay -------------------------------------------------------------------------------------------------------


async def test_a_replay_plans_deliveries_of_the_same_event(connected: Gateway, consumer: Consumer) -> None:
    one = await connected.post("/v1/destinations", {"url": consumer.url}, 201)
    two = await connected.post("/v1/destinations", {"url": consumer.url}, 201)
    (event,) = await several(connected, 1)
    to_all = await connected.post(f"/v1/events/{event}/replay", status=202)
    to_one = await connected.post(f"/v1/events/{event}/replay", {"destinations": [two["id"]]}, 202)
    assert len(set(to_all["deliveries"])) == 2
    (delivery,) = to_one["deliveries"]
    shown = await connected.get(f"/v1/deliveries/{delivery}")
    assert (shown["event"], shown["destination"], shown["status"]) == (event, two["id"], "pending")
    (to_the_other,) = (await connected.get("/v1/deliveries", destination=one["id"]))["items"]
    assert to_the_other["id"] in to_all["deliveries"]


async def test_a_replay_names_the_destination_that_is_not_there(connected: Gateway) -> None:
    (event,) = await several(connected, 1)
    answer = await connected.http.post(f"/v1/events/{event}/replay", json={"destinations": ["dst_none"]})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "destinations[0]"


async def test_replaying_what_is_not_there_is_404(connected: Gateway) -> None:
    assert (await connected.http.post("/v1/events/evt_none/replay")).status_code == 404


async def test_an_event_about_the_gateway_itself_is_in_the_log_and_came_by_no_call(gateway: Gateway) -> None:
    row = Destination(
        id="dst_1", name="crm", url="https://crm.example", paused=True, paused_reason="it is gone", created_at=0
    )
    (emitted,) = await gateway.store.emit(destination_paused(row, gateway.store.now()))
    (listed,) = (await gateway.get("/v1/events", types="gateway.*"))["items"]
    assert (listed["id"], listed["data"]["reason"]) == (emitted, "it is gone")
    assert (await gateway.get("/v1/events", types="booking.*"))["items"] == []
    raw = await gateway.http.get(f"/v1/events/{emitted}/raw")
    assert (raw.status_code, "No call brought" in raw.json()["detail"]) == (410, True)

"""/destinations: add one, try it, pause it, give it a new secret, change it, remove it."""

import re
from typing import Any

import pytest

from tests.web.conftest import Consumer, Gateway
from tests.web.dashboard.conftest import booked, destination, killed
from tests.web.dashboard.visitor import Visitor

SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]{40,}")


async def test_one_is_added_and_its_secret_is_shown_once(gateway: Gateway, visitor: Visitor) -> None:
    assert "/destinations/new" in (await visitor.get("/destinations")).links
    page = await visitor.submit(
        "/destinations/new",
        "/destinations/new",
        url="https://crm.example/hooks",
        types="booking.scheduled, booking.cancelled",
        headers="X-Team: sales\nX-Other: 1",
        rate="2.5",
        profile="thin",
    )
    assert SECRET.search(page.text)
    assert not SECRET.search((await visitor.get(page.path)).text)
    made = (await gateway.get("/v1/destinations"))["items"][0]
    assert made["types"] == ["booking.scheduled", "booking.cancelled"]
    assert (made["headers"], made["rate"], made["profile"]) == ({"X-Team": "***", "X-Other": "***"}, 2.5, "thin")
    assert (made["providers"], made["connections"]) == (None, None)


async def test_who_ticks_some_providers_gets_those_alone(gateway: Gateway, visitor: Visitor) -> None:
    await visitor.submit(
        "/destinations/new", "/destinations/new", url="https://crm.example/", providers=["talking", "pasted"]
    )
    assert (await gateway.get("/v1/destinations"))["items"][0]["providers"] == ["talking", "pasted"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"url": "ftp://crm.example"}, "http"),
        ({"types": "booking.sheduled"}, "not an event type"),
        ({"headers": "no colon"}, "one a line"),
        ({"rate": "fast"}, "not a number"),
        ({"rate": "-1"}, "must be more than 0"),
    ],
)
async def test_what_is_wrong_is_told_beside_its_field_and_nothing_typed_is_lost(
    gateway: Gateway, visitor: Visitor, fields: dict[str, str], told: str
) -> None:
    said = {"url": "https://crm.example/", "name": "Typed by hand", **fields}
    page = await visitor.submit("/destinations/new", "/destinations/new", said, status=400)
    assert told in page.text
    field = next(iter(fields))
    wrong = [tag for _, tag in page.tags if tag.get("aria-invalid") == "true"]
    assert [tag["name"] for tag in wrong] == [field]
    assert ("name", "Typed by hand") in page.form("/destinations/new").fields
    assert (await gateway.get("/v1/destinations"))["items"] == []


async def test_a_test_event_tells_what_came_back(gateway: Gateway, visitor: Visitor, consumer: Consumer) -> None:
    made = await destination(gateway, url=consumer.url)
    here = f"/destinations/{made['id']}"
    assert "was taken: HTTP 200" in (await visitor.submit(here, f"{here}/test")).text
    consumer.status = 500
    assert "was not taken: 500" in (await visitor.submit(here, f"{here}/test")).text


async def test_one_is_paused_and_resumed(gateway: Gateway, visitor: Visitor) -> None:
    here = f"/destinations/{(await destination(gateway))['id']}"
    page = await visitor.submit(here, f"{here}/pause")
    assert "Paused: paused by an operator" in page.text
    assert "is paused" in (await visitor.get("/")).text
    page = await visitor.submit(here, f"{here}/resume")
    assert "It is resumed" in page.text


async def test_a_new_secret_is_shown_once(gateway: Gateway, visitor: Visitor) -> None:
    made = await destination(gateway)
    here = f"/destinations/{made['id']}"
    page = await visitor.submit(here, f"{here}/rotate-secret")
    secret = SECRET.search(page.text)
    assert secret
    assert secret[0] != made["secret"]
    assert not SECRET.search((await visitor.get(here)).text)


async def test_a_change_changes_what_was_changed_and_keeps_the_rest(gateway: Gateway, visitor: Visitor) -> None:
    await gateway.connect()
    made = await destination(gateway, headers={"X-Team": "sales"}, types=["booking.*"], rate=3, name="Old name")
    here = f"/destinations/{made['id']}"
    await visitor.submit(here, here, name="New name")
    kept = await gateway.get(f"/v1{here}")
    ours = {name: value for name, value in made.items() if name not in ("secret", "name")}
    assert {name: value for name, value in kept.items() if name != "name"} == ours
    assert kept["name"] == "New name"
    assert (await gateway.store.destinations())[0].headers == {"X-Team": "sales"}
    await visitor.submit(here, here, types="", headers="", rate="")
    emptied = await gateway.get(f"/v1{here}")
    assert (emptied["types"], emptied["headers"], emptied["rate"]) == (["*"], {}, None)


async def test_a_change_that_is_wrong_is_told(gateway: Gateway, visitor: Visitor) -> None:
    here = f"/destinations/{(await destination(gateway))['id']}"
    page = await visitor.submit(here, here, status=400, url="nonsense")
    assert any(tag.get("aria-invalid") == "true" for _, tag in page.tags)


async def test_one_is_removed(gateway: Gateway, visitor: Visitor) -> None:
    here = f"/destinations/{(await destination(gateway, name='The CRM'))['id']}"
    event = await booked(gateway)
    page = await visitor.submit(here, f"{here}/remove")
    assert "It is removed" in page.text
    assert "(removed)" in (await visitor.get(f"/events/{event}")).text
    assert "There is no such destination" in (await visitor.get(here, 404)).text


async def test_backlog_and_share_stand_beside_each(gateway: Gateway, visitor: Visitor) -> None:
    made: Any = await destination(gateway, name="The CRM")
    await booked(gateway)
    page = await visitor.get("/destinations")
    assert f"/destinations/{made['id']}" in page.links
    assert "0 % 0 of 1" in page.text


async def test_what_waits_for_one_that_failed_is_tried_at_once_by_a_button(gateway: Gateway, visitor: Visitor) -> None:
    made = await destination(gateway, name="The CRM")
    await booked(gateway)
    await killed(gateway, "503 Service Unavailable", wait=3600.0)
    page = await visitor.get(f"/destinations/{made['id']}")
    assert "503 Service Unavailable. Next try in" in page.text
    assert list((await gateway.store.due()).destinations) == []
    page = await visitor.submit(f"/destinations/{made['id']}", "/deliveries/retry")
    assert "1 delivery is tried now." in page.text
    assert len((await gateway.store.due()).destinations) == 1


async def test_what_waits_for_a_paused_one_is_not_said_to_be_tried(gateway: Gateway, visitor: Visitor) -> None:
    made = await destination(gateway)
    event = await booked(gateway)
    await visitor.submit(f"/destinations/{made['id']}", f"/destinations/{made['id']}/pause")
    for path in (f"/events/{event}", "/deliveries?status=pending"):
        assert "waits until its destination is resumed" in (await visitor.get(path)).text
    (waiting,) = (await gateway.get("/v1/deliveries"))["items"]
    assert "when its destination is resumed" in (await visitor.get(f"/deliveries/{waiting['id']}")).text

"""/deliveries: what was given up stands first, and is tried again one by one or many at once."""

import pytest

from tests.web.conftest import Gateway
from tests.web.dashboard.conftest import booked, destination, killed
from tests.web.dashboard.visitor import Visitor


async def test_dead_ones_stand_first_and_each_says_why(gateway: Gateway, visitor: Visitor) -> None:
    assert "No delivery is dead." in (await visitor.get("/deliveries")).text
    await destination(gateway, name="The CRM")
    await booked(gateway)
    dead = await killed(gateway, "no route to host")
    page = await visitor.get("/deliveries")
    assert f"/deliveries/{dead}" in page.links
    assert "no route to host" in page.text
    assert "1 dead" in (await visitor.get("/")).text


async def test_one_delivery_shows_each_try(gateway: Gateway, visitor: Visitor) -> None:
    await destination(gateway, name="The CRM")
    event = await booked(gateway)
    page = await visitor.get(f"/deliveries/{await killed(gateway, 'no route to host')}")
    assert f"/events/{event}" in page.links
    assert "no route to host" in page.text
    assert "7 ms" in page.text


async def test_a_dead_one_is_retried_by_a_button(gateway: Gateway, visitor: Visitor) -> None:
    await destination(gateway)
    await booked(gateway)
    dead = await killed(gateway)
    page = await visitor.submit("/deliveries", f"/deliveries/{dead}/retry")
    assert "tried again" in page.text
    assert (await gateway.get(f"/v1/deliveries/{dead}"))["status"] == "pending"


async def test_one_that_is_not_dead_is_not_retried_and_the_page_says_why(gateway: Gateway, visitor: Visitor) -> None:
    await destination(gateway)
    event = await booked(gateway)
    waiting = (await gateway.get("/v1/deliveries", event=event))["items"][0]["id"]
    token = dict((await visitor.get("/")).form("/sign-out").fields)["csrf"]
    page = await visitor.send(f"/deliveries/{waiting}/retry", [("csrf", token)])
    assert "Only a dead delivery can be retried" in page.text


@pytest.mark.parametrize(
    ("since", "until", "retried"),
    [("", "", 2), ("2000-01-01T00:00", "", 2), ("", "2000-01-01T00:00", 0), ("2100-01-01T00:00", "", 0)],
)
async def test_many_are_retried_by_destination_and_time(
    gateway: Gateway, visitor: Visitor, since: str, until: str, retried: int
) -> None:
    made = await destination(gateway)
    for booking in ("b-1", "b-2"):
        await booked(gateway, booking)
        await killed(gateway)
    page = await visitor.submit(f"/deliveries?destination={made['id']}", "/deliveries/retry", since=since, until=until)
    assert (f"{retried} deliveries are tried again" if retried else "nothing is tried again") in page.text
    assert (f"pending {retried} " if retried else "dead 2 ") in page.text, "how they get on stands beside it"


async def test_a_time_that_is_none_is_told(gateway: Gateway, visitor: Visitor) -> None:
    await destination(gateway)
    await booked(gateway)
    await killed(gateway)
    page = await visitor.submit("/deliveries", "/deliveries/retry", since="yesterday")
    assert "since: write it as" in page.text


async def test_every_status_has_its_list(gateway: Gateway, visitor: Visitor) -> None:
    await destination(gateway)
    await booked(gateway)
    waiting = (await gateway.get("/v1/deliveries"))["items"][0]["id"]
    for status, shown in (("pending", True), ("all", True), ("dead", False), ("skipped", False), ("delivered", False)):
        page = await visitor.get(f"/deliveries?status={status}")
        assert (f"/deliveries/{waiting}" in page.links) is shown, status


async def test_a_long_list_goes_on_page_by_page(gateway: Gateway, visitor: Visitor) -> None:
    await destination(gateway)
    for number in range(60):
        await booked(gateway, f"b-{number}")
    first = await visitor.get("/deliveries?status=pending")
    second = await visitor.get(next(link for link in first.links if "before=" in link))
    shown = {link for page in (first, second) for link in page.links if "/dlv_" in link}
    assert len(shown) == 60


async def test_what_does_not_exist_says_so(visitor: Visitor) -> None:
    assert "There is no such delivery" in (await visitor.get("/deliveries/dlv_none", 404)).text

"""/events: the log, one event beside what it came from, the story of one booking."""

import pytest

from tests.web.conftest import Gateway
from tests.web.dashboard.conftest import booked, destination, killed
from tests.web.dashboard.visitor import Visitor


async def test_the_list_tells_what_happened_newest_first(gateway: Gateway, visitor: Visitor) -> None:
    await destination(gateway, name="The CRM")
    first, second = await booked(gateway, "b-1"), await booked(gateway, "b-2", word="gone")
    page = await visitor.get("/events")
    assert page.html.index(second) < page.html.index(first)
    assert "booking.cancelled" in page.text
    assert "1 pending" in page.text


async def test_an_event_says_when_it_was_received_beside_when_it_happened(gateway: Gateway, visitor: Visitor) -> None:
    page = await visitor.get(f"/events/{await booked(gateway)}")
    assert "Received" in page.text.partition("Happened")[0].partition("all that happened to it")[2]


async def test_an_empty_log_tells_the_next_step(gateway: Gateway, visitor: Visitor) -> None:
    assert "/connections/new" in (await visitor.get("/events")).links
    await gateway.connect()
    assert "Nothing has come in yet." in (await visitor.get("/events")).text
    assert "No event matches." in (await visitor.get("/events?booking=none")).text


async def test_a_booking_is_found_by_its_id_and_by_its_key(gateway: Gateway, visitor: Visitor) -> None:
    wanted, other = await booked(gateway, "b-1"), await booked(gateway, "b-2")
    key = (await gateway.get(f"/v1/events/{wanted}"))["key"]
    for asked in ("b-1", key, "%20b-1%20"):
        page = await visitor.get(f"/events?booking={asked}")
        assert f"/events/{wanted}" in page.links
        assert f"/events/{other}" not in page.links


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("type=booking.*", True),
        ("type=booking.scheduled", True),
        ("type=booking.cancelled", False),
        ("type=nonsense", False),
        ("provider=talking", True),
        ("provider=other", False),
        ("connection=con_none", False),
        ("type=&provider=&booking=", True),
        ("before=999999999999999999999", True),
        ("before=-1", True),
        ("seen=x", True),
    ],
)
async def test_filters_narrow_the_list_and_nonsense_harms_nobody(
    gateway: Gateway, visitor: Visitor, query: str, found: bool
) -> None:
    event = await booked(gateway)
    assert (f"/events/{event}" in (await visitor.get(f"/events?{query}")).links) is found


async def test_a_long_list_goes_on_page_by_page_without_repeats(gateway: Gateway, visitor: Visitor) -> None:
    made = [await booked(gateway, f"b-{number}") for number in range(60)]
    first = await visitor.get("/events")
    older = next(link for link in first.links if "before=" in link)
    second = await visitor.get(older)
    shown = [link.removeprefix("/events/") for page in (first, second) for link in page.links if "/evt_" in link]
    assert shown == made[::-1]
    assert not any("before=" in link for link in second.links)


async def test_only_the_newest_page_keeps_itself_up_to_date(gateway: Gateway, visitor: Visitor) -> None:
    await booked(gateway)
    assert "hx-get" in (await visitor.get("/events")).html
    assert "hx-get" not in (await visitor.get("/events?before=5")).html
    assert "hx-get" not in (await visitor.get("/events?live=off")).html


async def test_an_event_is_shown_beside_what_came_in_without_what_is_personal(
    gateway: Gateway, visitor: Visitor
) -> None:
    event = await booked(gateway, "b-7", name="Ada Lindqvist", secret="acts-alone")
    page = await visitor.get(f"/events/{event}")
    assert "booking.scheduled" in page.text
    assert '"booking": "b-7"' in page.text
    assert '"name": "•••"' in page.text
    assert "Ada" not in page.html
    assert "acts-alone" not in page.html


async def test_personal_data_is_shown_to_who_asks_and_that_is_noted(gateway: Gateway, visitor: Visitor) -> None:
    event = await booked(gateway, name="Ada Lindqvist", secret="acts-alone")
    page = await visitor.submit(f"/events/{event}", f"/events/{event}/reveal")
    assert "Ada Lindqvist" in page.text
    assert "acts-alone" not in page.html  # a credential is not personal data: it stays masked
    noted = await gateway.store.audit.list(action="show_personal_data")
    assert [entry.object for entry in noted] == [event]
    assert "Ada" not in (await visitor.get(f"/events/{event}")).html


async def test_replay_plans_deliveries_and_says_how_many(gateway: Gateway, visitor: Visitor) -> None:
    event = await booked(gateway)
    none = await visitor.submit(f"/events/{event}", f"/events/{event}/replay")
    assert "No destination wants this event" in none.text
    await destination(gateway)
    page = await visitor.submit(f"/events/{event}", f"/events/{event}/replay")
    assert "1 delivery is on the way again" in page.text
    assert len((await gateway.get("/v1/deliveries", event=event))["items"]) == 1
    assert "on the way again" not in (await visitor.get(f"/events/{event}")).text, "told once"
    assert "replay_event" in {entry.action for entry in await gateway.store.audit.list(object_id=event)}


async def test_each_try_of_each_delivery_is_shown(gateway: Gateway, visitor: Visitor) -> None:
    await destination(gateway, name="The CRM")
    event = await booked(gateway)
    await killed(gateway, "no route to host")
    page = await visitor.get(f"/events/{event}")
    assert "The CRM" in page.text
    assert "no route to host" in page.text
    assert "dead" in page.text


async def test_an_event_that_was_erased_says_so(gateway: Gateway, visitor: Visitor) -> None:
    event = await booked(gateway, "b-1")
    key = (await gateway.get(f"/v1/events/{event}"))["key"]
    answer = await gateway.http.post("/v1/erase", json={"booking": key})
    assert answer.status_code in (200, 202), answer.text
    for _ in range(100):
        page = await visitor.http.get(f"/events/{event}")
        if page.status_code == 410:
            break
        await gateway.store.changed(0.1)
    assert "erased" in page.text


async def test_a_booking_has_a_page_with_its_whole_story(gateway: Gateway, visitor: Visitor) -> None:
    await destination(gateway, name="The CRM")
    first, last = await booked(gateway, "b-1"), await booked(gateway, "b-1", word="gone")
    await booked(gateway, "b-2")
    key = (await gateway.get(f"/v1/events/{first}"))["key"]
    link = next(link for link in (await visitor.get(f"/events/{first}")).links if link.startswith("/booking"))
    page = await visitor.get(link)
    events = [each for each in page.links if "/evt_" in each]
    assert events == [f"/events/{first}", f"/events/{last}"]
    assert key in page.text
    assert page.text.count("The CRM") == 2


async def test_what_does_not_exist_says_so(visitor: Visitor) -> None:
    for path in ("/events/evt_none", f"/events/evt_{'a' * 32}", "/booking?key=none", "/booking"):
        assert "There is no such" in (await visitor.get(path, 404)).text

"""/: one sentence first, then what wants a person, then the figures."""

from tests.web.conftest import Gateway
from tests.web.dashboard.conftest import booked, destination, killed, quarantined
from tests.web.dashboard.visitor import Visitor


async def test_a_new_gateway_says_what_to_do_first(visitor: Visitor) -> None:
    page = await visitor.get("/")
    assert "Nothing is connected yet." in page.text
    assert "/connections/new" in page.links
    assert "/destinations/new" in page.links


async def test_when_all_is_well_it_says_so(gateway: Gateway, visitor: Visitor) -> None:
    await gateway.connect()
    await destination(gateway, types=["booking.cancelled"])
    await booked(gateway)
    page = await visitor.get("/")
    assert "Everything is flowing. 1 call came within the last hour, and nothing waits" in page.text


async def test_what_is_dead_or_quarantined_is_said_and_counted(gateway: Gateway, visitor: Visitor) -> None:
    made = await destination(gateway, name="The CRM")
    await booked(gateway)
    await killed(gateway)
    await quarantined(gateway, booking="b-2")
    page = await visitor.get("/")
    assert "Not everything is flowing." in page.text
    assert "The CRM has taken nothing for" in page.text
    assert page.text.count("1 delivery is dead: given up.") == 1
    assert "1 call was not understood" in page.text
    assert f"/deliveries?destination={made['id']}" in page.links


async def test_charts_have_their_numbers_beside_them(gateway: Gateway, visitor: Visitor) -> None:
    await destination(gateway)
    await booked(gateway, "b-1")
    await booked(gateway, "b-2")
    for chosen in ("hour", "day", "week", "nonsense"):
        page = await visitor.get(f"/?range={chosen}")
        assert "2 understood" in page.text
        assert "2 waiting" in page.text
        assert sum(tag == "rect" for tag, _ in page.tags) == 2


async def test_a_gateway_that_does_not_accept_says_why(gateway: Gateway, visitor: Visitor) -> None:
    gateway.services.not_ready = "the disk is nearly full"
    assert "the disk is nearly full" in (await visitor.get("/")).text

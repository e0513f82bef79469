"""/audit: who did what, newest first, in words."""

from litestar.routes import HTTPRoute

from gateway.web.app import create_app
from gateway.web.dashboard.audit import ACTS, AT_ONCE
from tests.web.conftest import Gateway
from tests.web.dashboard.conftest import booked, destination
from tests.web.dashboard.visitor import Visitor


async def test_acts_are_told_in_words_with_a_way_to_what_they_were_done_to(gateway: Gateway, visitor: Visitor) -> None:
    made = await destination(gateway, name="The CRM")
    event = await booked(gateway)
    await visitor.submit(f"/events/{event}", f"/events/{event}/reveal")
    page = await visitor.get("/audit")
    shown = ("looked at personal data", "connected a provider", "added a destination The CRM", "signed in")
    told = page.text.rpartition("To what")[2]
    places = [told.index(words) for words in shown]
    assert places == sorted(places), "the newest comes first"
    assert {f"/events/{event}", f"/destinations/{made['id']}"} <= set(page.links)


async def test_it_is_narrowed_by_who_what_and_to_what(gateway: Gateway, visitor: Visitor) -> None:
    one, other = await destination(gateway, name="One"), await destination(gateway, name="Other")
    await gateway.http.post(f"/v1/destinations/{one['id']}/pause")
    assert "paused a destination One" in (await visitor.get("/audit?action=pause_destination")).text
    page = await visitor.get(f"/audit?object={other['id']}")
    assert "added a destination Other" in page.text
    assert "paused a destination One" not in page.text
    assert "Nothing like that was done." in (await visitor.get("/audit?key=key_nobody")).text


async def test_a_long_log_is_paged(gateway: Gateway, visitor: Visitor) -> None:
    for number in range(AT_ONCE + 1):
        await gateway.store.audit.add("key_revoked", "create_key", f"key_{number:02}")
    page = await visitor.get("/audit?key=key_revoked")
    assert "key_revoked (revoked)" in page.text
    assert "key_00" not in page.text
    older = next(link for link in page.links if "before=" in link)
    assert "key_00" in (await visitor.get(older)).text
    for cursor in ("x", "9" * 30, "-1"):
        assert "key_50" in (await visitor.get(f"/audit?key=key_revoked&before={cursor}")).text


async def test_what_is_gone_is_named_and_leads_nowhere(gateway: Gateway, visitor: Visitor) -> None:
    made = await destination(gateway)
    await gateway.http.delete(f"/v1/destinations/{made['id']}")
    await gateway.store.audit.add("gateway", "something_new")
    page = await visitor.get("/audit")
    assert "the gateway itself something_new" in page.text
    assert f"/destinations/{made['id']}" not in page.links


async def test_every_act_has_its_words(gateway: Gateway) -> None:
    calls = {
        handler.fn.__name__
        for route in create_app(gateway.services).routes
        if isinstance(route, HTTPRoute) and route.path.startswith("/v1/")
        for handler in route.route_handlers
        if handler.http_methods.isdisjoint({"GET", "HEAD", "OPTIONS"})
    }
    assert set(ACTS) - calls == {"sign_in", "show_personal_data", "show_exact_bytes"}
    assert calls - set(ACTS) == set()

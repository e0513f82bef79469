"""What a real browser lets nobody do: run what others wrote, read the session, act for somebody who is signed in."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.world import World
from tests.conftest import serving

pytestmark = pytest.mark.browser

CANARY = '<img src=x onerror="window.ran=1"></script><script>window.ran=1</script>\'"><svg onload=window.ran=1>\u202e'


@pytest.fixture
def paths(world: World) -> list[str]:
    """Put the canary into every text of a booking, and name all pages that there are."""
    connection, destination = world.connected(), world.subscribed()
    (answer,) = world.happens(0, poisoned_but("webhookType", "id", "companyId"))
    (broken,) = world.happens(-1, poisoned_but("webhookType", "companyId"))
    event = answer["events"][0]
    delivery = world.gateway.call("GET", f"/v1/deliveries?event={event}")["items"][0]["id"]
    key = httpx.QueryParams(key=world.gateway.call("GET", f"/v1/events/{event}")["key"])
    return [
        "/", "/events", f"/events/{event}", f"/booking?{key}", "/deliveries?status=all", f"/deliveries/{delivery}",
        "/quarantine", f"/quarantine/{broken['receipt']}", "/connections", f"/connections/{connection}",
        "/connections/new", "/connections/new/meetergo", "/connections/new/harmonizely", "/connections/new/harmony",
        "/destinations", f"/destinations/{destination}", "/destinations/new", "/keys",
        "/url", "/audit", "/erase", "/held",
    ]  # fmt: skip


def poisoned(value: Any) -> Any:
    """Put the canary in place of every text but those of times."""
    if isinstance(value, dict):
        return {name: poisoned(part) for name, part in value.items()}
    if isinstance(value, list):
        return [poisoned(part) for part in value]
    return CANARY if isinstance(value, str) and not value.startswith("20") else value


def poisoned_but(*kept: str) -> Any:
    """Leave what makes a call one of this vendor's."""
    return lambda body: poisoned(body) | {name: body[name] for name in kept}


def test_what_others_wrote_is_text_on_every_page(page: Page, paths: list[str]) -> None:
    for path in paths:
        page.goto(path)
        assert page.evaluate("window.ran") is None, path
        assert page.locator("img, svg[onload], script:not([src])").count() == 0, path
    for path in (each for each in paths if "/evt_" in each or "/rcp_" in each):
        page.goto(path)
        page.get_by_role("button", name="Show personal data").click()
        expect(page.get_by_text("window.ran=1").first).to_be_visible()
        assert page.evaluate("window.ran") is None, path
        assert page.locator("img, svg[onload], script:not([src])").count() == 0, path


def test_even_markup_that_got_into_a_page_could_not_run(world: World, page: Page) -> None:
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<img src=\"/static/none\" onerror=\"window.ran=1\">');"
        "const made = document.createElement('script'); made.textContent = 'window.ran=1'; document.body.append(made);"
    )
    page.wait_for_timeout(300)
    assert page.evaluate("window.ran") is None
    assert any("Content Security Policy" in fault for fault in world.faults)
    world.faults.clear()  # those are the browser's refusals


def test_no_script_reads_the_session(page: Page) -> None:
    assert page.evaluate("document.cookie") == ""
    assert page.evaluate("JSON.stringify(localStorage)") == "{}"
    assert page.evaluate("Object.keys(sessionStorage)") == ["htmx-current-path-for-history"]


@pytest.fixture
def elsewhere(world: World) -> Iterator[str]:
    """A page of somebody else's, which sends a form of ours as soon as it is open, and frames us."""
    action = f"{world.gateway.url}/keys"

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del receive
        body = (
            f"<form method=post action='{action}'><input name=scopes value=admin><input name=csrf value=x></form>"
            f"<iframe src='{world.gateway.url}/'></iframe>"
            + ("<script>document.forms[0].submit()</script>" if scope["path"] == "/submit" else "")
        ).encode()
        headers = [(b"content-type", b"text/html"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    with serving(app) as url:
        yield url.replace("127.0.0.1", "localhost")  # another site, as far as cookies go


def test_a_page_of_somebody_else_cannot_act_for_who_is_signed_in(world: World, page: Page, elsewhere: str) -> None:
    before = world.gateway.call("GET", "/v1/keys")["items"]
    page.goto(f"{elsewhere}/submit")
    page.wait_for_url(lambda url: url.startswith(world.gateway.url))
    assert world.gateway.call("GET", "/v1/keys")["items"] == before
    world.faults.clear()  # the browser says that the frame was refused


def test_nobody_frames_a_page(world: World, page: Page, elsewhere: str) -> None:
    page.goto(elsewhere)
    page.wait_for_timeout(500)
    assert "Booking gateway" not in page.frames[1].content()
    assert any("frame" in fault for fault in world.faults)
    world.faults.clear()


def test_a_link_from_elsewhere_finds_who_is_signed_in(world: World, page: Page, elsewhere: str) -> None:
    page.goto(elsewhere)
    page.evaluate(f"location.href = '{world.gateway.url}/keys'")
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    world.faults.clear()


def test_a_session_that_ended_says_so_on_a_page_that_keeps_itself_up_to_date(world: World, page: Page) -> None:
    page.goto("/events")
    page.context.clear_cookies()
    expect(page.get_by_label("Admin key")).to_be_visible()
    world.faults.clear()  # the browser notes the 401 on its console


def test_nothing_personal_is_kept_by_the_browser(world: World, page: Page, paths: list[str]) -> None:
    page.goto(next(path for path in paths if "/evt_" in path))
    page.get_by_role("button", name="Show personal data").click()
    expect(page.get_by_text("window.ran=1").first).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.evaluate("setTimeout(() => history.back())")
    page.wait_for_timeout(500)  # nothing is cached: the browser asks whether to send the form again, or for a key
    assert page.get_by_text("window.ran=1").count() == 0
    world.faults.clear()


def test_pages_come_from_here_alone(world: World, page: Page, paths: list[str]) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for path in paths:
        page.goto(path)
    assert [url for url in asked if not url.startswith(world.gateway.url)] == []

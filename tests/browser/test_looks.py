"""How pages look and sound, measured: width, contrast, names, headings, the keyboard."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_safety import paths
from tests.browser.world import World

pytestmark = pytest.mark.browser

__all__ = ["paths"]

CONTRAST = """() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const linear = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const [r, g, b, a] = channels(getComputedStyle(each).backgroundColor);
      if (a === undefined || a === 1) return [r, g, b];
    }
    return channels(getComputedStyle(document.documentElement).backgroundColor);
  };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (!text || !element.checkVisibility() || element.closest('.unseen, .skip')) continue;
    const [one, other] = [light(channels(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${element.className || element.tagName}: ${text.slice(0, 40)}`);
  }
  return faint;
}"""
NAMELESS = """() => [...document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a, summary')]
  .filter((each) => each.checkVisibility())
  .filter((each) => !(each.labels && each.labels.length) && !each.ariaLabel && !each.textContent.trim())
  .map((each) => each.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(world: World, paths: list[str], scheme: Any) -> None:
    page = world.signed_in(color_scheme=scheme)
    for path in paths:
        page.goto(path)
        page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
        assert page.evaluate(CONTRAST) == [], path
    page.get_by_role("button", name="Sign out").click()
    assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_no_page_is_wider_than_the_screen(world: World, paths: list[str], width: int) -> None:
    page = world.signed_in(viewport={"width": width, "height": 800})
    for path in paths:
        page.goto(path)
        page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_every_page_names_itself_and_whatever_can_be_used(page: Page, paths: list[str]) -> None:
    titles = []
    for path in paths:
        page.goto(path)
        titles.append(page.title())
        assert page.locator("h1").count() == 1, path
        assert page.evaluate(NAMELESS) == [], path
        assert page.locator("main").count() == 1
        assert page.locator("html[lang=en]").count() == 1
        for table in page.locator("table:has(thead)").all():
            assert table.locator("th[scope=col]").count() > 0, path
    assert all(title.endswith("Booking gateway") for title in titles)


def test_the_keyboard_is_enough(world: World) -> None:
    page = world.visitor()
    page.goto("/sign-in")
    page.keyboard.type(world.gateway.key)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Overview").wait_for(state="attached")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.goto("/events")
    page.get_by_role("link", name="Admin").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Keys", exact=True)).to_be_visible()
    summary = page.locator("summary").first
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Revoke it").first).to_be_visible()


def test_what_has_the_focus_keeps_it_while_the_list_changes(world: World, page: Page) -> None:
    world.connected()
    (first,) = world.happens()
    page.goto("/events")
    link = page.locator(f"a[href='/events/{first['events'][0]}']")
    link.focus()
    (second,) = world.happens(0, lambda body: body | {"id": "appt-second"})
    expect(page.locator(f"a[href='/events/{second['events'][0]}']")).to_be_visible()
    expect(link).to_be_focused()


def test_a_gateway_that_does_not_answer_is_said_on_the_page(world: World, page: Page) -> None:
    page.goto("/events")
    page.context.set_offline(True)
    expect(page.get_by_text("The gateway does not answer.")).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_text("The gateway does not answer.")).to_be_hidden()
    world.faults.clear()  # the browser notes what it could not reach on its console


def test_a_gateway_that_answers_with_an_error_is_said_on_the_page(world: World, page: Page) -> None:
    page.goto("/events")
    page.route("**/events?*", lambda route: route.fulfill(status=503, body="trouble"))
    expect(page.get_by_text("The gateway answers with an error.")).to_be_visible()
    page.unroute("**/events?*")
    expect(page.get_by_text("The gateway answers with an error.")).to_be_hidden()
    world.faults.clear()  # the browser notes the 503 on its console


def test_a_page_that_is_not_there_looks_like_the_others(world: World, page: Page) -> None:
    page.goto("/no-such-page")
    expect(page.get_by_role("heading", name="Not Found")).to_be_visible()
    assert page.evaluate(CONTRAST) == []
    page.get_by_role("link", name="Deliveries").click()
    expect(page.get_by_role("heading", name="Deliveries")).to_be_visible()
    world.faults.clear()  # the browser notes the 404 on its console

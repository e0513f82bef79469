"""What an operator does, in a real browser, from signing in to a booking that is delivered again."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.world import World

pytestmark = pytest.mark.browser


def test_a_key_opens_the_door_and_a_wrong_one_does_not(world: World) -> None:
    page = world.visitor()
    answer = page.goto("/deliveries")
    assert answer is not None
    expect(page).to_have_url(re.compile(r"/sign-in\?next="))
    page.get_by_label("Admin key").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not a key of this gateway")
    world.faults.clear()  # the browser notes the 403 on its console
    page.get_by_label("Admin key").fill(world.gateway.key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Deliveries")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Admin key")).to_be_visible()
    page.goto("/events")
    expect(page).to_have_url(re.compile("/sign-in"))


def test_a_provider_is_connected_step_by_step(world: World, page: Page) -> None:
    page.get_by_role("link", name="Connections").click()
    page.get_by_role("link", name="Connect a provider").first.click()
    page.get_by_role("link", name="meetergo").click()
    page.get_by_label("Name").fill("Berlin")
    page.get_by_label("API key").fill(world.vendor.credentials["api_key"])
    page.get_by_text("More settings").click()
    page.get_by_label("Base URL").fill(world.vendor_url)
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_role("heading", name="Berlin")).to_be_visible()
    expect(page.get_by_role("status").first).to_contain_text("Berlin is connected")
    expect(page.get_by_text("waits for its first call")).to_be_visible()
    assert len(world.vendor.hooks) == 1
    page.get_by_role("button", name="Check it").click()
    expect(page.get_by_text("All is as it should be.")).to_be_visible()


def test_a_destination_is_added_tested_and_its_secret_shown_once(world: World, page: Page) -> None:
    page.goto("/destinations")
    page.get_by_role("link", name="Add a destination").first.click()
    page.get_by_label("URL").fill(world.consumer.url)
    page.get_by_label("Name").fill("The CRM")
    page.get_by_role("button", name="Add it").click()
    expect(page.locator("#secret")).to_contain_text("whsec_")
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_role("status").first).to_contain_text("The test event was taken: HTTP 200")
    expect(page.locator("#secret")).to_have_count(0)


def test_an_event_arrives_while_the_list_is_looked_at(world: World, page: Page) -> None:
    world.connected()
    world.subscribed()
    page.goto("/events")
    page.evaluate("window.stayed = true")
    (answer,) = world.happens()
    row = page.locator(f"a[href='/events/{answer['events'][0]}']")
    expect(row).to_be_visible()
    expect(page.locator("tr", has=row)).to_contain_text("1 delivered")
    expect(page.locator("#told")).to_contain_text("booking.scheduled")
    assert page.evaluate("window.stayed"), "the page was not loaded again"


def test_an_event_is_looked_at_and_replayed(world: World, page: Page) -> None:
    world.connected()
    world.subscribed()
    (answer,) = world.happens()
    event = answer["events"][0]
    page.goto(f"/events/{event}")
    expect(page.locator(".chip.delivered")).to_be_visible()
    expect(page.get_by_label("Body of the call")).to_contain_text('"email": "•••"')
    expect(page.get_by_text("ada@example.com")).to_have_count(0)
    page.get_by_role("button", name="Show personal data").click()
    expect(page.get_by_label("Body of the call")).to_contain_text("ada@example.com")
    page.get_by_role("link", name="Hide personal data").click()
    expect(page.get_by_label("Body of the call")).to_contain_text('"email": "•••"')
    page.get_by_role("button", name="Replay to all").click()
    expect(page.get_by_role("status").first).to_contain_text("1 delivery is on the way again")
    expect(page.get_by_text("2 tries")).to_be_visible()
    expect(page.locator(".chip.delivered")).to_be_visible()
    got = [body for webhook_id, body in world.consumer.got if webhook_id == event]
    assert len(got) == 2
    assert got[0] == got[1]


def test_a_dead_delivery_is_found_and_retried(world: World, page: Page) -> None:
    world.connected()
    world.subscribed()
    world.consumer.status = 500
    (answer,) = world.happens()
    event = answer["events"][0]
    page.goto(f"/events/{event}")
    expect(page.locator(".chip.dead")).to_be_visible()
    page.goto("/")
    expect(page.locator(".verdict")).to_contain_text("Not everything is flowing.")
    page.get_by_role("link", name="Look and retry").first.click()
    world.consumer.status = 200
    page.get_by_role("button", name=re.compile("^Retry booking.scheduled")).first.click()
    expect(page.get_by_role("status").first).to_contain_text("tried again")
    expect(page.locator(".chip.delivered")).to_be_visible()


def test_a_call_that_was_not_understood_is_read_and_discarded(world: World, page: Page) -> None:
    world.connected()
    (answer,) = world.happens(-1)
    assert answer["status"] == "quarantined"
    page.get_by_role("link", name="Quarantine").click()
    page.locator(f"a[href='/quarantine/{answer['receipt']}']").click()
    expect(page.get_by_text("Why:")).to_be_visible()
    expect(page.get_by_text("What to do:")).to_be_visible()
    expect(page.get_by_label("Body of the call")).to_contain_text('"email": "•••"')
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("alert").first).to_contain_text("still not understood")
    page.get_by_role("button", name="Discard").click()
    page.get_by_role("button", name="Throw it away").click()
    expect(page.get_by_role("status").first).to_contain_text("was thrown away")


def test_a_booking_is_followed_through_all_that_happened_to_it(world: World, page: Page) -> None:
    world.connected()
    world.subscribed()
    world.happens(0, lambda body: body | {"id": "appt-story"})
    world.happens(2, lambda body: body | {"id": "appt-story"})
    page.goto("/events")
    page.get_by_label("Booking id or key").fill("appt-story")
    page.get_by_label("Booking id or key").press("Enter")
    page.get_by_role("link", name="appt-story").first.click()
    expect(page.get_by_role("heading", name="Booking appt-story")).to_be_visible()
    expect(page.locator(".line > li")).to_have_count(2)
    expect(page.locator(".line > li").first).to_contain_text("booking.scheduled")


def test_everything_can_be_read_and_done_without_a_script(world: World) -> None:
    world.connected()
    world.subscribed()
    (answer,) = world.happens()
    page = world.signed_in(java_script_enabled=False)
    page.goto("/events")
    page.get_by_label("Type").select_option("booking.scheduled")
    page.get_by_role("button", name="Filter").click()
    page.locator(f"a[href='/events/{answer['events'][0]}']").click()
    page.get_by_role("button", name="Replay to all").click()
    expect(page.get_by_role("status").first).to_contain_text("on the way again")
    page.goto("/keys")
    page.get_by_label("Name").fill("Reports")
    page.get_by_label("events:read").check()
    page.get_by_role("button", name="Make the key").click()
    expect(page.locator("#secret")).to_contain_text("gwk_")
    row = page.locator("tr", has_text="Reports")
    row.get_by_text("Revoke", exact=True).click()
    row.get_by_role("button", name="Revoke it").click()
    expect(page.get_by_role("status").first).to_contain_text("The key was revoked.")

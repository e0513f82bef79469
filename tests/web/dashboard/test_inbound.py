"""/url: the one inbound URL, and a new one while the old one is still accepted."""

from tests.web.conftest import Gateway
from tests.web.dashboard.visitor import Visitor


async def test_it_says_what_a_new_url_means_before_it_is_made(gateway: Gateway, visitor: Visitor) -> None:
    url = (await gateway.get("/v1/url"))["inbound_url"]
    await gateway.connect(name="Sales")
    await gateway.connect("pasted", name="By hand")
    page = await visitor.get("/url")
    assert url in page.text
    assert "The old one is still accepted" in page.text
    assert "moved to it by itself: Sales ." in page.text
    assert "At the provider of By hand somebody pastes it" in page.text


async def test_a_new_url_is_made_and_the_old_one_ended(gateway: Gateway, visitor: Visitor) -> None:
    old = (await gateway.get("/v1/url"))["inbound_url"]
    await gateway.connect("pasted", name="By hand")
    page = await visitor.submit("/url", "/url/rotate")
    new = (await gateway.get("/v1/url"))["inbound_url"]
    assert new != old
    assert "The inbound URL is a new one." in page.text
    assert "Somebody has to paste the new one at the provider: By hand" in page.text
    assert new in page.text
    assert (await gateway.http.get(old)).status_code == 200

    ending = next(form for form in page.forms if ("finish", "on") in form.fields)
    page = await visitor.send("/url/rotate", ending.fields)
    assert "Older URLs are not accepted any more." in page.text
    assert "is still accepted" not in page.text.replace("The old one is still accepted", "")
    assert (await gateway.http.get(old)).status_code == 404
    assert len(await gateway.store.audit.list(action="rotate_url")) == 2


async def test_a_url_that_is_set_from_outside_is_renewed_there(gateway: Gateway, visitor: Visitor) -> None:
    gateway.services.inboxes._given = ("t" * 43,)
    page = await visitor.get("/url")
    assert "GATEWAY_INBOUND_TOKENS" in page.text
    assert "/url/rotate" not in [form.action for form in page.forms]

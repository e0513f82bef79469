"""What is shown in place of a page: to a browser a page, to a program a problem."""

import re
from typing import Any

import pytest

from gateway.contract.errors import StoreUnavailable
from tests.web.conftest import Gateway
from tests.web.dashboard.visitor import Page, Visitor

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


async def test_a_browser_that_asks_for_no_page_is_answered_with_one(visitor: Visitor) -> None:
    for path in ("/nothing", "/events/x/y", "/static/none", "/favicon.ico"):
        answer = await visitor.http.get(path, headers=BROWSER)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8"), path
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        page = Page(answer)
        assert {"/", "/events", "/deliveries"} <= set(page.links)
        assert "/sign-out" in [form.action for form in page.forms]


async def test_who_is_not_signed_in_sees_no_bar(stranger: Visitor) -> None:
    page = Page(await stranger.http.get("/nothing", headers=BROWSER))
    assert (page.status, page.links) == (404, ["#main", "/"])
    assert page.forms == []


async def test_an_address_that_only_takes_forms_says_so(visitor: Visitor) -> None:
    answer = await visitor.http.get("/sign-out", headers=BROWSER)
    assert answer.status_code == 405
    assert "POST" in answer.headers["allow"]
    assert "only takes what a form on a page sends" in answer.text


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1", "/schemas/none", "/docs/none", "/metrics/none", "/live/none"])
async def test_the_addresses_of_programs_answer_problems_whoever_asks(gateway: Gateway, path: str) -> None:
    answer = await gateway.http.get(path, headers=BROWSER)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_a_program_is_answered_with_a_problem_everywhere(visitor: Visitor) -> None:
    for headers in ({"accept": "application/json"}, {"accept": "*/*"}, {}):
        answer = await visitor.http.get("/nothing", headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_a_store_that_fails_is_said_on_a_page_that_needs_none(
    gateway: Gateway, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("the disk is full", retry_after=9)

    for broken in ("counts", "keys"):  # for the bar, and for the door
        with monkeypatch.context() as patch:
            patch.setattr(gateway.store, broken, fails)
            page = await visitor.get("/events", 503)
        assert "the disk is full" in page.text
        assert page.headers["retry-after"] == "9"
        assert "/deliveries" in page.links


async def test_what_nobody_expected_names_the_request_and_not_what_it_was(
    gateway: Gateway, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: Any, **__: Any) -> Any:
        raise ValueError("somebody@example.com")

    monkeypatch.setattr(gateway.store, "counts", fails)
    page = await visitor.get("/events", 500)
    assert "somebody@example.com" not in page.html
    found = re.search(r"Look there for (req_\w+)\.", page.text)
    assert found
    assert page.headers["x-request-id"] == found[1]
    assert "/deliveries" in page.links


async def test_a_form_that_is_refused_keeps_the_bar(visitor: Visitor) -> None:
    page = await visitor.send("/keys", [("csrf", "x")], 403)
    assert "/events" in page.links

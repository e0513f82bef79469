"""/quarantine: why a call was not understood, what it said, and what to do about it."""

import pytest

from tests.web.conftest import Gateway
from tests.web.dashboard.conftest import quarantined
from tests.web.dashboard.visitor import Visitor


async def test_what_was_not_understood_is_listed_with_its_reason(gateway: Gateway, visitor: Visitor) -> None:
    assert "Nothing is in quarantine." in (await visitor.get("/quarantine")).text
    receipt = await quarantined(gateway, booking="b-1")
    page = await visitor.get("/quarantine")
    assert f"/quarantine/{receipt}" in page.links
    assert "not yet - at <code>$.booking</code>" in page.html
    assert f"/quarantine/{receipt}" not in (await visitor.get("/quarantine?connection=con_none")).links


async def test_one_says_in_words_why_and_what_to_do_and_keeps_the_exact_reason(
    gateway: Gateway, visitor: Visitor
) -> None:
    page = await visitor.get(f"/quarantine/{await quarantined(gateway, booking='b-1')}")
    assert "plugin expects something else: not yet - at <code>$.booking</code>." in page.html
    assert "What to do: Calls like this are new to the plugin" in page.text
    assert "not_understood: not yet - at `$.booking`" in page.text


async def test_only_the_shape_of_a_call_is_shown_until_somebody_asks(gateway: Gateway, visitor: Visitor) -> None:
    said = {"name": "Ada Lindqvist", "phone": 49301234567, "start": "2026-03-01T09:30:00Z", "secret": "acts-alone"}
    receipt = await quarantined(gateway, booking="b-1", **said)
    page = await visitor.get(f"/quarantine/{receipt}")
    assert '"name": "•••"' in page.text
    assert '"start": "2026-03-01T09:30:00Z"' in page.text
    assert not {"Ada", "49301234567", "acts-alone"} & {word.strip('",') for word in page.text.split()}
    shown = await visitor.submit(f"/quarantine/{receipt}", f"/quarantine/{receipt}/reveal")
    assert "Ada Lindqvist" in shown.text
    assert "acts-alone" not in shown.html
    noted = await gateway.store.audit.list(action="show_personal_data")
    assert [entry.object for entry in noted] == [receipt]


async def test_retry_leads_to_the_event_once_it_is_understood(gateway: Gateway, visitor: Visitor) -> None:
    receipt = await quarantined(gateway, booking="b-1")
    gateway.talking.understands = False
    still = await visitor.submit(f"/quarantine/{receipt}", f"/quarantine/{receipt}/retry")
    assert "It is still not understood. Why, and what to do, stands below." in still.text
    gateway.talking.understands = True
    page = await visitor.submit(f"/quarantine/{receipt}", f"/quarantine/{receipt}/retry")
    assert page.path.startswith("/events/evt_")
    assert "is understood now" in page.text


async def test_all_are_retried_at_once(gateway: Gateway, visitor: Visitor) -> None:
    await quarantined(gateway, booking="b-1")
    await quarantined(gateway, booking="b-2")
    page = await visitor.submit("/quarantine", "/quarantine/retry")
    assert "2 calls were tried again: 2 understood now, 0 still not." in page.text


async def test_many_are_retried_some_at_a_time_and_a_second_press_goes_on_with_the_rest(
    gateway: Gateway, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.web.dashboard.quarantine.STEP", 2)
    monkeypatch.setattr("gateway.web.dashboard.quarantine.PATIENCE", 0.0)
    for number in range(3):
        await quarantined(gateway, booking=f"b-{number}")
    gateway.talking.understands = False
    page = await visitor.submit("/quarantine", "/quarantine/retry")
    assert "2 calls were tried again: 0 understood now, 2 still not. There are more: go on with the rest." in page.text
    assert "Retry the rest" in page.text
    page = await visitor.submit(page.path, "/quarantine/retry")
    assert "1 call was tried again: 0 understood now, 1 still not." in page.text
    assert "Retry all" in page.text


async def test_one_that_is_discarded_is_gone(gateway: Gateway, visitor: Visitor) -> None:
    receipt = await quarantined(gateway, booking="b-1")
    page = await visitor.submit(f"/quarantine/{receipt}", f"/quarantine/{receipt}/discard")
    assert "was thrown away" in page.text
    assert "Nothing is in quarantine." in page.text
    assert "or it is understood by now" in (await visitor.get(f"/quarantine/{receipt}", 404)).text


async def test_bytes_that_are_no_text_are_shown_as_codes(gateway: Gateway, visitor: Visitor) -> None:
    made = await gateway.connect(own_url=True)
    answer = await gateway.http.post(made["inbound_url"], content=b"\xff\x00<b>", headers={"authorization": ""})
    receipt = answer.json()["receipt"]
    assert "•••" in (await visitor.get(f"/quarantine/{receipt}")).text
    page = await visitor.submit(f"/quarantine/{receipt}", f"/quarantine/{receipt}/reveal")
    assert "<b>" not in page.html

"""/erase: first what would be removed, then whether, then what went."""

import pytest

from gateway.web.dashboard import erase
from tests.web.conftest import Gateway
from tests.web.dashboard.conftest import booked
from tests.web.dashboard.visitor import Visitor

GRACE = "grace@example.com"


async def gone(gateway: Gateway, event: str) -> bool:
    return (await gateway.http.get(f"/v1/events/{event}")).status_code == 410


async def test_a_person_is_shown_confirmed_and_erased(gateway: Gateway, visitor: Visitor) -> None:
    hers, his = await booked(gateway, "b1", title=f"Call with {GRACE}"), await booked(gateway, "b2")
    page = await visitor.submit("/erase", "/erase/look", email=GRACE)
    assert f"Everything that mentions {GRACE}" in page.text
    assert "Events 1 loses what it says" in page.text
    assert not await gone(gateway, hers), "nothing is removed by looking"

    done = await visitor.send("/erase", page.form("/erase").fields)
    assert "It is gone from everything that is kept: 1 event, 1 call." in done.text
    assert GRACE not in done.html + done.path
    assert await gone(gateway, hers)
    assert not await gone(gateway, his)
    (act,) = await gateway.store.audit.list(action="erase")
    assert done.path == f"/erase/{act.object}"


@pytest.mark.parametrize("said", ["id", "key"])
async def test_a_booking_is_found_by_its_id_or_its_key(gateway: Gateway, visitor: Visitor, said: str) -> None:
    event = await booked(gateway, "b1")
    await booked(gateway, "b2")
    key = (await gateway.get(f"/v1/events/{event}"))["key"]
    page = await visitor.submit("/erase", "/erase/look", booking="b1" if said == "id" else key)
    assert "Events 1" in page.text
    await visitor.send("/erase", page.form("/erase").fields)
    assert await gone(gateway, event)


async def test_where_several_connections_have_such_a_booking_it_asks_which(gateway: Gateway, visitor: Visitor) -> None:
    one = await booked(gateway, "b1")
    other = await gateway.connect(name="Second", own_url=True)
    (second,) = (await gateway.says(other["inbound_url"], booking="b1"))["events"]
    page = await visitor.submit("/erase", "/erase/look", booking="b1")
    assert "Which booking?" in page.text
    wanted = next(form for form in page.forms if dict(form.fields).get("booking", "").split(":")[1:2] == [other["id"]])
    page = await visitor.send("/erase/look", wanted.fields)
    await visitor.send("/erase", page.form("/erase").fields)
    assert (await gone(gateway, one), await gone(gateway, second)) == (False, True)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({}, "either `email` or `booking`"),
        ({"email": GRACE, "booking": "b1"}, "either `email` or `booking`"),
        ({"email": "grace"}, "not an e-mail address"),
        ({"booking": "unknown"}, "no event is kept of a booking with this id"),
    ],
)
async def test_what_is_nobody_is_refused(visitor: Visitor, said: dict[str, str], told: str) -> None:
    assert told in (await visitor.submit("/erase", "/erase/look", said, status=400)).text


async def test_who_is_nowhere_cannot_be_erased(visitor: Visitor) -> None:
    page = await visitor.submit("/erase", "/erase/look", email=GRACE)
    assert "Nothing that is kept mentions it." in page.text
    assert [form.action for form in page.forms if form.action == "/erase"] == []


async def test_what_was_not_looked_at_in_time_is_said(
    gateway: Gateway, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erase, "LOOK_SECONDS", 0.0)
    event = await booked(gateway, "b1", title=GRACE)
    page = await visitor.submit("/erase", "/erase/look", email=GRACE)
    assert "it may be more" in page.text
    await visitor.send("/erase", page.form("/erase").fields)
    assert await gone(gateway, event)


async def test_an_erasure_that_nobody_asked_for_is_not_there(visitor: Visitor) -> None:
    assert "There is no such erasure." in (await visitor.get("/erase/ers_none", 404)).text

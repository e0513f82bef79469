"""An unsigned call is theirs by its shape, and a connection's by the company it names."""

import pytest

from tests.providers.meetergo.bodies import older, payload, recognised

OURS = "company-lakeside"


@pytest.mark.parametrize(
    "case", ["created", "rescheduled_nested", "rescheduled_nested_in_the_newer_envelope", "employee"]
)
def test_a_call_of_another_company_is_not_this_connections(case: str) -> None:
    assert recognised(payload(case))
    assert recognised(payload(case), OURS)
    assert not recognised(payload(case), "company-elsewhere")


def test_a_call_that_names_no_company_may_be_anybodys() -> None:
    body = {**payload("created"), "companyId": None}
    assert recognised(body, OURS)
    assert recognised(older(body), OURS)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"webhookType": None},
        {"webhookType": 7, "id": "appt-1"},
        {"event": "booking_created"},
        {"event": "booking_created", "data": []},
        {"event": "meetingScheduled", "data": {"uuid": "x"}},
        {"event": "contact.created", "data": {"id": "x"}},
        {"event": "invitee.created", "payload": {"id": "x"}},
        {"type": "booking_created", "id": "appt-1"},
    ],
)
def test_other_shapes_are_not_theirs(body: object) -> None:
    assert not recognised(body)


def test_a_new_word_of_theirs_is_theirs() -> None:
    assert recognised({"webhookType": "signature_completed", "id": "x"})
    assert recognised({"event": "booking_no_show", "data": {"id": "x"}})

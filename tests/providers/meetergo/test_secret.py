"""Their `secret` cancels and moves a booking without a login: it comes out nowhere, whatever the body looks like."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract.errors import NotUnderstood
from gateway.contract.testing import probing
from tests.providers.meetergo.bodies import PAYLOADS, draft, older, payload

TOKEN = "Zq7-acts-without-a-login_0099"
CASES = sorted(file.stem for file in PAYLOADS.iterdir())


def written(body: object) -> str:
    with suppress(NotUnderstood):
        return msgspec.json.encode(draft(body)).decode()
    return ""


@pytest.mark.parametrize("case", CASES)
def test_it_does_not_come_out_of_a_link_or_a_text_that_repeats_it(case: str) -> None:
    body = payload(case)
    for path, leaf in probing.leaves(body):
        if isinstance(leaf, str) and leaf:
            repeated = probing.replaced(body, path, f"{leaf}?secret={TOKEN}")
            assert TOKEN not in written({**repeated, "secret": TOKEN}), probing.spelled(path)


@pytest.mark.parametrize("place", ["data", "meetingType", "cancel"])
def test_it_does_not_come_out_from_any_depth(place: str) -> None:
    link = {"channel": "connect", "meetingLink": f"https://rooms.example.com/?s={TOKEN}"}
    body = payload("created") | {"meetingInfo": link, place: {"x": [{"secret": TOKEN}]}}
    assert '"online"' in written(body)
    assert TOKEN not in written(body)


def test_the_calendar_invite_does_not_come_out() -> None:
    body = payload("created") | {"ics": f"BEGIN:VCALENDAR\r\nDESCRIPTION:https://cal.example.com/cancel/{TOKEN}"}
    assert TOKEN not in written(body)


def test_no_reason_for_quarantine_quotes_it() -> None:
    with pytest.raises(NotUnderstood) as refusal:
        draft(payload("created") | {"secret": TOKEN, "start": TOKEN})
    assert TOKEN not in str(refusal.value)


KEYS = sorted({str(step) for case in CASES for path, _ in probing.leaves(payload(case)) for step in path} | {"secret"})
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
WORDS = st.sampled_from(
    ["booking_created", "booking_cancelled", "2026-03-10T10:00:00+01:00", "appt-1", "form_submission"]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=8),
    max_leaves=30,
)


@given(
    st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=12), st.sampled_from(["booking_created", "new_employee"])
)
def test_it_comes_out_of_no_body_at_all(body: dict[str, Any], word: str) -> None:
    planted = probing.planted(body, ["secret"])
    for call in ({**planted, "webhookType": word}, older({**planted, "webhookType": word}), planted):
        assert probing.CANARY not in written(call)

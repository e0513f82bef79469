"""What makes a fact of theirs the same fact, and what puts the facts of one booking in order."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract.events import EVENT_OF, sequence
from gateway.contract.provider import Draft
from tests.providers.meetergo.bodies import draft, older, payload

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
CASES = ("created", "rescheduled", "cancelled", "created_without_updated_at", "employee", "form_with_a_list")


@pytest.mark.parametrize("case", CASES)
def test_both_envelopes_tell_the_same_fact(case: str) -> None:
    assert draft(older(payload(case))) == draft(payload(case))


@pytest.mark.parametrize("case", CASES)
def test_the_secret_is_no_part_of_a_fact(case: str) -> None:
    assert draft(payload(case) | {"secret": "another-token-0002"}) == draft(payload(case) | {"secret": None})


def test_an_instant_is_the_same_however_it_is_written() -> None:
    written = payload("created") | {"updatedAt": "2026-03-01T10:00:00.000000+02:00"}
    assert draft(written).parts == draft(payload("created")).parts


@pytest.mark.parametrize(
    "change", [{"webhookType": "booking_rescheduled"}, {"id": "appt-x"}, {"updatedAt": "2026-03-01T08:00:00.001Z"}]
)
def test_another_word_booking_or_update_is_another_fact(change: dict[str, str]) -> None:
    assert draft(payload("created") | change).parts != draft(payload("created")).parts


@pytest.mark.parametrize(
    "change", [{"start": "2026-03-09T10:00:00Z"}, {"attendees": []}, {"oldStartDate": "2026-01-01T00:00:00Z"}]
)
def test_without_updated_at_other_content_is_another_fact(change: dict[str, Any]) -> None:
    body = payload("rescheduled_without_updated_at")
    assert draft(body | change).parts != draft(body).parts
    assert "id_from_digest" in draft(body).warnings


def test_two_submissions_of_one_form_are_two_facts() -> None:
    body = payload("form_with_a_list") | {"updatedAt": "2026-01-01T00:00:00Z"}
    assert draft(body | {"answers": []}).parts != draft(body).parts


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Make the calls of one booking, each with the clocks it may have, and the order in which they arrive."""
    gaps = st.timedeltas(timedelta(0), timedelta(days=30))
    created = START + draw(gaps)
    moved = created + draw(gaps)
    ended = moved + draw(gaps)
    told = [
        payload("created") | _clocks(draw, created, created),
        payload("rescheduled") | _clocks(draw, created, moved) | {"rescheduledAt": moved.isoformat()},
        payload("cancelled") | _clocks(draw, created, ended) | {"cancel": {draw(CANCELLED): ended.isoformat()}},
    ]
    return told, draw(st.permutations(told))


CANCELLED = st.sampled_from(["cancelledAt", "actionAt"])


def _clocks(draw: st.DrawFn, created: datetime, now: datetime) -> dict[str, str | None]:
    return {"createdAt": created.isoformat(), "updatedAt": draw(st.sampled_from([now.isoformat(), None]))}


@given(lives())
def test_the_facts_of_a_booking_sort_the_same_in_whatever_order_they_arrive(
    life: tuple[list[dict[str, Any]], list[dict[str, Any]]],
) -> None:
    told, arrived = life
    assert sorted(map(_sequence, map(draft, arrived))) == [_sequence(draft(body)) for body in told]


def _sequence(told: Draft) -> str:
    assert told.revision is not None
    return sequence(told.revision, EVENT_OF[type(told.data)].rank)

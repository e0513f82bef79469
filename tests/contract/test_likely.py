"""Objects of unknown shape are read by likely keys: nothing is an error, and nothing is guessed silently."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given

from gateway.contract import likely
from gateway.contract.events import Actor, Identity, Payment, PaymentStatus
from tests.contract.test_reading import JSON


@pytest.mark.parametrize(
    ("told", "by", "reason"),
    [
        ({"by": "invitee", "reason": " Late "}, Actor.ATTENDEE, "Late"),
        ({"canceled_by": "Host", "message": "Ill"}, Actor.HOST, "Ill"),
        ({"by": "Ada Example"}, Actor.OTHER, None),
        ({"by": {"name": "Ada"}, "reason": 5}, None, None),
        ("Ill", None, "Ill"),
        (True, None, None),
        (None, None, None),
    ],
)
def test_who_and_why(told: object, by: Actor | None, reason: str | None) -> None:
    assert (likely.by(told), likely.reason(told)) == (by, reason)


@pytest.mark.parametrize(
    ("told", "identity", "start"),
    [
        ({"old_uuid": "b-1", "old_start": "2026-03-01T09:30:00Z"}, Identity.SAME, True),
        ({"previous_id": "b-0", "previous_scheduled_at": "2026-03-01T10:30:00+01:00"}, Identity.NEW, True),
        ({"old_start": "2026-03-01T09:30:00"}, Identity.UNKNOWN, False),
        ({"old_uuid": 7}, Identity.UNKNOWN, False),
        (None, Identity.UNKNOWN, False),
    ],
)
def test_the_slot_before(told: object, identity: Identity, start: bool) -> None:
    warnings: list[str] = []
    previous = likely.previous(told, "b-1", warnings.append)
    assert previous.identity is identity
    assert previous.start == (datetime(2026, 3, 1, 9, 30, tzinfo=UTC) if start else None)
    assert warnings == ([] if start else ["previous_slot_not_stated"])


@pytest.mark.parametrize(
    ("amount", "read_as"),
    [("49.00", "49.00"), (49.5, "49.5"), (4900, None), ("4900", None), ("4.9e3", None), ("49,00", None), (True, None)],
)
def test_an_amount_is_read_only_where_its_unit_is_certain(amount: object, read_as: str | None) -> None:
    told = {"status": "Paid", "amount": amount, "currency": "EUR"}
    assert likely.payment(told) == Payment(status=PaymentStatus.PAID, amount=read_as, currency="EUR")


def test_an_unknown_payment_is_none() -> None:
    assert likely.payment({"status": "haggling"}) == Payment(status=PaymentStatus.UNKNOWN)
    assert likely.payment(None) is None
    assert likely.payment([]) is None


@given(JSON)
def test_nothing_that_is_told_raises(told: Any) -> None:
    warnings: list[str] = []
    likely.by(told)
    likely.reason(told)
    likely.payment(told)
    likely.previous(told, "b-1", warnings.append)
    likely.respondent(told, warnings.append)
    likely.answers(told, warnings.append)

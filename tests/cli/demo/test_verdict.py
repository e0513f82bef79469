"""The verdict finds everything that may go wrong, and nothing in a play that went right."""

from typing import Any

import pytest
from msgspec.structs import replace

from gateway.cli.demo.consumer import Got
from gateway.cli.demo.play import Outcome, Said
from gateway.cli.demo.verdict import wrongs

SIGNED, UNSIGNED = "con_signed", "con_unsigned"


def said(provider: str, title: str, kind: Any, type_: str | None, answer: dict[str, Any]) -> Said:
    status = 401 if kind == "forged" else 200
    vendor = provider.title()
    return Said(
        provider=provider, vendor=vendor, title=title, word="w", kind=kind, type=type_, status=status, answer=answer
    )


def accepted(receipt: str, event: str, status: str = "accepted") -> dict[str, Any]:
    return {"status": status, "receipt": receipt, "events": [event]}


def got(event: str, type_: str, connection: str, key: str | None, proof: str) -> Got:
    origin = {"connection": connection, "verification": proof, "provider": connection}
    return Got(webhook_id=event, signed=True, event={"id": event, "type": type_, "origin": origin, "key": key})


RIGHT = Outcome(
    connections={SIGNED: ("a", True), UNSIGNED: ("b", False)},
    said=[
        said("a", "booked", "sent", "booking.scheduled", accepted("r1", "e1")),
        said("b", "talked", "sent", "conversation.activity", accepted("r2", "e2")),
        said("a", "cancelled", "forged", "booking.cancelled", {"status": 401, "title": "Unauthorized"}),
        said("a", "cancelled", "sent", "booking.cancelled", accepted("r3", "e3")),
        said("b", "shared", "sent", "provider.event", accepted("r4", "e4")),
        said("b", "shared", "repeated", "provider.event", accepted("r4", "e4", "duplicate")),
        said("b", "broke", "sent", None, {"status": "quarantined", "receipt": "r5", "reason": "$.x"}),
    ],
    got=[
        got("e1", "booking.scheduled", SIGNED, "k", "signature"),
        got("e4", "provider.event", UNSIGNED, None, "token"),
        got("e2", "conversation.activity", UNSIGNED, None, "token"),
        got("e3", "booking.cancelled", SIGNED, "k", "signature"),
    ],
    quarantined=["r5"],
    logged=["e1", "e2", "e3", "e4"],
    planned=4,
)


def spoiled(position: int, **changes: Any) -> Outcome:
    """Change one thing that was said."""
    said = list(RIGHT.said)
    said[position] = replace(said[position], **changes)
    return replace(RIGHT, said=said)


def received(*events: Got) -> Outcome:
    return replace(RIGHT, got=list(events))


def changed(position: int, **changes: Any) -> Got:
    one = RIGHT.got[position]
    return replace(one, event=one.event | changes)


def test_what_is_right_is_right() -> None:
    assert wrongs(RIGHT) == []


def test_events_without_a_booking_have_no_order() -> None:
    assert wrongs(received(RIGHT.got[2], RIGHT.got[1], RIGHT.got[0], RIGHT.got[3])) == []


E1, E4, E2, E3 = RIGHT.got
STRAY = got("e9", "booking.cancelled", SIGNED, "k", "signature")
BY_TOKEN = E1.event["origin"] | {"verification": "token"}
WRONG = {
    "a call was refused": (spoiled(0, status=503), "A, sent, 'booked': answered 503 accepted, not 200 accepted"),
    "nobody was called": (spoiled(0, status=0, answer={}), "answered 0, not 200 accepted"),
    "a forged call was accepted": (spoiled(2, status=200), "A, forged, 'cancelled': answered 200, not 401"),
    "nothing was forged": (replace(RIGHT, said=[*RIGHT.said[:2], *RIGHT.said[3:]]), "no call was forged"),
    "a repeated call has a new receipt": (
        spoiled(5, answer=accepted("r9", "e4", "duplicate")),
        "B, repeated, 'shared': is not filed under the first call's receipt",
    ),
    "a broken body was understood": (spoiled(6, answer=accepted("r5", "e5")), "answered 200 accepted, not 200 quar"),
    "an event is missing": (received(E1, E4, E2), "e3: was accepted once and arrived 0 times"),
    "an event came twice": (received(E1, E4, E2, E3, E3), "e3: was accepted once and arrived 2 times"),
    "an event came from nowhere": (received(E1, E4, E2, E3, STRAY), "e9: arrived and was never accepted"),
    "a signature is wrong": (received(replace(E1, signed=False), E4, E2, E3), "e1: the signature is wrong"),
    "an id is not the event's": (received(replace(E1, webhook_id="e7"), E4, E2, E3), "e7: is not the event's id"),
    "the order is wrong": (received(E3, E4, E2, E1), "a: the consumer got booking.cancelled, booking.scheduled, not"),
    "a type is wrong": (received(changed(0, type="booking.x"), E4, E2, E3), "a: the consumer got booking.x"),
    "nothing arrived": (received(), "a: the consumer got nothing, not booking.scheduled, booking.cancelled"),
    "a proof is wrong": (received(changed(0, origin=BY_TOKEN), E4, E2, E3), "a: an event does not say"),
    "an origin is missing": (received(changed(0, origin=None), E4, E2, E3), "a: the consumer got booking.cancelled,"),
    "a booking has two keys": (received(changed(0, key="other"), E4, E2, E3), "several keys"),
    "the log has more": (replace(RIGHT, logged=["e1", "e2", "e3", "e4", "e9"]), "the log has 5 events, 4 were"),
    "a delivery more is planned": (replace(RIGHT, planned=5), "5 deliveries were planned for 4 events"),
    "quarantine is empty": (replace(RIGHT, quarantined=[]), "0 receipts are in quarantine, 1 bodies were broken"),
    "quarantine has another": (replace(RIGHT, quarantined=["r5", "r1"]), "2 receipts are in quarantine"),
}


@pytest.mark.parametrize(("outcome", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said(outcome: Outcome, message: str) -> None:
    assert any(message in wrong for wrong in wrongs(outcome)), wrongs(outcome)

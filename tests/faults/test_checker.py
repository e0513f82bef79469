"""The judge finds every kind of fault, and none in a story without one."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.faults.checker import Answers, Story, judge
from tests.faults.consumer import Got
from tests.faults.provider import Call

pytestmark = pytest.mark.faults
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PATH, DESTINATION = "/0", "dst_0"


def event(number: int, booking: str) -> dict[str, Any]:
    origin = {"provider": "p", "raw": {"sha256": f"sha-{number}"}}
    return {"id": f"evt_{number}", "key": f"p:{booking}", "origin": origin}


def call(number: int, booking: str) -> Call:
    return Call(booking, f"sha-{number}", 1, 200, {"status": "accepted", "receipt": "r", "events": [f"evt_{number}"]})


def got(fact: dict[str, Any], life: int = 0) -> Got:
    body = json.dumps(fact).encode()
    now = datetime.now(UTC)
    headers = {
        "webhook-id": fact["id"],
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign(fact["id"], now, body.decode()),
    }
    return Got(PATH, headers, body, life, 0)


def good() -> Story:
    """Three facts of one booking and one of another, kept and delivered."""
    facts = [event(1, "a"), event(2, "a"), event(3, "b"), event(4, "a")]
    deliveries = [{"event": fact["id"], "destination": DESTINATION, "status": "delivered"} for fact in facts]
    stats = {
        "receipts": {"understood": 4, "quarantined": 0},
        "events": 4,
        "deliveries": {DESTINATION: {"pending": 0, "delivered": 4}},
    }
    calls = [call(1, "a"), call(2, "a"), call(3, "b"), call(4, "a")]
    return Story(calls, [got(fact) for fact in facts], Answers(facts, deliveries, [], stats), {PATH: SECRET})


def not_in_the_log(story: Story) -> Story:
    return replace(story, answers=replace(story.answers, events=story.answers.events[:-1]))


def not_arrived(story: Story) -> Story:
    return replace(story, got=story.got[:-1])


def never_made(story: Story) -> Story:
    return replace(story, calls=story.calls[:-1])


def arrived_from_nowhere(story: Story) -> Story:
    return replace(story, got=[*story.got, got(event(9, "z"))])


def arrived_otherwise(story: Story) -> Story:
    return replace(story, got=[got({**event(1, "a"), "more": 1}), *story.got[1:]])


def arrived_twice(story: Story) -> Story:
    return replace(story, got=[story.got[0], *story.got])


def more_again_than_were_in_flight(story: Story) -> Story:
    facts = [event(number, f"b{number}") for number in range(17)]
    return replace(story, got=[*[got(fact, 0) for fact in facts], *[got(fact, 1) for fact in facts]])


def one_fact_twice(story: Story) -> Story:
    twin = {**event(1, "a"), "id": "evt_twin"}
    return replace(story, answers=replace(story.answers, events=[*story.answers.events, twin]))


def arrived_out_of_order(story: Story) -> Story:
    return replace(story, got=[story.got[1], story.got[0], *story.got[2:]])


def numbered_out_of_order(story: Story) -> Story:
    events = story.answers.events
    return replace(story, answers=replace(story.answers, events=[events[1], events[0], *events[2:]]))


def came_again_behind_a_later_one(story: Story) -> Story:
    return replace(story, got=[*story.got, replace(story.got[0], life=1)])


def badly_signed(story: Story) -> Story:
    story.got[0].headers["webhook-signature"] = "v1," + "A" * 43 + "="
    return story


def other_bytes(story: Story) -> Story:
    again = replace(story.got[3], life=1, body=story.got[3].body + b" ")
    return replace(story, got=[*story.got, again])


def miscounted(story: Story) -> Story:
    story.answers.stats["deliveries"][DESTINATION]["delivered"] = 3
    return story


def still_waiting(story: Story) -> Story:
    story.answers.stats["deliveries"][DESTINATION] |= {"pending": 1, "delivered": 3}
    return story


FAULTS: list[tuple[Callable[[Story], Story], str]] = [
    (not_in_the_log, "lost"),
    (not_arrived, "lost"),
    (never_made, "phantom"),
    (arrived_from_nowhere, "phantom"),
    (arrived_otherwise, "phantom"),
    (arrived_twice, "doubled"),
    (more_again_than_were_in_flight, "doubled"),
    (one_fact_twice, "doubled"),
    (arrived_out_of_order, "ordered"),
    (numbered_out_of_order, "ordered"),
    (came_again_behind_a_later_one, "ordered"),
    (badly_signed, "signed"),
    (other_bytes, "same_bytes"),
    (miscounted, "accounted"),
    (still_waiting, "accounted"),
]


def test_a_story_without_a_fault_is_good() -> None:
    verdict = judge(good())

    assert verdict.good, verdict


@pytest.mark.parametrize(("plant", "promise"), FAULTS, ids=[plant.__name__ for plant, _ in FAULTS])
def test_a_planted_fault_is_found(plant: Callable[[Story], Story], promise: str) -> None:
    assert judge(plant(good())).wrong[promise]

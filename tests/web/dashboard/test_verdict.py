"""The sentence at three in the morning: what is so, and what has to be done first."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.store.model import Counts, Destination
from gateway.store.overview import NextTry
from gateway.web.api.connections import ConnectionView
from gateway.web.dashboard.verdict import Sight, judge

NOW = 1_800_000_000_000
CRM = Destination(id="dst_1", name="The CRM", url="https://crm.example", created_at=NOW)


def connection(**changes: Any) -> ConnectionView:
    fields: dict[str, Any] = dict.fromkeys(ConnectionView.__struct_fields__)
    fields |= {"id": "con_1", "provider": "meetergo", "name": "Berlin", "status": "active", "silent": False}
    fields |= {"rejected": 0, "cannot_catch_up": "nobody can be asked"}
    return ConnectionView(**{**fields, **changes})


def sight(**changes: Any) -> Sight:
    fields: dict[str, Any] = {
        "now": NOW,
        "counts": counts(),
        "came": 0,
        "within": "hour",
        "next_try": {},
        "connections": [connection()],
        "destinations": [CRM],
        "troubles": {},
    }
    return Sight(**{**fields, **changes})


def counts(**changes: Any) -> Counts:
    none: dict[str, Any] = dict.fromkeys(("understood", "quarantined", "held", "discarded", "duplicates", "events"), 0)
    return Counts(**{**none, "deliveries": {}, **changes})


def test_when_nothing_is_wrong_it_says_so_and_how_much_came() -> None:
    verdict = judge(sight(came=3))
    assert (verdict.level, verdict.concerns) == ("good", ())
    assert verdict.sentence.startswith("Everything is flowing. 3 calls came within the last hour")
    assert "No call came" in judge(sight()).sentence


def test_what_is_not_set_up_is_no_trouble() -> None:
    assert judge(sight(connections=[], destinations=[])).level == "calm"
    assert judge(sight(destinations=[])).sentence == "Events are kept, but there is nowhere to send them."


@pytest.mark.parametrize(
    ("changes", "level", "said"),
    [
        ({"troubles": {"store": "the disk is nearly full"}}, "bad", "the disk is nearly full"),
        (
            {"connections": [connection(status="broken", problem="Key expired.")]},
            "bad",
            "Berlin is broken: Key expired.",
        ),
        ({"connections": [connection(status="needs_repair")]}, "bad", "Berlin needs repair."),
        ({"connections": [connection(silent=True)]}, "wait", "Berlin has been silent"),
        (
            {"connections": [connection(missed_since=datetime.now(UTC), cannot_catch_up=None)]},
            "wait",
            "events may be missing",
        ),
        ({"connections": [connection(rejected=4, last_rejected_at=datetime.now(UTC))]}, "wait", "calls are refused"),
        (
            {"destinations": [Destination(id="dst_1", name="The CRM", url="u", created_at=0, paused=True)]},
            "wait",
            "The CRM is paused (paused): nothing waits.",
        ),
        (
            {
                "destinations": [
                    Destination(id="dst_1", name="The CRM", url="u", created_at=0, failing_since=NOW - 3_600_000)
                ],
                "next_try": {"dst_1": NextTry(NOW + 240_000, 3, NOW, 503, "503 Service Unavailable")},
                "counts": counts(deliveries={("dst_1", "pending"): 52}),
            },
            "bad",
            "The CRM has taken nothing for 1 h (503 Service Unavailable): 52 wait, next try in 4 min.",
        ),
        (
            {"next_try": {"dst_1": NextTry(NOW - 300_000, 0, NOW, None, None)}},
            "bad",
            "deliveries are due for 5 min and not tried",
        ),
        (
            {"counts": counts(deliveries={("dst_1", "dead"): 2})},
            "wait",
            "2 deliveries to The CRM are dead",
        ),
        ({"counts": counts(deliveries={("dst_1", "dead"): 1})}, "wait", "1 delivery to The CRM is dead"),
        ({"counts": counts(quarantined=1)}, "wait", "1 call was not understood"),
    ],
)
def test_one_thing_is_named_in_the_sentence(changes: Any, level: str, said: str) -> None:
    verdict = judge(sight(**changes))
    assert verdict.level == level
    assert said in verdict.sentence
    assert len(verdict.concerns) == 1
    assert verdict.concerns[0].page.startswith("/")
    assert verdict.others == (), "it is not told twice"


def test_the_worst_stands_first_and_many_are_counted() -> None:
    verdict = judge(sight(connections=[connection(silent=True), connection(status="broken")], troubles={"store": "x"}))
    assert verdict.sentence == "Not everything is flowing. 2 things to deal with."
    assert [each.level for each in verdict.concerns] == ["bad", "bad", "wait"]
    assert verdict.others == verdict.concerns


def failing(*, dead: int, waits: bool) -> Sight:
    crm = Destination(id="dst_1", name="The CRM", url="u", created_at=0, failing_since=NOW - 60_000)
    next_try = {"dst_1": NextTry(NOW - 5, 3, NOW, 503, "503 Service Unavailable")} if waits else {}
    return sight(
        destinations=[crm],
        next_try=next_try,
        counts=counts(deliveries={("dst_1", "pending"): int(waits), ("dst_1", "dead"): dead}),
    )


def test_a_destination_that_fails_is_one_thing_with_what_is_dead_of_it() -> None:
    (concern,) = judge(failing(dead=2, waits=True)).concerns
    assert concern.text == (
        "The CRM has taken nothing for 1 min (503 Service Unavailable): 1 waits, next try now. "
        "2 deliveries are dead: given up."
    )
    assert (concern.link, concern.page) == ("Look", "/destinations/dst_1")
    (concern,) = judge(failing(dead=1, waits=False)).concerns
    assert concern.text.endswith("nothing waits for it any more. 1 delivery is dead: given up.")
    assert (concern.link, concern.page) == ("Look and retry", "/deliveries?destination=dst_1")


def test_one_failed_try_of_a_destination_that_takes_others_is_no_concern() -> None:
    assert judge(sight(next_try={"dst_1": NextTry(NOW + 5_000, 1, NOW, 500, "answered 500")})).level == "good"


def test_a_refusal_of_yesterday_is_no_concern() -> None:
    assert (
        judge(sight(connections=[connection(rejected=4, last_rejected_at=datetime(2020, 1, 1, tzinfo=UTC))])).level
        == "good"
    )

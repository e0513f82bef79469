"""The same fact has the same id, and what names nothing of the fact is no part of it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.contract.provider import Account, Draft, Inbound, Receipt
from providers.harmonizely import Harmonizely

BODY = json.loads((Path(__file__).parent / "payloads" / "cancelled.json").read_text())
HOOK = BODY["uuid"]


def translated(body: dict[str, Any], *webhook_ids: str) -> Draft:
    provider = Harmonizely()
    inbound = Inbound("https://g.example.com/in/x", (), json.dumps(body).encode(), datetime(2026, 3, 1, tzinfo=UTC))
    account = Account("con_test", None, provider.settings(), frozenset(webhook_ids))
    (draft,) = provider.translate(Receipt(account, "signature", inbound))
    return draft


def changed(**changes: Any) -> dict[str, Any]:
    return {**BODY, "data": {**BODY["data"], **changes}}


def test_the_uuid_of_the_call_is_part_of_the_id() -> None:
    assert translated({**BODY, "uuid": "another"}).parts != translated(BODY).parts


def test_the_uuid_of_the_webhook_is_not_part_of_the_id() -> None:
    ours = translated(BODY, "retired", HOOK)
    assert ours.parts == translated({**BODY, "uuid": "retired"}, "retired", HOOK).parts
    assert ours.event_id == HOOK, "it is still told as they told it"


@pytest.mark.parametrize(
    "changes",
    [
        {"uuid": "another"},
        {"scheduled_at": "2026-03-09T09:00:01+00:00"},
        {"canceled_at": "2026-03-08T18:00:01+00:00"},
        {"canceled_at": None},
    ],
)
def test_what_makes_another_fact_makes_another_id(changes: dict[str, Any]) -> None:
    assert translated(changed(**changes)).parts != translated(BODY).parts


@pytest.mark.parametrize(
    "changes",
    [
        {"scheduled_at": "2026-03-09T10:00:00+01:00"},
        {"canceled_at": "2026-03-08T18:00:00.000000Z"},
        {"notes": "other notes"},
        {"invitee": None},
        {"pretty_canceled_at": "some time ago"},
    ],
)
def test_the_same_fact_told_otherwise_has_the_same_id(changes: dict[str, Any]) -> None:
    assert translated(changed(**changes)).parts == translated(BODY).parts


def test_another_event_word_is_another_fact() -> None:
    assert translated({**BODY, "event": "meetingRescheduled"}).parts != translated(BODY).parts


def test_unknown_words_are_told_apart_by_their_content() -> None:
    one, same = ({**changed(), "event": "meetingNoted"} for _ in range(2))
    other = {**changed(notes="something else"), "event": "meetingNoted"}
    assert translated(one).parts == translated(dict(reversed(same.items()))).parts
    assert translated(one).parts != translated(other).parts


@pytest.mark.parametrize("uuid", [None, 5, ["x"], "", {}])
def test_a_call_without_a_readable_uuid_of_its_own_has_an_id_all_the_same(uuid: object) -> None:
    assert translated({**BODY, "uuid": uuid}).parts[:2] == translated(BODY).parts[:2]

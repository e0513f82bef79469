"""Where Harmony says what is documented nowhere: what is found is passed on, what is not is said to be missing."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract.errors import NotUnderstood
from gateway.contract.events import Activity, Other
from gateway.contract.provider import Account, Draft, Inbound, Receipt, parsed
from providers.harmony import Harmony, SignatureSettings, wire

ACCOUNT = Account("con_test", None, SignatureSettings())


def inbound(body: object, **headers: str) -> Inbound:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    pairs = tuple((name.replace("_", "-"), value.encode()) for name, value in headers.items())
    return Inbound("https://gateway.example.com/in/x", pairs, raw, datetime(2026, 3, 1, tzinfo=UTC))


def draft(body: object, **headers: str) -> Draft:
    (only,) = Harmony().translate(Receipt(ACCOUNT, "token", inbound(body, **headers)))
    return only


def recognised(body: object, **headers: str) -> bool:
    call = inbound(body, **headers)
    return Harmony().recognises(call, parsed(call), ACCOUNT)


PLACES = [place for place in wire.NAMES if place != "event.type"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ["contact.created", "conversation.transcribed", "new_thing.done-so", "a.b.c.d"])
def test_a_name_is_found_in_each_place(place: str, name: str) -> None:
    body = {place: name, "data": {"id": "x-1"}}
    assert recognised(body)
    assert draft(body).word == name


@pytest.mark.parametrize("header", wire.NAME_HEADERS)
def test_a_name_is_found_in_each_known_header(header: str) -> None:
    headers = {header.replace("-", "_"): "contact.created"}
    assert recognised({"id": "x-1"}, **headers)
    assert draft({"id": "x-1"}, **headers).word == "contact.created"


def test_the_first_place_counts() -> None:
    body = {place: f"thing.in_{place.lower()}" for place in reversed(PLACES)}
    assert draft(body, x_harmony_event="thing.in_header").word == "thing.in_event"


@pytest.mark.parametrize("key", [*wire.OBJECTS, "conversation"])
def test_the_object_is_found_under_each_key(key: str) -> None:
    told = draft({"event": "conversation.updated", "id": "ev-1", key: {"id": "conv-1", "title": "Intro"}}).data
    assert isinstance(told, Activity)
    assert (told.conversation.id, told.conversation.title) == ("conv-1", "Intro")


def test_an_object_inside_the_object_is_the_one_the_name_speaks_of() -> None:
    told = draft(
        {"event": "insight.generated", "data": {"id": "x-1", "insight": {"id": "ins-1", "name": "Themes"}}}
    ).data
    assert isinstance(told, Other)
    assert told.subject is not None
    assert (told.subject.id, told.subject.name) == ("ins-1", "Themes")


@pytest.mark.parametrize("key", ["event_id", "eventId", "delivery_id", "deliveryId"])
@pytest.mark.parametrize("stated", ["e-1", 17])
def test_an_id_of_the_event_identifies_it_whatever_else_the_body_says(key: str, stated: str | int) -> None:
    first, again = (draft({"event": "contact.created", key: stated, "attempt": number}) for number in (1, 2))
    assert first.parts == again.parts == ("contact.created", str(stated))
    assert first.event_id == str(stated)
    assert "id_from_digest" not in first.warnings


def test_a_plain_id_may_be_the_entitys_and_identifies_no_event() -> None:
    first, second = (draft({"event": "contact.updated", "id": "contact-1", "phone": phone}) for phone in "12")
    assert first.parts != second.parts
    assert "id_from_digest" in first.warnings


@pytest.mark.parametrize("stated", ["2026-03-10T09:30:00", 1773135000, 1773135000000, "yesterday", {}])
def test_a_time_that_could_mean_several_things_is_not_guessed(stated: object) -> None:
    told = draft({"event": "contact.created", "timestamp": stated, "data": {"id": "x"}})
    assert told.at is None
    assert "event_time_not_stated" in told.warnings


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"id": "x", "name": "Bo Okafor"},
        {"event": "ping"},
        {"event": "meetingScheduled", "type": "contact.created", "data": {"uuid": "x"}},
        {"event": "booking_created", "name": "contact.created", "data": {"id": "x"}},
        {"webhookType": "booking_created", "type": "contact.created"},
        {"event": "https://example.com"},
        {"event": "contact. created"},
    ],
)
def test_a_call_without_a_name_of_theirs_is_not_theirs(body: object) -> None:
    assert not recognised(body)


def test_every_event_says_that_it_was_read_by_shape() -> None:
    for body in ({"event": "contact.created"}, {"type": "conversation.created"}, {}):
        assert "payload_undocumented" in draft(body).warnings
        assert draft(body).revision is None


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=6),
    max_leaves=25,
)
CONVERSATION = (*wire.PARTICIPANTS, *wire.STARTED, *wire.TITLE)
NAMED = st.fixed_dictionaries(
    {"event": st.sampled_from(["conversation.created", "contact.created", "x.y"]) | JSON},
    optional=dict.fromkeys((*wire.OBJECTS, *wire.EVENT_IDS, *wire.TIMES, *CONVERSATION, "id"), JSON),
)


@given(NAMED | st.dictionaries(st.sampled_from([*wire.NAMES, *wire.OBJECTS, "id"]), JSON))
def test_every_object_becomes_an_event_that_can_be_written(body: dict[str, Any]) -> None:
    assert msgspec.json.encode(draft(body))


@given(st.binary(max_size=60) | JSON.filter(lambda value: not isinstance(value, dict)).map(msgspec.json.encode))
def test_what_is_no_object_is_not_understood(body: bytes) -> None:
    if not isinstance(parsed(inbound(body)), dict):
        with pytest.raises(NotUnderstood):
            draft(body)


@pytest.mark.parametrize("word", ["booking.created", "appointment.cancelled", "Invitee.created", "event.scheduled"])
def test_a_schedulers_words_are_not_claimed(word: str) -> None:
    """Harmony has no bookings: on the shared URL such a call is somebody else's, or nobody's."""
    assert not recognised({"event": word, "data": {"id": "1"}})
    assert draft({"event": word, "data": {"id": "1"}}).word == word, "on an URL of its own it still is Harmony's"

"""What may be about a person is hidden, and the shape stays."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract.provider import Inbound
from gateway.web.dashboard import veil

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def call(body: bytes, content_type: bytes = b"application/json") -> Inbound:
    headers = (("content-type", content_type), ("authorization", b"Bearer x"), ("x-name", b"Ada"))
    return Inbound("https://gateway.example/in/x", headers, body, datetime.now(UTC))


def shown(value: Any, *known: str) -> Any:
    return json.loads(veil.call(call(json.dumps(value).encode()), known))


def test_times_switches_small_numbers_and_known_words_are_shown() -> None:
    said = {"a": "2026-03-01T09:30:00+01:00", "b": True, "c": 30, "d": None, "e": "booking_created", "f": "", "g": []}
    assert shown(said, "booking_created") == said


@pytest.mark.parametrize(
    "value", ["Ada Lindqvist", "ada@example.com", "+49 30 1234567", 49301234567, 1e9, "Ada 2026-03-01", "x" * 300]
)
def test_everything_else_is_hidden(value: Any) -> None:
    assert shown({"a": [{"b": value}]}) == {"a": [{"b": veil.HIDDEN}]}


def test_a_key_that_is_no_name_of_a_field_is_hidden_too() -> None:
    assert shown({"ada@example.com": 1, "Your name?": "Ada"}) == {veil.HIDDEN: veil.HIDDEN}


@pytest.mark.parametrize("body", [b"Ada Lindqvist", b"\xff\xfe", b"", b"[" * 5000])
def test_what_has_no_shape_is_hidden_whole(body: bytes) -> None:
    assert veil.call(call(body)) == veil.HIDDEN


def test_a_form_is_read_as_its_fields() -> None:
    body = call(b"event=made&name=Ada+Lindqvist", b"application/x-www-form-urlencoded")
    assert json.loads(veil.call(body, ["made"])) == {"event": "made", "name": veil.HIDDEN}


def test_headers_that_may_prove_or_name_somebody_are_hidden() -> None:
    assert veil.headers(call(b"")) == [
        ("content-type", "application/json"),
        ("authorization", veil.HIDDEN),
        ("x-name", veil.HIDDEN),
    ]


def test_an_event_is_hidden_where_its_type_says_so_and_null_stays_null() -> None:
    person = {"name": "Ada", "email": None, "timezone": "Europe/Berlin"}
    event = {"type": "booking.scheduled", "data": {"booking": {"id": "b", "attendees": [person], "notes": None}}}
    assert veil.event(msgspec.json.encode(event)) == {
        "type": "booking.scheduled",
        "data": {
            "booking": {
                "id": "b",
                "attendees": [{"name": veil.HIDDEN, "email": None, "timezone": "Europe/Berlin"}],
                "notes": None,
            }
        },
    }


@given(VALUES)
def test_no_text_of_a_call_gets_through_unless_it_is_known_or_harmless(value: Any) -> None:
    marked = _marked(value)
    assert "Lindqvist" not in veil.call(call(json.dumps(marked).encode()))


def _marked(value: Any) -> Any:
    """Put a name into every text and every key."""
    if isinstance(value, dict):
        return {f"{key} Lindqvist": _marked(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_marked(part) for part in value]
    return f"{value} Lindqvist" if isinstance(value, str) else value

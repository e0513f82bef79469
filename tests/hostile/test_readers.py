"""Whatever reads what strangers write says what it is or that it is not understood; nothing else ever comes out."""

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.contract.errors import NotUnderstood
from gateway.contract.events import UnknownEvent, decode_event
from gateway.contract.provider import Inbound, parsed
from gateway.contract.reading import form, instant
from gateway.contract.signatures import Hmac, verify
from gateway.pipeline.normalize import Arrived, rows
from gateway.pipeline.receive import Refused, claim, receive
from tests.hostile.standing import EXAMPLES
from tests.hostile.test_heavy import AT, PROVIDERS, inbox_of

PAYLOADS = Path(__file__).parent.parent / "providers"
ODD: st.SearchStrategy[Any] = st.sampled_from(
    ["", " ", "\x00", "\u202e", "é" * 70, "9" * 30, "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "https://",
     "https://[", "tel:", "https://a@b@c/", None, True, 0, -1, 2**63, -(2**63) - 1, 10**30, 1e308, [], {}, [[]], [{}],
     [None], {"": None}, {"id": {}}, [1] * 50, "-0", "NaN", "../..", "\ud83d\ude00"]
)  # fmt: skip
JSON = st.recursive(
    ODD | st.text(max_size=20) | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FIELDS = st.lists(
    st.tuples(
        st.sampled_from(["webhook-signature", "x-signature", "content-type", "x-event-type"]), st.binary(max_size=90)
    ),
    max_size=4,
)


@cache
def golden(provider: str) -> list[Any]:
    """Read the payloads that the plugin's own tests hold."""
    return [json.loads(file.read_text()) for file in sorted((PAYLOADS / provider / "payloads").glob("*.json"))]


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List the paths to everything in a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, item in inside for place in places(item, (*at, key)))]


def changed(value: Any, at: tuple[Any, ...], to: Any) -> Any:
    """Copy a value with something else in one place."""
    if not at:
        return to
    key, *rest = at
    if isinstance(value, dict):
        return {k: changed(v, tuple(rest), to) if k == key else v for k, v in value.items()}
    return [changed(v, tuple(rest), to) if k == key else v for k, v in enumerate(value)]


def read(provider: str, body: bytes, fields: tuple[tuple[str, bytes], ...] = ()) -> None:
    """Take a call as the gateway would, and see that an event came of it or a reason why not."""
    pinned = inbox_of(provider)
    inbound = Inbound(pinned.url, fields, body, AT)
    shared = replace(pinned, pinned=False)
    assert receive(inbound, shared) is not None
    call = claim(inbound, pinned)
    assert not isinstance(call, Refused)
    ((receipt, events),) = rows([Arrived(call, pinned)])
    assert receipt.reason is None or receipt.reason.startswith("not_understood: "), receipt.reason
    assert (receipt.reason is None) == bool(events)
    for event in events:
        assert not isinstance(decode_event(event.body), UnknownEvent)


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
@settings(max_examples=10 * EXAMPLES)
@given(data=st.data())
def test_a_call_with_anything_in_any_place_is_read_or_not_understood(provider: str, data: st.DataObject) -> None:
    value = data.draw(st.sampled_from(golden(provider)))
    for _ in range(data.draw(st.integers(1, 3))):
        value = changed(value, data.draw(st.sampled_from(places(value))), data.draw(JSON))
    read(provider, json.dumps(value).encode())


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
@given(body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()), fields=FIELDS)
def test_any_bytes_under_any_fields_are_read_or_not_understood(
    provider: str, body: bytes, fields: list[tuple[str, bytes]]
) -> None:
    read(provider, body, tuple(fields))


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
@given(data=st.data())
def test_a_call_with_a_few_bytes_wrong_is_read_or_not_understood(provider: str, data: st.DataObject) -> None:
    body = bytearray(json.dumps(data.draw(st.sampled_from(golden(provider)))).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    read(provider, bytes(body))


SCHEMES = [
    Hmac(header="s", encoding="base64"),
    Hmac(header="s", encoding="hex", prefix="sha256="),
    Hmac(header="s", encoding="hex", fields=("t", "v1"), signed="{t}.{body}", tolerance=300),
    Hmac(header="s", encoding="hex", signed="{url}{body}", key="hex"),
    Hmac(header="s", encoding="base64", key="base64"),
]


@given(
    scheme=st.sampled_from(SCHEMES),
    secrets=st.lists(st.text(max_size=20), max_size=3),
    values=st.lists(st.binary(max_size=120) | st.from_regex(rb"(t=\d{0,20},?|v1=[0-9a-f]{0,64},?){0,5}"), max_size=3),
    body=st.binary(max_size=50),
)
def test_no_signature_that_was_not_made_with_the_secret_proves_anything(
    scheme: Hmac, secrets: list[str], values: list[bytes], body: bytes
) -> None:
    fields = tuple(("s", value) for value in values)
    assert verify(scheme, tuple(secrets), url="http://x", headers=fields, body=body, at=AT) is False


@given(
    text=st.text(max_size=40) | st.from_regex(r"\d{1,5}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{0,9})?)?([+-]\d\d:?\d\d|Z)?")
)
def test_a_time_is_an_instant_in_utc_or_none(text: str) -> None:
    try:
        at = instant(text)
    except NotUnderstood:
        return
    assert at.tzinfo is UTC
    assert datetime.min.replace(tzinfo=UTC) <= at <= datetime.max.replace(tzinfo=UTC)


@given(
    body=st.binary(max_size=100),
    kind=st.sampled_from([b"application/x-www-form-urlencoded", b"application/json", b"\xff"]),
)
def test_a_body_is_json_or_a_form_or_nothing(body: bytes, kind: bytes) -> None:
    parsed(Inbound("http://x", (("content-type", kind),), body, AT))
    try:
        assert all(isinstance(value, str) for value in form(body).values())
    except NotUnderstood:
        return

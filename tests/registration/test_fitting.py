"""What a call looks like without a value of it, and which part of a signature scheme does not fit it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.contract.provider import Inbound
from gateway.contract.signatures import Hmac, sign
from gateway.registration.fitting import MOST_PATHS, Part, body_parts, header_parts, misfit, value_shape

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
URL = "https://gateway.example/in/x"
SECRET = "00112233445566778899aabbccddeeff"
BODY = b'{"event":"contact.created","data":{"email":"ada@example.com"}}'
PLAIN = Hmac(header="x-sig", encoding="hex")
TIMED = Hmac(header="x-sig", encoding="hex", fields=("t", "v1"), signed="{t}.{body}", tolerance=300)
FIELDS = "t= a number of 10 digits, v1= 64 hex characters"


def call(*headers: tuple[str, str], body: bytes = BODY) -> Inbound:
    return Inbound(URL, tuple((name, value.encode("latin-1")) for name, value in headers), body, AT)


def signed(scheme: Hmac, secret: str = SECRET, ago: int = 0) -> Inbound:
    """Make the call that a vendor with this scheme makes."""
    return call(sign(scheme, secret, url=URL, body=BODY, at=AT - timedelta(seconds=ago)))


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("ab" * 32, "64 hex characters"),
        ("AB" * 32, "64 hex characters"),
        ("sha256=" + "ab" * 32, "sha256= and 64 hex characters"),
        ("v1," + "Ab+/" * 11, "v1, and 44 base64 characters"),
        ("Ab+/" * 10 + "Ab1=", "44 base64 characters"),
        ("t=1772357400,v1=" + "ab" * 32, "t= a number of 10 digits, v1= 64 hex characters"),
        ("1772357400", "a number of 10 digits"),
        ("application/json", "text of 16 characters"),
        ("ada@example.com", "text of 15 characters"),
        ("", "empty"),
    ],
)
def test_a_headers_value_is_described_and_not_shown(value: str, shape: str) -> None:
    assert value_shape(value) == shape


def test_a_body_is_described_by_its_places_and_their_kinds() -> None:
    body = {
        "event": "contact.created",
        "n": 1,
        "ok": True,
        "none": None,
        "empty": [],
        "data": {"contacts": [{"email": "ada@example.com"}, {"email": None, "age": 3}]},
        "ada@example.com": {"12345678-1234": "x"},
    }
    assert body_parts(call(body=msgspec.json.encode(body))) == (
        Part("event", "text"),
        Part("n", "number"),
        Part("ok", "true or false"),
        Part("none", "null"),
        Part("empty", "list"),
        Part("data.contacts[].email", "text or null"),
        Part("data.contacts[].age", "number"),
        Part("*.*", "text"),
    )
    form = call(("content-type", "application/x-www-form-urlencoded"), body=b"action=changed&id=7")
    assert body_parts(form) == (Part("action", "text"), Part("id", "text"))
    assert body_parts(call(body=b"<html>")) == (Part("$", "null"),)


def test_a_huge_body_is_described_in_part() -> None:
    body = msgspec.json.encode(
        {f"k{'abcdefgh'[n % 8]}{'x' * (n // 8)}": n for n in range(150)} | {"d": [[[[[]]]]] * 500}
    )
    assert len(body_parts(call(body=body))) <= MOST_PATHS
    deep: Any = "x"
    for _ in range(300):
        deep = [deep]
    assert body_parts(call(body=msgspec.json.encode(deep)))[0].shape == "list"


KEYS = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)
VALUES = st.recursive(st.text(min_size=8), lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=10)


@given(
    st.dictionaries(KEYS, VALUES, min_size=1),
    st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=12),
)
def test_no_value_comes_out(body: dict[str, Any], header: str) -> None:
    """A secret in a header, a name in a body: only their places are told."""
    inbound = call(("x-some", header), body=msgspec.json.encode(body))
    written = msgspec.json.encode([header_parts(inbound), [part.shape for part in body_parts(inbound)]]).decode()
    assert header not in written
    for part in body_parts(inbound):
        assert set(part.shape.split(" or ")) <= {"text", "list", "object", "true", "false"}


# --- whether a scheme fits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "scheme",
    [PLAIN, TIMED, replace(PLAIN, prefix="sha256="), replace(PLAIN, encoding="base64"), replace(PLAIN, key="hex")],
)
def test_a_scheme_that_fits_has_no_misfit(scheme: Hmac) -> None:
    assert misfit(scheme, (SECRET,), signed(scheme)) is None
    assert misfit(scheme, ("another", SECRET), signed(scheme)) is None


@pytest.mark.parametrize(
    ("said", "done", "words"),
    [
        (
            replace(PLAIN, header="x-other"), PLAIN,
            "header: the call has no `x-other`; `x-sig` (64 hex characters) may be it",
        ),
        (replace(PLAIN, encoding="base64"), PLAIN, "encoding: `x-sig` holds 64 hex characters, not base64"),
        (PLAIN, replace(PLAIN, encoding="base64"), "encoding: `x-sig` holds 44 base64 characters, not hex"),
        (PLAIN, replace(PLAIN, prefix="sha256="), "prefix: `x-sig` holds sha256= and 64 hex characters"),
        (replace(PLAIN, prefix="sha256="), PLAIN, "prefix: `x-sig` does not begin with it: it holds 64 hex characters"),
        (PLAIN, replace(PLAIN, key="hex"), "key: it fits with `key=hex`"),
        (replace(PLAIN, key="hex"), PLAIN, "key: it fits with `key=text`"),
        (PLAIN, replace(PLAIN, signed="{url}{body}"), "signed: it fits with `signed={url}{body}`"),
        (TIMED, replace(TIMED, signed="{t}:{body}"), "signed: it fits with `signed={t}:{body}`"),
        (
            TIMED, replace(TIMED, signed="{t}{body}", key="hex"),
            "key and signed: it fits with `key=hex` and `signed={t}{body}`",
        ),
        (replace(TIMED, fields=("t", "v0")), TIMED, f"fields: `x-sig` holds {FIELDS}, and no `v0=`"),
    ],
)  # fmt: skip
def test_the_part_that_does_not_fit_is_named(said: Hmac, done: Hmac, words: str) -> None:
    assert misfit(said, (SECRET,), signed(done)) == words


def test_another_secret_is_named_last() -> None:
    assert (misfit(PLAIN, ("another secret",), signed(PLAIN)) or "").startswith("signing_secret, signed or key")


def test_a_signed_time_that_is_too_old_is_named() -> None:
    assert (misfit(TIMED, (SECRET,), signed(TIMED, ago=301)) or "").startswith("tolerance: ")


def test_a_header_that_is_absent_or_stands_there_twice_is_named() -> None:
    assert misfit(PLAIN, (SECRET,), call(("content-type", "text/plain"))) == "header: the call has no `x-sig`"
    assert misfit(PLAIN, (SECRET,), call(("x-sig", "a"), ("x-sig", "b"))) == "header: `x-sig` stands there 2 times"

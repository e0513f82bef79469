"""Signatures are checked over the raw bytes, in constant time, and never by raising."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract.signatures import Hmac, sign, usable, verify

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
URL = "https://gateway.example.com/in/token"
SIGNED = Path(__file__).parent.parent / "providers" / "harmonizely" / "signed"
HARMONIZELY = Hmac(header="webhook-signature", encoding="base64")
SCHEMES = (
    HARMONIZELY,
    Hmac(header="h", encoding="hex"),
    Hmac(header="h", encoding="hex", prefix="sha256="),
    Hmac(header="h", encoding="base64", signed="{url}{body}"),
    Hmac(header="h", encoding="hex", fields=("t", "v1"), signed="{t}.{body}", tolerance=300),
    Hmac(header="h", encoding="hex", key="hex"),
    Hmac(header="h", encoding="base64", key="base64"),
)
SECRETS = st.text(max_size=40) | st.sampled_from(["", "a", "00ff", "AP8=", "ключ", "\ud800"])
VALUES = st.binary(max_size=80) | st.sampled_from([b"", b"t=,v1=", b"t=1,t=2,v1=a", b"t=" + b"9" * 30 + b",v1=a", b"="])
HEADERS = st.lists(st.tuples(st.sampled_from(["h", "webhook-signature"]), VALUES), max_size=3)


@pytest.mark.parametrize(
    ("file", "value"),
    [
        ("meetingScheduled.compact.json", "IhOJ4b59lOI8mPebMumWEXho0kP4kBMAG51osqfv+p4="),
        ("meetingScheduled.as_documented.json", "wjekcn3n8TsF75GU21rCm7CVvzfWPiCOtnRMod6sOy0="),
    ],
)
def test_documented_calls_are_accepted(file: str, value: str) -> None:
    body = (SIGNED / file).read_bytes()
    assert sign(HARMONIZELY, "something", url=URL, body=body, at=AT) == ("webhook-signature", value)
    assert verify(
        HARMONIZELY, ["something"], url=URL, headers=[("webhook-signature", value.encode())], body=body, at=AT
    )


def test_the_same_value_in_other_bytes_has_another_signature() -> None:
    bodies = [
        (SIGNED / file).read_bytes()
        for file in ("meetingScheduled.compact.json", "meetingScheduled.as_documented.json")
    ]
    name, value = sign(HARMONIZELY, "something", url=URL, body=bodies[0], at=AT)
    assert not verify(HARMONIZELY, ["something"], url=URL, headers=[(name, value.encode())], body=bodies[1], at=AT)


def test_the_digest_is_the_one_of_rfc_4231() -> None:
    scheme = Hmac(header="h", encoding="hex")
    _, value = sign(scheme, "Jefe", url=URL, body=b"what do ya want for nothing?", at=AT)
    assert value == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


@given(st.sampled_from(SCHEMES), st.lists(SECRETS, max_size=3), HEADERS, st.binary(max_size=200))
def test_nothing_that_comes_makes_it_raise_or_accept(
    scheme: Hmac, secrets: list[str], headers: list[tuple[str, bytes]], body: bytes
) -> None:
    assert verify(scheme, secrets, url=URL, headers=headers, body=body, at=AT) is False


@given(st.sampled_from(SCHEMES), SECRETS, SECRETS, st.binary(max_size=200))
def test_a_call_is_accepted_with_its_secret_only(scheme: Hmac, secret: str, other: str, body: bytes) -> None:
    if not usable(scheme, secret):
        with pytest.raises(ValueError, match="secret"):
            sign(scheme, secret, url=URL, body=body, at=AT)
        return
    name, value = sign(scheme, secret, url=URL, body=body, at=AT)
    headers = [("host", b"x"), (name, value.encode())]
    assert verify(scheme, [other, secret], url=URL, headers=headers, body=body, at=AT), "one of several live secrets"
    assert not verify(scheme, [secret], url=URL, headers=headers, body=body + b"x", at=AT)
    assert not verify(scheme, [secret], url=URL, headers=[*headers, headers[1]], body=body, at=AT), "the header twice"


@pytest.mark.parametrize(("late", "fresh"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)])
def test_a_signed_time_must_be_near_ours(late: int, fresh: bool) -> None:
    scheme = SCHEMES[4]
    name, value = sign(scheme, "a-secret", url=URL, body=b"{}", at=AT)
    received = AT + timedelta(seconds=late)
    assert verify(scheme, ["a-secret"], url=URL, headers=[(name, value.encode())], body=b"{}", at=received) is fresh


def test_a_body_that_contains_a_placeholder_stays_what_it_is() -> None:
    scheme, body = SCHEMES[3], b'{"text":"{url}{body}{t}"}'
    name, value = sign(scheme, "a-secret", url=URL, body=body, at=AT)
    assert verify(scheme, ["a-secret"], url=URL, headers=[(name, value.encode())], body=body, at=AT)
    assert not verify(scheme, ["a-secret"], url=f"{URL}x", headers=[(name, value.encode())], body=body, at=AT)


@pytest.mark.parametrize(
    "wrong",
    [
        {"header": "X-Signature"},
        {"header": ""},
        {"signed": "{t}"},
        {"tolerance": 300},
        {"signed": "{t}.{body}"},
        {"signed": "{body}", "fields": ("t", "v1"), "tolerance": 300},
    ],
)
def test_a_scheme_that_proves_nothing_cannot_be_declared(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"header|signed|tolerance"):
        Hmac(**{"header": "h", "encoding": "hex", **wrong})  # type: ignore[arg-type]  # -- wrong on purpose

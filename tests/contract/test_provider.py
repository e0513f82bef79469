"""What the contract reads for every plugin: bodies, forms, headers, times, and the answers of providers' APIs."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from gateway.contract.errors import ApiRefused, ApiUnavailable, CredentialRefused, NotUnderstood, ProviderApiError
from gateway.contract.provider import Answer, Inbound, decode, form, instant, judge, parsed

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
FORM = (("content-type", b"application/x-www-form-urlencoded; charset=utf-8"),)


class Shape(Struct):
    word: str
    kind: int = 0


def inbound(body: bytes, *headers: tuple[str, bytes]) -> Inbound:
    return Inbound("https://gateway.example.com/in/token", headers, body, AT)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the body is not JSON"),
        (b'{"word":"\xff"}', "the body is not JSON"),
        (b"[" * 100_000, "the body is nested too deep"),
        (b'{"word":5}', "Expected `str`, got `int` - at `$.word`"),
        (b'{"word":"a","kind":"ada@example.com"}', "Expected `int`, got `str` - at `$.kind`"),
    ],
)
def test_what_cannot_be_read_is_not_understood_and_says_where(body: bytes, reason: str) -> None:
    with pytest.raises(NotUnderstood) as refusal:
        decode(body, object if reason.endswith("deep") else Shape)
    assert str(refusal.value) == reason


@given(st.binary())
def test_a_body_is_parsed_or_it_is_none(body: bytes) -> None:
    parsed(inbound(body))
    parsed(inbound(body, *FORM))


def test_a_form_is_read_as_its_fields() -> None:
    body = b"action=scheduled&id=7&note=&name=Ada+Ex%C3%A4mple&id=8"
    assert parsed(inbound(body, *FORM)) == {"action": "scheduled", "id": "8", "note": "", "name": "Ada Exämple"}


@pytest.mark.parametrize("body", [b"\xff", b"a", b"&".join([b"a=1"] * 1001)])
def test_what_is_no_form_is_not_understood(body: bytes) -> None:
    with pytest.raises(NotUnderstood):
        form(body)


def test_a_header_that_is_repeated_or_not_ascii_counts_as_missing() -> None:
    call = inbound(b"", ("one", b"1"), ("two", b"2"), ("two", b"2"), ("odd", b"\xff"))
    assert [call.header(name) for name in ("one", "two", "odd", "none")] == ["1", None, None, None]


@pytest.mark.parametrize(
    ("written", "hour"), [("2026-03-01T09:30:00Z", 9), ("2026-03-01T09:30:00+02:00", 7), ("2026-03-01 09:30-01", 10)]
)
def test_a_time_is_read_in_utc(written: str, hour: int) -> None:
    at = instant(written)
    assert (at.hour, at.tzinfo) == (hour, UTC)


@pytest.mark.parametrize(
    "written", ["", "soon", "2026-03-01T09:30:00", "2026-02-30T09:30:00Z", "0001-01-01T00:00+14:00"]
)
def test_a_time_is_never_guessed(written: str) -> None:
    with pytest.raises(NotUnderstood):
        instant(written)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        *((status, ApiRefused) for status in (302, 400, 404, 406, 422)),
        *((status, CredentialRefused) for status in (401, 403)),
        *((status, ApiUnavailable) for status in (429, 500, 503)),
    ],
)
def test_a_refusal_says_what_to_do_about_it(status: int, error: type[ProviderApiError]) -> None:
    with pytest.raises(error) as refusal:
        judge(status, "7", b'{"message": "No.", "errors": {"url": ["Not a URL.", "Too long."]}}')
    assert refusal.value.status == status
    assert refusal.value.words == "No.; url: Not a URL., Too long."
    assert refusal.value.retry_after == (7 if error is ApiUnavailable else None)


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"[]", b'{"message": null}', b"{" * 100_000])
def test_a_refusal_without_words_states_its_status(body: bytes) -> None:
    with pytest.raises(ApiRefused, match="HTTP 404"):
        judge(404, None, body)


def test_a_list_of_messages_is_one_text() -> None:
    with pytest.raises(ApiRefused, match="a; b"):
        judge(400, None, b'{"message": ["a", "b"]}')


def test_an_answer_that_cannot_be_read_is_an_outage() -> None:
    assert judge(201, None, b'{"word":"a"}').read(Shape) == Shape("a")
    with pytest.raises(ApiUnavailable):
        Answer(200, b"<html></html>").read(Shape)


def test_what_is_json_is_json_whatever_its_content_type_says() -> None:
    """A forger chooses the header: it must not hide whose body it is."""
    assert parsed(inbound(b'{"event": "made"}', *FORM)) == {"event": "made"}
    assert parsed(inbound(b"event=made", *FORM)) == {"event": "made"}
    assert parsed(inbound(b"event=made")) is None

"""What a provider's API answers is read, or is the error that says what to do about it."""

import pytest
from msgspec import Struct

from gateway.contract.errors import ApiRefused, ApiUnavailable, CredentialRefused, ProviderApiError
from gateway.contract.http import Answer, judge


class Shape(Struct):
    word: str


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

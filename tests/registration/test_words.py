"""What is wrong with a value is said in plain words, with the field's name, and never in msgspec's."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from gateway.registration.rules import ConnectRequest, Invalid


class Inner(Struct, forbid_unknown_fields=True):
    header: str = ""

    def __post_init__(self) -> None:
        if self.header != self.header.lower():
            raise ValueError("header: a lower-case header name")
        if not self.header.isascii():
            raise ValueError("hunter2: not one of the fields")


class Asked(Struct, forbid_unknown_fields=True):
    url: Annotated[str, Meta(min_length=1, max_length=9, pattern="^https?://")]
    name: str | None = None
    code: Annotated[str, Meta(pattern="^[A-Z]+$")] = "A"
    limit: Annotated[int, Meta(ge=1, le=500)] = 1
    rate: Annotated[float, Meta(gt=0)] | None = None
    step: Annotated[int, Meta(multiple_of=5)] = 5
    types: Annotated[tuple[Literal["a", "b"], ...], Meta(min_length=1, max_length=2)] = ("a",)
    on: bool = False
    since: Annotated[datetime, Meta(tz=True)] | None = None
    headers: dict[str, str] = {}
    inner: Inner | None = None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "url is missing"),
        (5, "the body must be an object"),
        ({"url": 5}, "url must be text"),
        ({"url": ""}, "url must not be empty"),
        ({"url": "http://example"}, "url must have at most 9 characters"),
        ({"url": "ftp://"}, "url must be an http or https URL"),
        ({"name": 5}, "name must be text or null"),
        ({"code": "hunter2"}, "code is not what is asked for here"),
        ({"limit": "many"}, "limit must be a whole number"),
        ({"limit": 0}, "limit must be at least 1"),
        ({"limit": 501}, "limit must be at most 500"),
        ({"rate": 0}, "rate must be more than 0"),
        ({"step": 3}, "step is not what is asked for here"),
        ({"types": "a"}, "types must be a list"),
        ({"types": []}, "types must not be empty"),
        ({"types": ["a", "a", "a"]}, "types must have at most 2 entries"),
        ({"types": ["hunter2"]}, "types[0] must be one of a, b"),
        ({"on": 1}, "on must be true or false"),
        ({"since": "yesterday"}, "since must be a time with its offset, such as 2026-03-01T09:30:00Z"),
        ({"since": "2026-03-01T09:30:00"}, "since must be a time with its offset, such as 2026-03-01T09:30:00Z"),
        ({"headers": {"x": 5}}, "headers[...] must be text"),
        ({"inner": {"heeder": ""}}, "there is no field `inner.heeder`; did you mean `header`?"),
        ({"inner": {"header": "X-Sign"}}, "inner.header: a lower-case header name"),
        ({"inner": {"header": "ä"}}, "inner is not what is asked for here"),
        ({"limitt": 5}, "there is no field `limitt`; did you mean `limit`?"),
        ({"colour": "red"}, "there is no field `colour`"),
    ],
)
def test_a_wrong_value_is_told_in_plain_words(given: Any, said: str) -> None:
    whole = {"url": "http://x", **given} if isinstance(given, dict) and given else given
    with pytest.raises(msgspec.ValidationError) as error:
        msgspec.json.decode(msgspec.json.encode(whole), type=Asked)
    refused = Invalid.of(error.value, Asked)
    assert str(refused) == said
    assert refused.field in said
    assert "hunter2" not in str(refused)


def test_what_holds_the_value_and_what_it_is_called_are_said() -> None:
    with pytest.raises(msgspec.ValidationError) as error:
        msgspec.convert({"url": "http://x", "limitt": "5"}, Asked)
    refused = Invalid.of(error.value, Asked, "settings", what="parameter")
    assert refused.field == "settings.limitt"
    assert str(refused) == "there is no parameter `settings.limitt`; did you mean `limit`?"


def test_the_words_of_a_real_request() -> None:
    with pytest.raises(msgspec.ValidationError) as error:
        msgspec.json.decode(b'{"provider": "acme", "credential": {}}', type=ConnectRequest)
    assert str(Invalid.of(error.value, ConnectRequest)) == "there is no field `credential`; did you mean `credentials`?"

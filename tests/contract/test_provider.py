"""What every plugin is given: a call with its headers, its body decoded once, and one module to import from."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract import http, provider, reading
from gateway.contract.provider import Inbound, parsed

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
FORM = (("content-type", b"application/x-www-form-urlencoded; charset=utf-8"),)


def inbound(body: bytes, *headers: tuple[str, bytes]) -> Inbound:
    return Inbound("https://gateway.example.com/in/token", headers, body, AT)


@given(st.binary())
def test_a_body_is_parsed_or_it_is_none(body: bytes) -> None:
    parsed(inbound(body))
    parsed(inbound(body, *FORM))


def test_a_form_is_read_as_its_fields() -> None:
    body = b"action=scheduled&id=7&note=&name=Ada+Ex%C3%A4mple&id=8"
    assert parsed(inbound(body, *FORM)) == {"action": "scheduled", "id": "8", "note": "", "name": "Ada Exämple"}


def test_a_header_that_is_repeated_or_not_ascii_counts_as_missing() -> None:
    call = inbound(b"", ("one", b"1"), ("two", b"2"), ("two", b"2"), ("odd", b"\xff"))
    assert [call.header(name) for name in ("one", "two", "odd", "none")] == ["1", None, None, None]


def test_what_is_json_is_json_whatever_its_content_type_says() -> None:
    """A forger chooses the header: it must not hide whose body it is."""
    assert parsed(inbound(b'{"event": "made"}', *FORM)) == {"event": "made"}
    assert parsed(inbound(b"event=made", *FORM)) == {"event": "made"}
    assert parsed(inbound(b"event=made")) is None


@pytest.mark.parametrize(
    ("module", "names"),
    [(http, ("Answer", "Http", "discard", "find", "judge")), (reading, ("decode", "form", "instant"))],
)
def test_what_a_plugin_needs_besides_can_be_imported_from_the_same_module(module: object, names: tuple[str]) -> None:
    for name in names:
        assert name in provider.__all__
        assert getattr(provider, name) is getattr(module, name)


def test_the_module_lists_all_that_it_has() -> None:
    own = {name for name, value in vars(provider).items() if getattr(value, "__module__", "") == provider.__name__}
    assert {name for name in own if not name.startswith("_")} <= set(provider.__all__)
    assert provider.__all__ == sorted(provider.__all__, key=lambda name: (name[0].islower(), name))

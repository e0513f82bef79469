"""Reading is tolerant where nothing hangs on it, strict about times and identities, and the same on every machine."""

import hashlib
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from gateway.contract import reading
from gateway.contract.errors import NotUnderstood
from gateway.contract.events import AnswerType
from gateway.contract.reading import (
    Instant,
    body_digest,
    decode,
    form,
    instant,
    kept,
    printable,
    read,
    stamp,
    text,
    utc,
    zone,
)
from gateway.contract.zones import ZONES

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


class Inner(Struct):
    word: str | None = None


class Outer(Struct):
    id: Annotated[str, Meta(min_length=1)]
    at: Instant | None = None
    number: int | None = None
    inner: Inner | None = None
    items: list[Inner] | None = None


class Shape(Struct):
    word: str
    kind: int = 0


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


@pytest.mark.parametrize("body", [b"\xff", b"a", b"&".join([b"a=1"] * 1001)])
def test_what_is_no_form_is_not_understood(body: bytes) -> None:
    with pytest.raises(NotUnderstood):
        form(body)


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
    ("body", "expected", "lost"),
    [
        (b'{"id":"1","number":5}', Outer("1", number=5), False),
        (b'{"id":"1","number":"5"}', Outer("1"), True),
        (b'{"id":"1","number":""}', Outer("1"), False),
        (b'{"id":"1","at":""}', Outer("1"), False),
        (b'{"id":"1","inner":[]}', Outer("1"), True),
        (b'{"id":"1","inner":{"word":7},"number":1}', Outer("1", number=1, inner=Inner()), True),
        (b'{"id":"1","items":[{"word":"a"},null,{"word":2}]}', Outer("1", items=[Inner("a"), Inner()]), True),
        (b'{"id":"1","items":{}}', Outer("1"), True),
    ],
)
def test_an_unfit_optional_value_is_dropped_with_a_warning(body: bytes, expected: Outer, lost: bool) -> None:
    assert read(body, Outer) == (expected, ("value_unreadable",) if lost else ())


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{}", "Object missing required field `id` - at `$.data`"),
        (b'{"id":5}', "Object missing required field `id` - at `$.data`"),
        (b'{"id":""}', "Object missing required field `id` - at `$.data`"),
        (b'{"id":"1","at":"2026-03-01T09:30:00"}', "not a time with an offset - at `$.data.at`"),
        (b'{"id":"1","at":"2026-02-30T09:30:00Z"}', "not a time with an offset - at `$.data.at`"),
        (b'{"id":"1","at":17}', "not a time with an offset - at `$.data.at`"),
        (b"[]", "Expected `object`, got `array` - at `$.data`"),
        (b"{", "the body is not JSON"),
        (b'{"id":"1","items":[' + b",".join([b"1"] * 30) + b"]}", "not of the documented shape - at `$.data`"),
    ],
)
def test_what_hangs_on_a_value_is_refused_with_its_path(body: bytes, reason: str) -> None:
    with pytest.raises(NotUnderstood) as refusal:
        read(body, Outer, "$.data")
    assert str(refusal.value) == reason


@given(st.binary() | JSON.map(msgspec.json.encode))
def test_reading_raises_nothing_else(body: bytes) -> None:
    with suppress(NotUnderstood):
        assert read(body, Outer)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=5))
def test_a_digest_is_of_the_value_and_not_of_its_bytes(value: dict[str, Any]) -> None:
    turned = dict(reversed(value.items()))
    encode = msgspec.json.encode
    assert body_digest(encode(value)) == body_digest(b" " + encode(turned))
    assert body_digest(encode({**value, "one more key": 1})) != body_digest(encode(value))


@given(JSON)
def test_a_digest_is_of_the_value_with_sorted_keys(value: Any) -> None:
    """Ids hang on it: it stays what it was when msgspec itself did the sorting."""
    as_it_was = hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()
    assert body_digest(msgspec.json.encode(value)) == as_it_was


def test_more_entries_than_a_call_has_are_not_understood() -> None:
    assert reading.bounded([None] * reading.MOST) == [None] * reading.MOST
    with pytest.raises(NotUnderstood, match="more than 5000 entries"):
        reading.bounded(dict.fromkeys(range(reading.MOST + 1)))


def test_what_may_not_pass_is_taken_out_at_any_depth() -> None:
    told = {"a": [{"secret": "x", "b": {"secret": {"c": 1}, "d": 2}}], "secret": None}
    assert kept(told, {"secret"}) == {"a": [{"b": {"d": 2}}]}
    assert told["secret"] is None, "the value itself is left as it was"


def test_what_is_nested_too_deep_is_not_understood() -> None:
    deep: Any = []
    for _ in range(reading.DEEPEST + 1):
        deep = [deep]
    with pytest.raises(NotUnderstood):
        kept(deep, frozenset())


@pytest.mark.parametrize("value", ["", " ", "\n", None, 5, True, [], {}])
def test_what_says_nothing_is_null(value: object) -> None:
    assert text(value) is None


@given(JSON)
def test_anything_can_be_shown(value: Any) -> None:
    shown = printable(value)
    assert shown is None or (shown.strip() == shown and not set(shown) & {"\x00", "\x1b", "\r", "\u202e", "\x9b"})


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[31mred\x1b[0m \u202eevil", "[31mred[0m evil"),
        ("10\u00a0000 \U0001f468\u200d\U0001f373", "10\u00a0000 \U0001f468\u200d\U0001f373"),
        (["a", "b"], "a, b"),
        (["a", 1], '["a",1]'),
        ({"a": None}, '{"a":null}'),
        (True, "true"),
        (1.5, "1.5"),
        ([], None),
    ],
)
def test_values_are_shown_as_people_write_them(value: object, shown: str | None) -> None:
    assert printable(value) == shown


def test_a_whole_name_goes_before_its_parts_and_is_never_split() -> None:
    assert reading.full_name("Ada M. Example", "Ada", "Example") == "Ada M. Example"
    assert reading.full_name(" ", "Ada", "Example") == "Ada Example"
    assert reading.full_name(None, None, "Example") == "Example"
    assert reading.full_name(None, "", None) is None


KINDS = {"checkbox": AnswerType.BOOLEAN, "text": AnswerType.TEXT}


@pytest.mark.parametrize(
    ("word", "value", "kind", "read_as"),
    [
        ("checkbox", 1, AnswerType.BOOLEAN, True),
        ("checkbox", 0, AnswerType.BOOLEAN, False),
        ("checkbox", False, AnswerType.BOOLEAN, False),
        ("checkbox", 2, AnswerType.OTHER, 2),
        ("checkbox", ["a"], AnswerType.OTHER, ["a"]),
        ("checkbox", None, AnswerType.OTHER, None),
        ("text", " ", AnswerType.TEXT, None),
        ("text", 7, AnswerType.TEXT, 7),
        ("canvas", "x", AnswerType.OTHER, "x"),
        (None, "x", AnswerType.OTHER, "x"),
    ],
)
def test_answers_are_read_by_the_table(word: object, value: object, kind: AnswerType, read_as: object) -> None:
    warnings: list[str] = []
    answer = reading.answer("Which?", word, value, KINDS, warnings.append)
    assert (answer.type, answer.value) == (kind, read_as)
    assert warnings == (["answer_type_unrecognised"] if kind is AnswerType.OTHER else [])


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001 -- bounds are given without a zone
def test_one_instant_is_one_stamp_whatever_its_offset(at: datetime, minutes: int) -> None:
    there = at.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=minutes)))
    assert stamp(there) == stamp(at.replace(tzinfo=UTC))


@pytest.mark.parametrize("written", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_utc_does_not_have_is_not_understood(written: str) -> None:
    with pytest.raises(NotUnderstood):
        utc(datetime.fromisoformat(written))


def test_an_end_is_computed_only_where_none_is_stated() -> None:
    start, warnings = datetime(2026, 3, 1, 9, tzinfo=UTC), list[str]()
    assert reading.ending(start, start, 30, warnings.append) == start
    assert reading.ending(None, start, 30, warnings.append) == start + timedelta(minutes=30)
    assert reading.ending(None, start, None, warnings.append) is None
    assert reading.ending(None, None, 30, warnings.append) is None
    assert warnings == ["end_derived", "end_not_stated", "end_not_stated"]
    with pytest.raises(NotUnderstood):
        reading.ending(None, datetime(9999, 12, 31, 23, 59, tzinfo=UTC), 30, warnings.append)


@pytest.mark.parametrize(("minutes", "written"), [(60, "+01:00"), (-210, "-03:30"), (0, None)])
def test_an_offset_is_told_as_it_was_written(minutes: int, written: str | None) -> None:
    zone_of = timezone(timedelta(minutes=minutes)) if minutes else UTC
    assert reading.offset(datetime(2026, 3, 1, tzinfo=zone_of)) == written


@pytest.mark.parametrize(
    ("name", "read_as"),
    [
        ("Europe/Warsaw", "Europe/Warsaw"),
        ("America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ("UTC", "UTC"),
        (" Europe/Warsaw ", "Europe/Warsaw"),
        ("", None),
        (None, None),
        (5, None),
    ],
)
def test_a_zone_is_an_iana_name(name: object, read_as: str | None) -> None:
    assert zone(name) == (read_as, None)


@pytest.mark.parametrize("name", ["Europe/Atlantis", "+02:00", "GMT+2 (Berlin)", "../etc/passwd", "europe/warsaw"])
def test_an_invented_zone_is_dropped_with_a_warning(name: str) -> None:
    assert zone(name) == (None, "timezone_unrecognised")


def test_the_list_of_zones_holds_names_of_every_area() -> None:
    assert len(ZONES) > 590
    assert {name.partition("/")[0] for name in ZONES} >= {"Africa", "America", "Asia", "Australia", "Europe", "Pacific"}
    assert not [name for name in ZONES if name.endswith(("/", ":"))]

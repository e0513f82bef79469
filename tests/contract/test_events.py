"""Identity, order and decoding of canonical events."""

import ast
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract import events
from gateway.contract.events import (
    EVENT_OF,
    EVENT_TYPES,
    WARNINGS,
    AnyEvent,
    BookingScheduled,
    BookingStatus,
    Data,
    UnknownEvent,
    decode_event,
    event_digest,
    event_id,
    sequence,
)
from tests.contract.samples import GOLDEN, envelope

PARTS = st.lists(st.none() | st.text(max_size=20), max_size=5)
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=OFFSETS)  # noqa: DTZ001 -- bounds are given without a zone
RANKS = st.integers(0, 9)


@given(PARTS, PARTS)
def test_identities_are_equal_only_for_equal_parts(one: list[str | None], other: list[str | None]) -> None:
    assert (event_digest(one) == event_digest(other)) == (one == other)


@given(st.lists(st.text(max_size=5), min_size=2, max_size=4))
def test_moving_text_from_one_part_to_the_next_makes_another_identity(parts: list[str]) -> None:
    moved = [parts[0] + parts[1], "", *parts[2:]]
    assert event_digest(moved) != event_digest(parts) or moved == parts


def test_no_value_is_another_identity_than_an_empty_one() -> None:
    assert len({event_digest(parts) for parts in ([], [None], [""], [None, None], ["-;"], ["\ud800"])}) == 6


@given(PARTS)
def test_an_id_is_written_in_a_fixed_alphabet_and_length(parts: list[str | None]) -> None:
    written = event_id(event_digest(parts))
    assert written.startswith("evt_")
    assert len(written) == 36
    assert set(written[4:]) <= set("abcdefghijklmnopqrstuvwxyz234567")


def test_identities_never_change() -> None:
    parts = ("1", "harmonizely", "con_1", "meetingScheduled", None, "2026-03-09T09:00:00Z")
    assert event_id(event_digest(parts)) == "evt_lzm3gxftdo4s5bvq3kx7ldpc2m5jqbs7"


@given(MOMENTS, RANKS, MOMENTS, RANKS)
def test_sequences_compare_as_text_as_their_times_do(one: datetime, rank: int, other: datetime, second: int) -> None:
    assert (sequence(one, rank) < sequence(other, second)) == ((one, rank) < (other, second))


@given(MOMENTS, RANKS)
def test_sequences_have_one_width_in_any_year(stamp: datetime, rank: int) -> None:
    assert len(sequence(stamp, rank)) == len("20260301T093000000000Z-02")


def test_a_sequence_is_written_in_utc() -> None:
    berlin = datetime(2026, 3, 1, 10, 30, tzinfo=timezone(timedelta(hours=1)))
    assert sequence(berlin, 2) == "20260301T093000000000Z-02"


def test_what_ends_a_booking_comes_last_among_equal_times() -> None:
    ranked = sorted((kind for kind in EVENT_TYPES.values() if kind.rank), key=lambda kind: kind.rank)
    assert str(ranked[0].__struct_config__.tag) == "booking.scheduled"
    assert EVENT_TYPES["booking.rescheduled"].rank < EVENT_TYPES["booking.cancelled"].rank
    assert str(ranked[-1].__struct_config__.tag) == "booking.erased"


@pytest.mark.parametrize("file", GOLDEN, ids=[file.parent.name + file.stem.partition("[")[2] for file in GOLDEN])
def test_an_event_reads_as_it_was_written(file: Path) -> None:
    for event in envelope(file):
        assert decode_event(msgspec.json.encode(event)) == event


def _sample() -> dict[str, object]:
    event = next(event for file in GOLDEN for event in envelope(file) if isinstance(event, BookingScheduled))
    sent: dict[str, object] = msgspec.json.decode(msgspec.json.encode(event))
    return sent


def test_an_unknown_type_keeps_its_bytes() -> None:
    body = msgspec.json.encode(_sample() | {"type": "booking.evaporated"})
    event = decode_event(body)
    assert isinstance(event, UnknownEvent)
    assert (event.type, event.raw) == ("booking.evaporated", body)


def test_a_key_of_a_later_version_is_no_error() -> None:
    assert decode_event(msgspec.json.encode(_sample() | {"mood": "good"})) == decode_event(
        msgspec.json.encode(_sample())
    )


@given(st.text())
def test_an_unknown_word_reads_as_the_catch_all(word: str) -> None:
    for name in ("BookingStatus", "LocationKind", "CancelScope", "Actor", "Identity", "PaymentStatus", "Basis"):
        words = getattr(events, name)
        read = msgspec.json.decode(msgspec.json.encode(word), type=words)
        assert read == (words(word) if word in set(words) else list(words)[-1])
        assert list(words)[-1] in {"unknown", "other"}


def test_an_unknown_status_in_an_event_reads_as_unknown() -> None:
    body = msgspec.json.encode(_sample()).replace(b'"status":"scheduled"', b'"status":"daydreaming"')
    event = decode_event(body)
    assert isinstance(event, BookingScheduled)
    assert event.data.booking.status is BookingStatus.UNKNOWN


@given(st.binary())
def test_what_is_no_event_is_a_decode_error(body: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        decode_event(body)


def test_every_type_has_its_data_and_its_name_once() -> None:
    assert len(EVENT_TYPES) == len(EVENT_OF) == len(get_args(AnyEvent)) == len(get_args(Data))


def test_every_key_is_on_the_wire() -> None:
    sent = _sample()
    assert sent.keys() == {"type", *BookingScheduled.__struct_fields__}
    assert sent["timestamp"] == "2026-03-01T09:30:00Z"


def test_every_warning_says_what_it_means() -> None:
    assert all(code.islower() and meaning for code, meaning in WARNINGS.items())


def test_stamps_are_utc() -> None:
    assert sequence(datetime(2026, 1, 1, tzinfo=UTC), 0) == "20260101T000000000000Z-00"


def test_everything_is_imported_from_the_package() -> None:
    """Consumers and plugins name one place, whatever file of it a thing is in."""
    own = [name for file in Path(events.__path__[0]).glob("[a-z]*.py") for name in defined(file)]
    assert sorted(own) == sorted(events.__all__)


def defined(file: Path) -> list[str]:
    """Name what a file defines for others: classes, functions, constants."""
    found: list[str] = []
    for each in ast.parse(file.read_text("utf-8")).body:
        if isinstance(each, ast.ClassDef | ast.FunctionDef):
            found.append(each.name)
        elif isinstance(each, ast.Assign | ast.AnnAssign):
            targets = each.targets if isinstance(each, ast.Assign) else [each.target]
            found += [target.id for target in targets if isinstance(target, ast.Name)]
    return [name for name in found if not name.startswith("_")]

"""How things read on a page."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.web.dashboard.words import ago, coming, counted, kinds, reason, share, size, span, todo, upcoming, when

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_length_of_time_is_said_in_its_largest_unit(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_a_time_states_its_zone_and_its_day_unless_that_is_today() -> None:
    assert "09:29:00 UTC" in when(NOW - timedelta(minutes=1), NOW)
    assert "28 Feb 2026, 09:30 UTC" in when(NOW - timedelta(days=1), NOW)
    assert "28 Feb 2026, 23:30 UTC" in when(NOW - timedelta(hours=10), NOW)
    assert 'datetime="2026-03-01T09:30:00.000Z"' in when(int(NOW.timestamp() * 1000), NOW)
    assert when(None, NOW) == "never"


def test_what_is_to_come_is_said_so() -> None:
    assert ago(NOW + timedelta(minutes=3), NOW) == "in 3 min"
    assert ago(NOW - timedelta(minutes=3), NOW) == "3 min ago"
    assert ago(NOW, NOW) == "just now"
    assert ago(None, NOW) == "never"
    assert coming(NOW + timedelta(minutes=3), NOW) == "in 3 min"
    assert coming(NOW - timedelta(minutes=3), NOW) == "now"


def test_a_delivery_that_is_being_tried_is_not_said_to_be_tried_at_the_end_of_that() -> None:
    later, before = NOW + timedelta(seconds=30), NOW - timedelta(seconds=1)
    assert upcoming(later, NOW, trying=False) == "next try in 30 s"
    assert upcoming(later, NOW, trying=True) == "being tried now"
    assert upcoming(before, NOW, trying=True) == "next try now", "whoever tried it came to an end"


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 0, "none"),
        (0, 9, "0 %"),
        (9, 9, "100 %"),
        (1, 1_000_000, "0.1 %"),
        (999_999, 1_000_000, "99.9 %"),
        (1, 3, "33.3 %"),
    ],
)
def test_only_all_is_all_and_only_nothing_is_nothing(part: int, whole: int, text: str) -> None:
    assert share(part, whole) == text


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("not_understood: no id - at `$.id`", "The provider's plugin expects something else: no id - at <code>$.id<"),
        (
            "not_understood: Object missing required field `uuid` - at `$.data`",
            "The provider's plugin expects something else: no <code>uuid</code> - at <code>$.data</code>.",
        ),
        ("not_understood: {a} `<b>`", "The provider's plugin expects something else: {a} <code>&lt;b&gt;</code>."),
        ("unrecognised", "No connection recognises it: it came to the inbound URL, and is like no"),
        ("plugin_error: KeyError while recognising", "The provider's plugin failed: KeyError while recognising."),
        ("something_new: <b>`", "something_new: &lt;b&gt;`."),
        (None, "It is not stated."),
    ],
)
def test_why_a_call_is_in_quarantine_is_said_in_words(said: str | None, shown: str) -> None:
    assert str(reason(said)).replace("&#39;", "'").startswith(shown)


def test_what_to_do_about_one_is_said_beside_it() -> None:
    assert "Wait for a plugin that reads them, then retry" in todo("not_understood: no id - at `$.id`")
    assert "(<code>$</code> is the body" in todo("not_understood: no id - at `$.id`")


def test_what_a_destination_gets_is_said_in_words() -> None:
    assert kinds(["*", "gateway.*"]) == "all events that providers cause, the gateway's own events"
    assert kinds(["booking.*", "form.submitted"]) == "all booking events, form.submitted"


def test_counts_and_sizes() -> None:
    assert counted(1, "try", "tries") == "1 try"
    assert counted(12_345, "call") == "12\u202f345 calls"
    assert (size(1023), size(2048)) == ("1023 B", "2.0 KiB")

"""`gateway events`: the newest first of all, one event as it came, and each new one as it happens."""

import io
import json
import sys
from typing import Any

import pytest

from gateway.cli.events import WAIT
from tests.cli.conftest import EVENT, Cli, StandIn, Terminals, plain

EVT, RCP = EVENT["id"], "rcp_" + "e" * 26


def numbered(number: int) -> dict[str, Any]:
    return {**EVENT, "id": f"evt_{number}"}


def test_without_a_cursor_people_see_the_newest(cli: Cli, standin: StandIn) -> None:
    standin.page("/v1/events", EVENT, EVENT, next_="c2")
    ended = cli("events", "--limit", "2")
    assert ended.err == "these are the newest; from the beginning: --after 0\n"
    assert cli("events", "--limit", "3").err == ""
    assert standin.asked[0].query == {"newest": ["true"], "limit": ["2"]}


def test_the_list_says_when_each_was_received_whenever_it_happened(cli: Cli, standin: StandIn) -> None:
    standin.page("/v1/events", EVENT)
    title, row = cli("events").out.splitlines()
    assert title.split()[-1] == "RECEIVED"
    assert row.endswith("2026-03-01 09:30:00Z")


@pytest.mark.parametrize("line", ["events --after 0", "events --json"])
def test_a_cursor_and_programs_begin_where_the_api_does(cli: Cli, standin: StandIn, line: str) -> None:
    standin.page("/v1/events", EVENT, next_="1")
    cli(*line.split())
    assert "newest" not in standin.asked[0].query


@pytest.mark.parametrize(
    ("line", "path"),
    [(f"events show {EVT}", f"/v1/events/{EVT}/raw"), (f"quarantine show {RCP}", f"/v1/quarantine/{RCP}/raw")],
)
def test_the_bytes_of_a_call_are_written_as_they_are(
    cli: Cli, standin: StandIn, monkeypatch: pytest.MonkeyPatch, line: str, path: str
) -> None:
    standin.answer("GET", path, b'{"name":"\x1b[31m\xff"}')
    out = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", out)
    assert cli(*line.split(), "--raw", "--exact").status == 0
    assert out.buffer.getvalue() == b'{"name":"\x1b[31m\xff"}'
    assert standin.asked[0].query == {"exact": ["true"]}


def test_on_a_terminal_the_bytes_of_a_call_steer_nothing(cli: Cli, standin: StandIn, terminal: Terminals) -> None:
    standin.answer("GET", f"/v1/events/{EVT}/raw", b'{"name":"\x1b[31m\xff"}')
    terminal(80)
    assert plain(cli("events", "show", EVT, "--raw").out) == ['{"name":"\\x1b[31m\\xff"}']


def test_bytes_that_are_gone_are_said_in_one_line(cli: Cli, standin: StandIn) -> None:
    standin.problem("GET", f"/v1/events/{EVT}/raw", 410, "The bytes are not kept any more.")
    ended = cli("events", "show", EVT, "--raw")
    assert (ended.status, ended.err) == (1, "gateway: The bytes are not kept any more\n")


@pytest.fixture
def log(standin: StandIn) -> list[dict[str, Any]]:
    """A log of two events; asked for news it has one more, then the person behind the terminal has seen enough."""
    asked: list[dict[str, Any]] = []

    def answer(query: dict[str, list[str]]) -> Any:
        asked.append(query)
        if "newest" in query:
            return {"items": [numbered(1), numbered(2)], "next": "2"}
        if len(asked) > 3:
            standin.answers["GET", "/v1/events"] = (200, b"not ours")
        return {"items": [numbered(3)] if query["after"] == ["2"] else [], "next": "3"}

    standin.answer("GET", "/v1/events", answer)
    return asked


def test_tail_shows_the_newest_and_then_each_new_one_once(cli: Cli, log: list[dict[str, Any]]) -> None:
    ended = cli("events", "tail", "--types", "booking.*", "--json")
    assert [json.loads(line)["id"] for line in ended.out.splitlines()] == ["evt_1", "evt_2", "evt_3"]
    assert log[0] == {"types": ["booking.*"], "limit": ["10"], "newest": ["true"]}
    assert log[1] == {"types": ["booking.*"], "after": ["2"], "wait": [str(WAIT)]}
    assert log[2]["after"] == ["3"]


def test_tail_writes_a_line_for_people(cli: Cli, log: list[dict[str, Any]]) -> None:
    ended = cli("events", "tail", "--lines", "0")
    assert log[0]["limit"] == ["1"]
    assert ended.out == "2026-03-01 09:30:00Z  booking.attendee_removed   harmonizely  evt_3\n"


def test_tail_waits_for_a_gateway_that_goes_away_until_somebody_has_seen_enough(
    cli: Cli, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping = (503, {"title": "Service Unavailable", "status": 503, "detail": "It is stopping."})
    pauses = 0

    def answer(_: dict[str, list[str]]) -> Any:
        standin.answers["GET", "/v1/events"] = stopping
        return {"items": [numbered(pauses)], "next": "1"}

    def pause(_: float) -> None:
        nonlocal pauses
        pauses += 1
        if pauses == 2:
            standin.answer("GET", "/v1/events", answer)
        if pauses == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", pause)
    standin.answer("GET", "/v1/events", answer)
    ended = cli("events", "tail")
    assert ended.status == 0
    assert [line.split()[-1] for line in ended.out.splitlines()] == ["evt_0", "evt_2"]
    assert ended.err.count("waiting for it") == 2

"""Erasing people, changing keys, and reading who did what."""

from pathlib import Path
from typing import Any

import pytest

from gateway.cli import privacy
from tests.cli.conftest import Cli, StandIn

ERASURE: dict[str, Any] = {
    "id": "ers_1", "status": "done", "begun_at": "2026-03-01T09:30:00Z", "finished_at": "2026-03-01T09:30:01Z",
    "looked_at": 10, "to_look_at": 10, "events": 3, "receipts": 2, "quarantined": 1, "deliveries": 4,
}  # fmt: skip
ROTATION: dict[str, Any] = {
    "status": "done", "begun_at": "2026-03-01T09:30:00Z", "finished_at": "2026-03-01T09:30:01Z",
    "looked_at": 10, "to_look_at": 10, "resealed": 12, "broken": 0,
}  # fmt: skip


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privacy, "LOOK_SECONDS", 0.0)


@pytest.mark.parametrize(
    ("arguments", "stdin", "body"),
    [
        (["--email", "a@b.example"], "", {"email": "a@b.example"}),
        (["--email", "-"], "a@b.example\n", {"email": "a@b.example"}),
        (["--booking", "meetergo:con_1:b1"], "", {"booking": "meetergo:con_1:b1"}),
    ],
)
def test_erase_asks_for_it_and_says_what_went(
    cli: Cli, standin: StandIn, arguments: list[str], stdin: str, body: dict[str, str]
) -> None:
    standin.answer("POST", "/v1/erase", ERASURE)
    ended = cli("erase", *arguments, stdin=stdin)
    assert (ended.status, ended.err) == (0, "")
    assert "3 events, the bytes of 2 calls (1 of them in quarantine), 4 waiting deliveries" in ended.out
    assert "a@b.example" not in ended.out
    (asked,) = standin.asked
    assert asked.body == body


def test_erase_reads_the_address_from_a_file(cli: Cli, standin: StandIn, tmp_path: Path) -> None:
    (tmp_path / "who").write_text("a@b.example\n")
    standin.answer("POST", "/v1/erase", ERASURE)
    assert cli("erase", "--email", f"@{tmp_path / 'who'}").status == 0
    assert standin.asked[0].body == {"email": "a@b.example"}


@pytest.mark.parametrize("arguments", [[], ["--email", "a@b.c", "--booking", "x"]])
def test_erase_wants_one_of_the_two(cli: Cli, standin: StandIn, arguments: list[str]) -> None:
    ended = cli("erase", *arguments)
    assert ended.status == 2
    assert "--email or --booking" in ended.err
    assert standin.asked == []


def test_what_takes_long_is_followed_to_its_end(cli: Cli, standin: StandIn) -> None:
    left = [ERASURE, {**ERASURE, "status": "running", "looked_at": 5}]
    standin.answer("POST", "/v1/erase", {**ERASURE, "status": "running", "looked_at": 0})
    standin.answer("GET", "/v1/erase/ers_1", lambda _: left.pop())
    ended = cli("erase", "--email", "a@b.example", "--json")
    assert ended.answer == ERASURE
    assert [asked.method for asked in standin.asked] == ["POST", "GET", "GET"]


def test_on_a_terminal_it_says_how_far_it_is(cli: Cli, standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    standin.answer("POST", "/v1/encryption/rotate", {**ROTATION, "status": "running", "looked_at": 5})
    standin.answer("GET", "/v1/encryption/rotate", ROTATION)
    ended = cli("rotate-encryption")
    assert " 50 % of 10 looked at" in ended.err
    assert "12 values were changed" in ended.out


def test_values_that_no_key_opens_are_an_error(cli: Cli, standin: StandIn) -> None:
    standin.answer("POST", "/v1/encryption/rotate", {**ROTATION, "broken": 2})
    ended = cli("rotate-encryption")
    assert (ended.status, ended.out) == (1, "")
    assert "2 values that no key opens" in ended.err


def test_audit_lists_who_did_what(cli: Cli, standin: StandIn) -> None:
    act = {"id": "7", "at": "2026-03-01T09:30:00Z", "key": "key_1", "action": "erase", "object": "ers_1"}
    standin.page("/v1/audit", act)
    ended = cli("audit", "--by", "key_1", "--action", "erase", "--object", "ers_1")
    assert [word in ended.out for word in ("key_1", "erase", "ers_1")] == [True] * 3
    assert standin.asked[0].query == {"key": ["key_1"], "action": ["erase"], "object": ["ers_1"]}


def test_backup_needs_a_database(bare_cli: Cli, tmp_path: Path) -> None:
    ended = bare_cli("backup", str(tmp_path / "copy.db"))
    assert ended.status == 1
    assert "there is no database in gateway-data: GATEWAY_DATA_DIR says where it is" in ended.err
    assert not (tmp_path / "copy.db").exists()

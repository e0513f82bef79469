"""What is printed only shows: nothing in data steers a terminal, breaks a table or falls out of JSON."""

import json
import re
import unicodedata
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from gateway.cli import show, table
from gateway.cli.table import Column
from tests.cli.conftest import CONNECTION, Cli, StandIn, Terminals, plain

HOSTILE = "\x1b[31mred\x1b]0;title\x07\r\n\u202egnirts \u2028\u0085 [bold]x[/bold] :smile:"


@given(st.text(st.characters(), max_size=200))
def test_clean_text_is_one_line_of_visible_characters(text: str) -> None:
    clean = show.clean(text)
    assert not any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in clean)
    assert len(clean.splitlines()) <= 1
    assert not set(clean) & set("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Cf", "Zl", "Zp"])))
def test_harmless_text_is_left_alone(text: str) -> None:
    assert show.clean(text) == text


def test_values_are_written_for_people() -> None:
    values = [None, True, False, 0, [], {}, ["a", None], {"a": "\x1b"}]
    assert [show.clean(value) for value in values] == [
        "-",
        "yes",
        "no",
        "0",
        "(none)",
        "(none)",
        "a, -",
        '{"a": "\\u001b"}',
    ]


def test_times_are_shortened_and_other_text_is_not() -> None:
    assert show.when("2026-03-01T09:30:00.123Z") == "2026-03-01 09:30:00Z"
    assert show.when("2026-03-01T09:30:00+01:00") == "2026-03-01T09:30:00+01:00"
    assert show.when(None) == "-"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda c: st.lists(c) | st.dictionaries(st.text(), c),
        max_leaves=8,
    )
)
def test_json_is_the_same_value_and_steers_nothing(value: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        printed: list[str] = []
        patch.setattr("builtins.print", printed.append)
        show.print_json(value)
    assert json.loads(printed[0]) == value
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]", printed[0])


@pytest.mark.parametrize("name", [HOSTILE, "x" * 300, "名" * 100, "a b " * 60])
def test_a_table_of_hostile_names_fits_80_columns(cli: Cli, standin: StandIn, terminal: Terminals, name: str) -> None:
    standin.page("/v1/connections", {**CONNECTION, "name": name, "provider": name, "status": name})
    terminal(80)
    shown = plain(cli("connections").out)
    assert not any(re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028]", line) for line in shown)
    assert all(cell_len(line) <= 80 for line in shown)
    assert CONNECTION["id"] in " ".join(shown).split()


@pytest.mark.parametrize("columns", [None, 80])
def test_one_thing_of_hostile_names_steers_nothing_and_breaks_no_word(
    cli: Cli, standin: StandIn, terminal: Terminals, columns: int | None
) -> None:
    name = "x" * 300
    standin.answer("GET", "/v1/connections/con_1", {**CONNECTION, "name": name, HOSTILE: {"deep": [HOSTILE]}})
    if columns:
        terminal(columns)
    shown = plain(cli("connections", "show", "con_1").out)
    assert not any(re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028]", line) for line in shown)
    assert {name, CONNECTION["inbound_url"]} <= set(" ".join(shown).split())


TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cf", "Zl", "Zp", "Zs", "Mn", "Me"]), max_size=60)


@given(st.lists(st.tuples(TEXTS, TEXTS, st.lists(TEXTS).map(" ".join)), min_size=1, max_size=4), st.integers(20, 120))
def test_a_table_loses_no_character_at_any_width(rows: list[tuple[str, str, str]], room: int) -> None:
    columns = [Column("ID", "a", fold="never"), Column("TYPE", "b", fold="late"), Column("WHY", "c")]
    cells = [[Text(text) for text in row] for row in rows]
    shown = [line.plain for line in table.lines(columns, cells, room)]
    kept = Counter("".join(shown).replace(" ", ""))
    assert kept == Counter("".join(["IDTYPEWHY", *(text for row in rows for text in row)]).replace(" ", ""))
    ids = max(2, *(cell_len(row[0]) for row in rows))
    assert max(map(cell_len, shown)) <= max(room, ids + 2 * (1 + table.NARROWEST))


def test_markup_in_data_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    show.print_table([Column("NAME", "name")], [{"name": "[bold]x[/bold] :smile:"}])
    assert "[bold]x[/bold] :smile:" in capsys.readouterr().out


def test_colours_are_for_terminals(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, terminal: Terminals
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    show.print_table([Column("STATUS", "status")], [{"status": "active"}])
    assert "\x1b" not in capsys.readouterr().out
    terminal(80)
    show.print_table([Column("STATUS", "status")], [{"status": "active"}])
    assert "\x1b[32mactive" in capsys.readouterr().out


def test_only_the_names_of_values_are_bold(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, terminal: Terminals
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal(80)
    show.print_details({"id": "x", "status": "active"})
    lines = ["\x1b[1mid\x1b[0m      x", "\x1b[1mstatus\x1b[0m  \x1b[32mactive\x1b[0m"]
    assert capsys.readouterr().out.splitlines() == lines


def test_one_thing_is_a_line_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    item = {
        "id": "x",
        "remote": {"id": "wh", "events": ["a", "b"]},
        "attempts": [{"number": 1}, {"number": 2}],
        "empty": {},
    }
    show.print_details(item)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["id", "x"], ["remote.id", "wh"], ["remote.events", "a,", "b"], ["attempts.1.number", "1"],
        ["attempts.2.number", "2"], ["empty", "(none)"],
    ]  # fmt: skip


def test_a_path_that_ends_early_is_nothing() -> None:
    assert show.at({"a": {"b": 1}}, "a.b") == 1
    assert show.at({"a": None}, "a.b.c") is None

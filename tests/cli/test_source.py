"""What is typed after `--set` is a value of the kind it reads as."""

import json
from typing import Any

import pytest
import rich_click as click
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.source import settings


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("simplymeet", "simplymeet"),
        ("", ""),
        ("a=b", "a=b"),
        ("https://example.com/api", "https://example.com/api"),
        ("true", True),
        ("12", 12),
        ("1.5", 1.5),
        ('["a", 1]', ["a", 1]),
        ('{"a": {"b": null}}', {"a": {"b": None}}),
        ('"12"', "12"),
        ("null", "null"),
        ("NaN", "NaN"),
        ("12abc", "12abc"),
        ("[1", "[1"),
        ("\udcff", "\udcff"),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_a_value_is_what_it_reads_as(text: str, value: Any) -> None:
    assert settings([f"name={text}"]) == {"name": value}


@pytest.mark.parametrize("text", ["a,b", " a , b ,", '["a", "b"]'])
def test_events_are_a_list(text: str) -> None:
    assert settings([f"events={text}"]) == {"events": ["a", "b"]}
    assert settings(["events=a"]) == {"events": ["a"]}


def test_dots_lead_into_objects() -> None:
    assert settings(["s.header=x", "s.encoding=hex", "s.a.b=1", "t=2"]) == {
        "s": {"header": "x", "encoding": "hex", "a": {"b": 1}},
        "t": 2,
    }


@given(st.text(), st.recursive(st.booleans() | st.integers(-(2**53), 2**53) | st.text(), st.lists, max_leaves=4))
def test_any_value_can_be_written_as_json(name: str, value: Any) -> None:
    try:
        found = settings([f"{name}={json.dumps(value)}"])
    except click.UsageError:
        assert not name.partition("=")[0] or not all(name.partition("=")[0].split("."))
        return
    if "=" not in name and "." not in name and name != "events":
        assert found == {name: value}

"""What people see: tables that fit 80 columns, and text in which nothing steers the terminal."""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from rich.console import Console
from rich.table import Table
from rich.text import Text

_STEERS = "\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
STEERING = re.compile(f"[\x00-\x1f\x7f-\x9f{_STEERS}]")
"""Control characters, line breaks of any kind, marks that turn the reading direction, and halves of a character."""
_STEERING_IN_JSON = re.compile(f"[\x7f-\x9f{_STEERS}]")

STYLES: Mapping[str, str] = {
    "active": "green",
    "delivered": "green",
    "accepted": "green",
    "waiting": "yellow",
    "pending": "yellow",
    "paused": "yellow",
    "quarantined": "yellow",
    "broken": "red",
    "needs_repair": "red",
    "dead": "red",
}
"""The colour of a status word; any other is plain."""


class Column(Struct, frozen=True):
    """One column of a table. `path` leads to the value (`origin.provider`); `whole` never breaks it over lines."""

    title: str
    path: str
    whole: bool = False


def clean(value: object) -> str:
    """Write a value as one line that a terminal only shows: what would steer it becomes visible (`\\x1b`)."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case [] | {} if not value:
            return "(none)"
        case list() | tuple():
            return ", ".join(map(clean, value))
        case dict():
            return clean(json.dumps(value, ensure_ascii=False))
    return STEERING.sub(_visible, str(value))


def _visible(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


def clean_lines(text: str) -> str:
    """Write several lines that a terminal only shows."""
    return "\n".join(map(clean, text.splitlines()))


def when(value: object) -> str:
    """Write a time of the API (ISO 8601, UTC) shorter: `2026-03-01 09:30:00Z`."""
    return re.sub(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?Z$", r"\1 \2Z", clean(value))


def console() -> Console:
    """Make a console on standard output: colours on a terminal only, no markup out of data."""
    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False)


def say(text: str = "") -> None:
    """Print lines that are ours or cleaned; long ones are not broken, so that they can be copied."""
    console().print(Text(text), soft_wrap=True)


def print_json(value: object) -> None:
    """Print what the API answered; characters that steer a terminal are written as JSON escapes."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    print(_STEERING_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text))  # noqa: T201 -- it is the output


def table(columns: Sequence[Column], items: Sequence[Mapping[str, Any]]) -> Table:
    """Make a table of items of the API."""
    grid = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(column.title, no_wrap=column.whole, overflow="fold")
    for item in items:
        grid.add_row(*(_cell(when(at(item, column.path))) for column in columns))
    return grid


def _cell(text: str) -> Text:
    return Text(text, style=STYLES.get(text, ""))


def at(item: object, path: str) -> Any:
    """Follow a dotted path into an item; None where it ends early."""
    for name in path.split("."):
        item = item.get(name) if isinstance(item, Mapping) else None
    return item


def details(item: Mapping[str, Any]) -> Table:
    """Make a table of one item: a line a value, nested ones under dotted names."""
    grid = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    grid.add_column(style="bold", overflow="fold")
    grid.add_column(overflow="fold")
    for name, value in _flat(item, ""):
        grid.add_row(Text(clean(name)), _cell(when(value)))
    return grid


def print_details(item: Mapping[str, Any]) -> None:
    """Print one item."""
    console().print(details(item))


def _flat(value: object, name: str) -> Iterator[tuple[str, object]]:
    inner: Iterator[tuple[Any, Any]] | None = None
    if isinstance(value, Mapping) and value:
        inner = iter(value.items())
    elif isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        inner = iter(enumerate(value, 1))
    if inner is None:
        yield name, value
        return
    for key, one in inner:
        yield from _flat(one, f"{name}.{key}" if name else str(key))

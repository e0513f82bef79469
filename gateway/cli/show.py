"""What people see: tables that fit their terminal, and text in which nothing steers it."""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from gateway.cli import table
from gateway.cli.table import Column

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


UNBOUNDED = 1 << 20
"""Columns of a line that is not for a terminal: programs read it, and nothing in it is folded or cut."""
NAMES = 32
"""Characters that the names of one thing's values may take before its values move to the right no further."""
ROOM = 20
"""The fewest characters that a value is folded to."""


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
    """Make a console on standard output: colours and a width on a terminal only, no markup out of data."""
    width = None if sys.stdout.isatty() else UNBOUNDED
    return Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)


def _room() -> int | None:
    """Tell how many characters a line has; None where nobody looks at it."""
    return console().width if sys.stdout.isatty() else None


def say(text: str = "") -> None:
    """Print lines that are ours or cleaned; long ones are not broken, so that they can be copied."""
    console().print(Text(text), soft_wrap=True)


def print_json(value: object) -> None:
    """Print what the API answered; characters that steer a terminal are written as JSON escapes."""
    print(_inert(json.dumps(value, indent=2, ensure_ascii=False)))  # noqa: T201 -- it is the output


def print_json_line(value: object) -> None:
    """Print a value as one line of JSON, for programs that read line by line."""
    print(_inert(json.dumps(value, ensure_ascii=False)))  # noqa: T201 -- it is the output


def _inert(text: str) -> str:
    return _STEERING_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def print_table(columns: Sequence[Column], items: Sequence[Mapping[str, Any]]) -> None:
    """Print items of the API as a table."""
    rows = [[_cell(when(at(item, column.path))) for column in columns] for item in items]
    kept = table.shown(columns, rows, _room())
    chosen, cells = [columns[n] for n in kept], [[row[n] for n in kept] for row in rows]
    _print(table.lines(chosen, cells, _room()))


def _cell(text: str) -> Text:
    return Text(text, style=STYLES.get(text, ""))


def at(item: object, path: str) -> Any:
    """Follow a dotted path into an item; None where it ends early."""
    for name in path.split("."):
        item = item.get(name) if isinstance(item, Mapping) else None
    return item


def print_details(item: Mapping[str, Any]) -> None:
    """Print one item: a line a value, nested ones under dotted names. Words are whole, so that they can be copied."""
    print_named([(clean(name), [_cell(when(value))]) for name, value in _flat(item, "")])


def print_named(things: Sequence[tuple[str, Sequence[Text]]]) -> None:
    """Print lines beside their names; only a terminal's are folded, and only between words."""
    _print(_named(things, _room()))


def _named(things: Sequence[tuple[str, Sequence[Text]]], room: int | None) -> Iterator[Text]:
    width = min(max((cell_len(name) for name, _ in things), default=0), NAMES)
    for name, lines in things:
        folded = [part for line in lines for part in _folded(line, room, width + 2)] or [Text()]
        for title, part in zip_longest([name], folded, fillvalue=""):
            gap = " " * (max(width - cell_len(str(title)), 0) + 2)
            yield Text().append(str(title), style="bold").append(gap).append(part)


def _folded(line: Text, room: int | None, taken: int) -> list[Text]:
    """Fold a line between words, what follows under where it begins."""
    if room is None:
        return [line]
    indent = len(line.plain) - len(line.plain.lstrip())
    parts = table.words(line[indent:], max(room - taken - indent, ROOM), "ignore") or [Text()]
    return [Text(" " * indent).append_text(part) for part in parts]


def _print(lines: Iterable[Text]) -> None:
    """Print lines; one that is too long for a terminal is left to it, which loses nothing."""
    screen = console()
    for line in lines:
        screen.print(line, soft_wrap=True)


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

"""How tables fill a terminal: ids never give way, types and URLs last, and in a pipe nothing does."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from typing import Literal

from msgspec import Struct
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

GAP = 1
NARROWEST = 8
"""Characters that a column keeps when its words have to be broken."""
MODEST = 24
"""Characters of free text that may stand before a column `if_room` is left out."""

_PLAIN = Console(width=80)  # folding needs one; nothing is printed on it
_PIECE = re.compile(r"[^ ./?&=]*[ ./?&=]?")

Row = Sequence[Text]


class Column(Struct, frozen=True):
    """One column of a table. `path` leads to the value (`origin.provider`).

    `fold`: "never" (ids); "late" (types and URLs: at their dots and slashes, when free text has given way); "free".
    `if_room`: left out where it would make others fold.
    """

    title: str
    path: str
    fold: Literal["never", "late", "free"] = "free"
    if_room: bool = False


def shown(columns: Sequence[Column], rows: Sequence[Row], room: int | None) -> list[int]:
    """Choose the positions of the columns to show; `room`: the characters of a line, None: any number."""
    widths = _natural(columns, rows)
    chosen = [n for n, column in enumerate(columns) if not column.if_room]
    if room is None:
        return list(range(len(columns)))
    for n in (n for n, column in enumerate(columns) if column.if_room):
        wanted = [*chosen, n]
        modest = [min(widths[i], MODEST) if columns[i].fold == "free" else widths[i] for i in wanted]
        if _together(modest) <= room:
            chosen = wanted
    return sorted(chosen)


def lines(columns: Sequence[Column], rows: Sequence[Row], room: int | None) -> Iterator[Text]:
    """Lay a table out; only ids that are wider than `room` all by themselves make a line longer."""
    widths = _widths(columns, rows, room)
    for row in ([Text(column.title, style="bold") for column in columns], *rows):
        cells = [_folded(cell, column, width) for cell, column, width in zip(row, columns, widths, strict=True)]
        for parts in zip_longest(*cells, fillvalue=Text()):
            yield _line(parts, widths)


def words(text: Text, room: int, overflow: Literal["fold", "ignore"]) -> list[Text]:
    """Break text at its spaces; a word longer than `room` is broken only when `overflow` is "fold"."""
    broken = text.wrap(_PLAIN, max(room, 1), overflow=overflow)
    for line in broken:
        line.rstrip()
    return list(broken)


def _line(parts: Row, widths: Sequence[int]) -> Text:
    line = Text()
    for part, width in zip(parts, widths, strict=True):
        line.append_text(part).append(" " * (width - part.cell_len + GAP))
    line.rstrip()
    return line


def _natural(columns: Sequence[Column], rows: Sequence[Row]) -> list[int]:
    return [max(cell_len(column.title), *(row[n].cell_len for row in rows)) for n, column in enumerate(columns)]


def _together(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _widths(columns: Sequence[Column], rows: Sequence[Row], room: int | None) -> list[int]:
    """Give each column what it wants, then take back: from free text, from types and URLs, from free text's words."""
    widths = _natural(columns, rows)
    if room is None:
        return widths
    takes: list[tuple[str, Callable[[str], int]]] = [
        ("free", _longest_word), ("late", _longest_piece), ("free", lambda _: NARROWEST), ("late", lambda _: NARROWEST)
    ]  # fmt: skip
    for fold, least in takes:
        for n in sorted((n for n, c in enumerate(columns) if c.fold == fold), key=lambda n: -widths[n]):
            needed = max(map(least, (columns[n].title, *(row[n].plain for row in rows))))
            over = _together(widths) - room
            widths[n] = max(min(widths[n], needed), widths[n] - max(over, 0))
    return widths


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split(" ")))


def _longest_piece(text: str) -> int:
    return max(cell_len(piece.rstrip()) for piece in _PIECE.findall(text))


def _folded(cell: Text, column: Column, width: int) -> list[Text]:
    if column.fold == "never" or cell.cell_len <= width:
        return [cell]
    if column.fold == "free":
        return words(cell, width, "fold")
    return [part for line in _pieces(cell.plain, width) for part in words(Text(line, cell.style), width, "fold")]


def _pieces(text: str, width: int) -> Iterator[str]:
    """Fill lines with the pieces of a type or a URL."""
    line = ""
    for piece in _PIECE.findall(text):
        if line and cell_len((line + piece).rstrip()) > width:
            yield line.rstrip()
            line = ""
        line += piece
    yield line.rstrip()

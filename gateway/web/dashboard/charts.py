"""Small charts as SVG: stacked bars over time, drawn here, with their numbers beside them for who cannot see them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from msgspec import Struct

WIDE, HIGH, GAP = 10.0, 100.0, 1.5
"""Units of a bar's place, of the chart's height, and between two bars; the page stretches them."""

Tone = Literal["good", "wait", "bad", "calm"]
Kind = tuple[str, str, Tone]
"""What is counted: its key in a slot, its name, its colour."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Series(Struct, frozen=True):
    """What one colour stands for."""

    name: str
    tone: Tone
    total: int


class Part(Struct, frozen=True):
    """A piece of one bar, from the top of the chart."""

    tone: Tone
    y: float
    height: float


class Bar(Struct, frozen=True):
    """What happened from `begins` on, for the width of one slot."""

    begins: datetime
    x: float
    parts: tuple[Part, ...]
    amounts: tuple[int, ...]


class Chart(Struct, frozen=True):
    """Bars and what they mean. `most`: the height of the chart in what is counted."""

    title: str
    series: tuple[Series, ...]
    bars: tuple[Bar, ...]
    most: int
    width: float


def stacked(title: str, kinds: Sequence[Kind], slots: Sequence[dict[str, int]], since: int, width: int) -> Chart:
    """Stack bars, from the bottom up in the order of `kinds`. Times in epoch milliseconds."""
    most = max((sum(slot.get(key, 0) for key, _, _ in kinds) for slot in slots), default=0)
    bars = tuple(
        Bar(
            begins=_EPOCH + timedelta(milliseconds=since + place * width),
            x=place * WIDE + GAP / 2,
            parts=_parts(slot, kinds, max(most, 1)),
            amounts=tuple(slot.get(key, 0) for key, _, _ in kinds),
        )
        for place, slot in enumerate(slots)
    )
    series = tuple(Series(name, tone, sum(slot.get(key, 0) for slot in slots)) for key, name, tone in kinds)
    return Chart(title, series, bars, most, WIDE * len(slots))


def _parts(slot: dict[str, int], kinds: Sequence[Kind], most: int) -> tuple[Part, ...]:
    parts, reached = [], HIGH
    for key, _, tone in kinds:
        height = HIGH * slot.get(key, 0) / most
        if height:
            reached -= height
            parts.append(Part(tone, round(reached, 2), round(height, 2)))
    return tuple(parts)

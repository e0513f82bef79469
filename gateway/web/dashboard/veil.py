"""Show data without what may be about a person, until somebody asks for it: the shape stays, the values go."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from gateway.contract.provider import Inbound, parsed
from gateway.pipeline.render import thin

HIDDEN: Final = "•••"
_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_NAME = re.compile(r"[A-Za-z_$][\w.$-]{0,63}", re.ASCII)
_SMALL = 1000
PLAIN_HEADERS: Final = frozenset({"content-type", "content-length", "user-agent", "accept", "accept-encoding", "date"})


def event(body: bytes) -> Any:
    """Decode an event with dots in place of what its type marks as personal; null stays null."""
    return _dotted(msgspec.json.decode(body), msgspec.json.decode(thin(body)))


def call(inbound: Inbound, known: Iterable[str] = ()) -> str:
    """Write the body of a call with dots in place of every value that is not known to be harmless.

    What came in is of a shape that nobody promised, so the harmless is listed: times, small numbers, yes and no, UUIDs
    and the `known` words, which its event shows as well.
    """
    body = parsed(inbound)
    return HIDDEN if body is None else pretty(_shape(body, frozenset(known)))


def words(value: Any) -> Iterator[str]:
    """Collect the texts of an event in which what is personal is hidden."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from words(part)
    elif isinstance(value, list):
        for part in value:
            yield from words(part)


def headers(inbound: Inbound) -> list[tuple[str, str]]:
    """List the headers of a call; the values of those that may prove or name somebody are hidden."""
    return [(name, value.decode("latin-1") if name in PLAIN_HEADERS else HIDDEN) for name, value in inbound.headers]


def pretty(value: Any) -> str:
    """Write JSON for reading."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def text(body: bytes) -> str:
    """Write bytes as text; what is no text is written as its codes."""
    return body.decode("utf-8", "backslashreplace")


def _dotted(whole: Any, thinned: Any) -> Any:
    if isinstance(whole, dict) and isinstance(thinned, dict):
        return {name: _dotted(value, thinned.get(name)) for name, value in whole.items()}
    if isinstance(whole, list) and isinstance(thinned, list) and len(whole) == len(thinned):
        return [_dotted(*pair) for pair in zip(whole, thinned, strict=True)]
    return whole if whole == thinned else HIDDEN


def _shape(value: Any, known: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {name if _NAME.fullmatch(name) else HIDDEN: _shape(part, known) for name, part in value.items()}
    if isinstance(value, list):
        return [_shape(part, known) for part in value]
    if value is None or isinstance(value, bool) or (isinstance(value, int | float) and abs(value) < _SMALL):
        return value
    harmless = isinstance(value, str) and (
        not value or value in known or _TIME.fullmatch(value) or _UUID.fullmatch(value)
    )
    return value if harmless else HIDDEN

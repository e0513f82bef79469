"""What is wrong with a value, in plain words: msgspec's messages are for programmers, and quote values."""

import difflib
import re
from collections.abc import Mapping
from typing import Any

from gateway.registration.possible import fields, possible

KINDS: Mapping[str, str] = {
    "array": "a list",
    "bool": "true or false",
    "datetime": "a time with its offset, such as 2026-03-01T09:30:00Z",
    "float": "a number",
    "int": "a whole number",
    "null": "null",
    "object": "an object",
    "str": "text",
}
"""What msgspec calls a kind of value, and what people call it."""
PATTERNS: Mapping[str, str] = {"^https?://": "must be an http or https URL"}
"""What a pattern asks for, in words."""
BOUNDS: Mapping[str, str] = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
COUNTED: Mapping[str, str] = {"str": "character", "array": "entry", "object": "entry"}
OTHERWISE = "is not what is asked for here"

_NAMED = re.compile(r"Object (missing required|contains unknown) field `(.*)`", re.DOTALL)
_BOUND = re.compile(r"Expected `(\w+)`( of length)? (>=|<=|>|<) (\d+)(?:\.0)?")
_KIND = re.compile(r"Expected `([\w |]+)`(?:, got .*| with a timezone component)", re.DOTALL)
_PATTERN = re.compile(r"Expected `str` matching regex '(.*)'", re.DOTALL)
_OWN = re.compile(r"([a-z_]+): (.+)", re.DOTALL)
"""What a struct of the contract or of a plugin says of its own fields: in words already, and without values."""


def explain(text: str, kind: Any, under: str = "", what: str = "field") -> tuple[str, str, str]:
    """Read a message of msgspec: the path to the field, what is wrong with it, and the same as one sentence.

    `kind`: the type that was asked for, which knows what is possible at the path. `under`: the name of the field that
    holds it. `what`: how a member of it is called where it is given, such as `parameter`. Names and paths are kept;
    values that msgspec quotes are not.
    """
    text, _, where = text.partition(" - at ")
    path = where.rpartition("`$")[2].strip(".`")
    named, own = _NAMED.fullmatch(text), _OWN.fullmatch(text)
    if own and own[1] in fields(kind, path):
        field = _joined(under, path, own[1])
        return field, own[2], f"{field}: {own[2]}"
    if named is None:
        field, said = _joined(under, path), _wrong(text, kind, path)
        return field, said, f"{field or 'the body'} {said}"
    field = _joined(under, path, named[2])
    if named[1].startswith("missing"):
        return field, "is missing", f"{field} is missing"
    advice = near(named[2], fields(kind, path))
    return field, f"there is no such {what}{advice}", f"there is no {what} `{field}`{advice}"


def _joined(*parts: str) -> str:
    return ".".join(part for part in parts if part).replace(".[", "[")


def near(word: str, known: list[str]) -> str:
    """Ask whether another word was meant; nothing when none is like it."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean `{close[0]}`?" if close else ""


def _wrong(text: str, kind: Any, path: str) -> str:
    if text.startswith("Invalid enum value"):
        words = possible(kind, path)
        return f"must be one of {', '.join(words)}" if words else OTHERWISE
    if text.startswith("Invalid RFC3339"):
        return f"must be {KINDS['datetime']}"
    if pattern := _PATTERN.fullmatch(text):
        return PATTERNS.get(pattern[1], OTHERWISE)
    if bound := _BOUND.fullmatch(text):
        return _bounded(bound[1], bound[3], int(bound[4]), counts=bool(bound[2]))
    if found := _KIND.fullmatch(text):
        return f"must be {_either(found[1].split(' | '))}"
    return OTHERWISE


def _bounded(kind: str, sign: str, bound: int, *, counts: bool) -> str:
    if not counts:
        return f"must be {BOUNDS[sign]} {bound}"
    if (sign, bound) == (">=", 1):
        return "must not be empty"
    unit = COUNTED.get(kind, "entry")
    many = unit if bound == 1 else f"{unit.removesuffix('y')}ies" if unit.endswith("y") else f"{unit}s"
    return f"must have {BOUNDS[sign]} {bound} {many}"


def _either(kinds: list[str]) -> str:
    return " or ".join(KINDS.get(kind, kind) for kind in sorted(kinds, key=lambda kind: kind == "null"))

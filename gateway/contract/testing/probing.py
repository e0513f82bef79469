"""Take bodies apart and spoil them, for the conformance classes. Pure; knows JSON and forms."""

import pathlib
from collections.abc import Iterator, Sequence
from copy import deepcopy
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeGuard, get_type_hints
from urllib.parse import parse_qsl, urlencode

import msgspec
from msgspec import Meta, Struct

Path = tuple[str | int, ...]

CONTENT_TYPES = {".json": "application/json", ".form": "application/x-www-form-urlencoded"}
"""What a payload file is sent as, by its suffix."""

_DEEP: Any = [[[[]]]]
for _ in range(200):
    _DEEP = [_DEEP]

ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**70,
    1.5,
    1e300,
    "",
    " ",
    "x",
    "\x00\x1b[31m",
    "2026-13-45T99:99:99Z",
    "2026-03-01T09:30:00",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "https://[",
    [],
    {},
    [None, 1, "x", {}],
    {"a": {"b": [1]}},
    _DEEP,
)
"""What may stand in the place of any value."""

BROKEN: tuple[bytes, ...] = (
    b"",
    b" ",
    b"null",
    b"1",
    b'""',
    b"[]",
    b"{}",
    b"{",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"\xff\xfe{}",
    b"\xef\xbb\xbf{}",
    b"NaN",
    b'{"event":NaN}',
    b'{"id":"\\ud800"}',
    b'{"id":1e400}',
    b"a=1&b=2",
    b"%ff%fe",
    b"\x00",
    b"<html></html>",
)
"""Bodies that are nothing a provider would send."""

CANARY = "canary-3f9a51c7e2"
"""A value that acts without a login, for all the plugin knows. It must come out nowhere."""


def taken_apart(body: bytes, suffix: str) -> Any:
    """Decode a payload file's body by the file's suffix."""
    return dict(parse_qsl(body.decode(), keep_blank_values=True)) if suffix == ".form" else msgspec.json.decode(body)


def headers_beside(payload: pathlib.Path) -> dict[str, str]:
    """Read what a payload comes with: its content type, and the headers in `case.headers`, `name: value` a line."""
    beside = payload.with_suffix(".headers")
    lines = [line.partition(":") for line in beside.read_text().splitlines()] if beside.exists() else []
    return {"content-type": CONTENT_TYPES[payload.suffix], **{name: value.strip() for name, _, value in lines}}


def put_together(value: Any, suffix: str) -> bytes:
    """Encode it again. In a form, what is no text is written as JSON."""
    if suffix != ".form":
        return msgspec.json.encode(value)
    written = {k: v if isinstance(v, str) else msgspec.json.encode(v).decode() for k, v in value.items()}
    return urlencode(written).encode()


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Walk over everything that holds no further value: texts, numbers, nulls, empty lists and objects."""
    items = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    if not items:
        yield path, value
    for key, item in items:
        yield from leaves(item, (*path, key))


def spelled(path: Path) -> str:
    """Write a path for people, all items of a list as one: `data.answers.*.value`."""
    return ".".join("*" if isinstance(step, int) else step for step in path)


def says_something(leaf: Any) -> bool:
    return leaf not in (None, "", [], {})


def other(leaf: Any) -> Any:
    """Make another value of the same kind."""
    if isinstance(leaf, bool):
        return not leaf
    if isinstance(leaf, int | float):
        return leaf + 1
    try:
        return (datetime.fromisoformat(leaf) + timedelta(days=1)).isoformat()
    except ValueError:
        return f"{leaf}x"


def replaced(value: Any, path: Path, leaf: Any) -> Any:
    """Copy a value with another leaf in one place."""
    copy = deepcopy(value)
    _holder(copy, path)[path[-1]] = leaf
    return copy


def without(value: Any, path: Path) -> Any:
    """Copy a value with one leaf gone, its key included."""
    copy = deepcopy(value)
    del _holder(copy, path)[path[-1]]
    return copy


def planted(value: Any, keys: Sequence[str]) -> Any:
    """Copy a value with a canary under each of the keys in every object."""
    if isinstance(value, dict):
        return {k: planted(v, keys) for k, v in value.items()} | dict.fromkeys(keys, CANARY)
    return [planted(item, keys) for item in value] if isinstance(value, list) else value


def spoilt(body: bytes, suffix: str) -> Iterator[bytes]:
    """Make many bodies out of a good one: cut short, with bytes flipped, with odd values and with keys missing."""
    for at in range(0, len(body), max(1, len(body) // 40)):
        yield body[:at]
        yield body[:at] + bytes([body[at] ^ 0x80]) + body[at + 1 :]
    value = taken_apart(body, suffix)
    for path in {leaf[:depth] for leaf, _ in leaves(value) for depth in range(1, len(leaf) + 1)}:
        yield put_together(without(value, path), suffix)
        for odd in ODD:
            yield put_together(replaced(value, path, odd), suffix)


def _holder(value: Any, path: Path) -> Any:
    for step in path[:-1]:
        value = value[step]
    return value


# --- structs -------------------------------------------------------------------------------------------------------


def values(struct: Struct) -> Iterator[tuple[str, Any, str | None]]:
    """Walk over the plain values of an event's structs: (field, value, kind of personal data or None)."""
    hints = _hints(type(struct))
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        for item in value if isinstance(value, tuple) else (value,):
            if _is_struct(item):
                yield from values(item)
            else:
                yield name, item, mark(hints[name])


@cache
def _hints(kind: type[Struct]) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def mark(hint: Any) -> str | None:
    """Find the personal-data mark of a type, through `| None` and tuples."""
    for meta in getattr(hint, "__metadata__", ()):
        if isinstance(meta, Meta) and meta.extra and "pii" in meta.extra:
            return str(meta.extra["pii"])
    return next((found for part in getattr(hint, "__args__", ()) if (found := mark(part))), None)


def _is_struct(value: object) -> TypeGuard[Struct]:
    return isinstance(value, Struct)

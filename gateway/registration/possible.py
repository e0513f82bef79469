"""Which words and which fields there may be at a path of a type, for refusals that name them."""

import re
from collections.abc import Iterator
from typing import Any

from msgspec import inspect


def possible(kind: Any, path: str) -> list[str]:
    """List the words of a Literal at a path (`types[0]`, `site`) of a type; nothing where there is none."""
    return [str(value) for one in _at(kind, path) if isinstance(one, inspect.LiteralType) for value in one.values]


def fields(kind: Any, path: str) -> list[str]:
    """List the fields of a struct at a path of a type; nothing where there is none."""
    return [field.encode_name for one in _at(kind, path) if isinstance(one, inspect.StructType) for field in one.fields]


def _at(kind: Any, path: str) -> list[inspect.Type]:
    found = list(_plain(inspect.type_info(kind)))
    for name, index in re.findall(r"([^.\[\]]+)|(\[[^\]]*\])", path):
        found = [inner for one in found for part in _inside(one, name, index) for inner in _plain(part)]
    return found


def _plain(info: inspect.Type) -> Iterator[inspect.Type]:
    """Take the members of a union apart, and descriptions off."""
    match info:
        case inspect.Metadata():
            yield from _plain(info.type)
        case inspect.UnionType():
            for one in info.types:
                yield from _plain(one)
        case _:
            yield info


def _inside(info: inspect.Type, name: str, index: str) -> Iterator[inspect.Type]:
    match info:
        case inspect.StructType() if name:
            yield from (field.type for field in info.fields if field.encode_name == name)
        case inspect.ListType() | inspect.VarTupleType() if index:
            yield info.item_type

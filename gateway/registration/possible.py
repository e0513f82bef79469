"""Which words may stand at a path of a type, for refusals that name them."""

import re
from collections.abc import Iterator
from typing import Any

from msgspec import inspect


def possible(kind: Any, path: str) -> list[str]:
    """List the words of a Literal at a path (`types[0]`, `site`) of a type; nothing where there is none."""
    found = list(_plain(inspect.type_info(kind)))
    for name, index in re.findall(r"([^.\[\]]+)|(\[[^\]]*\])", path):
        found = [inner for one in found for part in _inside(one, name, index) for inner in _plain(part)]
    return [str(value) for one in found if isinstance(one, inspect.LiteralType) for value in one.values]


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

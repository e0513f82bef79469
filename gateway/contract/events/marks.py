"""Which texts may be about a person: a field of one of these types is found by whoever erases, masks or leaves out."""

from typing import Annotated, Any

from msgspec import Meta


def _pii(kind: str) -> Meta:
    return Meta(extra={"pii": kind}, extra_json_schema={"x-pii": kind})


Name = Annotated[str, _pii("name")]
Email = Annotated[str, _pii("email")]
Phone = Annotated[str, _pii("phone")]
FreeText = Annotated[str, _pii("free_text")]
"""Anything a person typed, so anything a person may have given away."""
Link = Annotated[str, _pii("link")]
"""A URL that lets its holder into a meeting."""
AnyValue = Annotated[Any, _pii("free_text")]

"""Patterns of event types, in filters and subscriptions: exact, `booking.*` or `*`."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from gateway.contract.events import EVENT_TYPES
from gateway.registration.rules import Invalid

Pattern = Annotated[str, Meta(min_length=1, max_length=100, description="an event type, `booking.*` or `*`")]


def matching(pattern: str) -> tuple[str, ...]:
    """List the event types that a pattern stands for."""
    if pattern == "*":
        return tuple(EVENT_TYPES)
    prefix = pattern.removesuffix("*")
    if prefix != pattern and prefix.endswith("."):
        return tuple(name for name in EVENT_TYPES if name.startswith(prefix))
    return (pattern,) if pattern in EVENT_TYPES else ()


def expand(patterns: Sequence[str], field: str = "types") -> tuple[str, ...]:
    """List the event types of some patterns, none twice. Raises Invalid for one that stands for nothing."""
    found: dict[str, None] = {}
    for position, pattern in enumerate(patterns):
        types = matching(pattern)
        if not types:
            raise Invalid(f"{field}[{position}]", "not an event type, nor a pattern of any, such as `booking.*`")
        found.update(dict.fromkeys(types))
    return tuple(found)

"""Pages of a list, by cursor."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Generic, TypeVar

from msgspec import Meta, Struct

T = TypeVar("T")

Limit = Annotated[int, Meta(ge=1, le=500, description="at most so many items")]
Time = Annotated[datetime, Meta(tz=True)]
"""An instant: ISO 8601 with its offset, `Z` in answers."""
After = Annotated[str, Meta(max_length=200, description="the cursor of the page before: its `next`")]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Page(Struct, Generic[T], frozen=True):
    """Some of a list. `next` is the cursor to go on with, null at the end."""

    items: Sequence[T]
    next: str | None


class Paging(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which page."""

    after: After | None = None
    limit: Limit = 50


def cut(items: Sequence[T], limit: int, cursor: Callable[[T], str]) -> Page[T]:
    """Make a page of what was read with one item more than asked for, which tells whether there is another page."""
    page = items[:limit]
    return Page(page, cursor(page[-1]) if len(items) > limit else None)


def of_all(items: Sequence[T], asked: Paging, cursor: Callable[[T], str]) -> Page[T]:
    """Cut a page out of a short list that is read whole. Its cursors are its ids, in whose order it is: one that was
    deleted meanwhile still says where to go on."""
    rest = sorted((item for item in items if asked.after is None or cursor(item) > asked.after), key=cursor)
    return cut(rest, asked.limit, cursor)


def moment(milliseconds: int) -> datetime:
    """Make a UTC time of epoch milliseconds."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def perhaps(milliseconds: int | None) -> datetime | None:
    """Make a UTC time of epoch milliseconds, if there are any."""
    return None if milliseconds is None else moment(milliseconds)

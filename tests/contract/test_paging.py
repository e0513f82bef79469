"""A list in pages is whole, or it is no list."""

import asyncio

import pytest

from gateway.contract.errors import ApiUnavailable
from gateway.contract.paging import MOST_PAGES, Numbered, all_pages
from gateway.contract.provider import Webhook


def hooks(*ids: str) -> list[Webhook]:
    return [Webhook(id=one, url="https://u.example", events=()) for one in ids]


def read(*pages: Numbered) -> tuple[list[str], list[int]]:
    """Read a list whose pages are answered in this order, the last for ever; the ids, and the pages asked for."""
    left, asked = list(pages), []

    async def page(number: int) -> Numbered:
        asked.append(number)
        return left.pop(0) if len(left) > 1 else left[0]

    return [webhook.id for webhook in asyncio.run(all_pages(page))], asked


def test_pages_are_read_to_the_last() -> None:
    pages = [Numbered(hooks(one), 3, 3) for one in "abc"]
    assert read(*pages) == (["a", "b", "c"], [1, 2, 3])


def test_an_empty_list_is_one_page() -> None:
    assert read(Numbered([], 0, 0)) == ([], [1])


def test_a_list_that_changed_between_its_pages_is_read_again() -> None:
    """One is deleted from the first page, so that the first of the second slips past."""
    before, after = Numbered(hooks("gone", "a"), 2, 3), Numbered(hooks("c"), 2, 2)
    assert read(before, after, Numbered(hooks("a", "b"), 2, 3), Numbered(hooks("c"), 2, 3)) == (
        ["a", "b", "c"],
        [1, 2, 1, 2],
    )


def test_a_list_that_never_adds_up_is_an_outage_and_not_a_list_without_ours() -> None:
    with pytest.raises(ApiUnavailable, match="changes while it is read"):
        read(Numbered(hooks("a"), 1, 2))


def test_a_list_that_does_not_say_how_many_there_are_is_taken_as_it_is() -> None:
    assert read(Numbered(hooks("a"), 1)) == (["a"], [1])


def test_a_list_without_end_is_not_followed() -> None:
    with pytest.raises(ApiUnavailable, match=f"more than {MOST_PAGES} pages"):
        read(Numbered([], 10**9))

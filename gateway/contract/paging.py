"""Lists that come in numbered pages and may change while they are read."""

from collections.abc import Awaitable, Callable, Iterable

from msgspec import Struct

from gateway.contract.errors import ApiUnavailable
from gateway.contract.provider import Webhook

MOST_PAGES = 100
READINGS = 3


class Numbered(Struct, frozen=True):
    """One page: what is on it, how many pages there are, and how many webhooks in all if that is said."""

    webhooks: Iterable[Webhook]
    pages: int
    total: int | None = None


async def all_pages(read: Callable[[int], Awaitable[Numbered]]) -> list[Webhook]:
    """Read pages from 1 on. A list whose pages do not add up changed meanwhile, and is read again.

    Raises ApiUnavailable when it never adds up, or has no end: a webhook that is overlooked would be made again.
    """
    for _ in range(READINGS):
        found: dict[str, Webhook] = {}
        number, page = 0, Numbered((), 1)
        while number < page.pages:
            number += 1
            if number > MOST_PAGES:
                raise ApiUnavailable(f"its list has more than {MOST_PAGES} pages")
            page = await read(number)
            found |= {webhook.id: webhook for webhook in page.webhooks}
        if page.total in (None, len(found)):
            return list(found.values())
    raise ApiUnavailable("its list changes while it is read")

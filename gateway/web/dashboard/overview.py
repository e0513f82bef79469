"""/: is everything flowing?"""

from typing import Any

from litestar import Response, get

from gateway.web.api.reading import Asker
from gateway.web.dashboard.pages import page


@get("/", include_in_schema=False)
async def show_overview(request: Asker) -> Response[bytes]:
    """Show how things are."""
    return await page(request, "overview.html")


HANDLERS: list[Any] = [show_overview]

"""/held: calls that wait until their provider answers what it knows of the booking."""

from typing import Any

from litestar import Response, get
from msgspec import Struct

from gateway.pipeline.confirm import PATIENCE
from gateway.store.overview import Held
from gateway.web.api.connections import ConnectionView
from gateway.web.api.reading import Asker, wired
from gateway.web.dashboard.names import Names
from gateway.web.dashboard.overview import all_connections
from gateway.web.dashboard.pages import cursor, page

AT_ONCE = 50
AS_IT_IS = "passed on unconfirmed if it says enough, else quarantined"
WITHOUT_ANSWER = {"must": "quarantined"}
"""What becomes of a call whose provider did not answer in time, by the setting `confirm`."""


class Waiting(Struct, frozen=True):
    """A held call, until when its provider is waited for (epoch milliseconds), and what happens to it then."""

    call: Held
    until: int
    then: str


@get("/held", include_in_schema=False)
async def list_held(request: Asker) -> Response[bytes]:
    """List what is held, the longest waiting first."""
    services, after = wired(request), cursor(request.query_params.get("after"))
    found = await services.store.overview.held(after=after or 0, limit=AT_ONCE + 1)
    connections = {each.id: each for each in await all_connections(request)}
    return await page(
        request,
        "held.html",
        found=[_waiting(call, connections.get(call.connection)) for call in found[:AT_ONCE]],
        names=await Names.read(services),
        later={"after": found[AT_ONCE - 1].number} if len(found) > AT_ONCE else None,
        after=after,
    )


def _waiting(call: Held, connection: ConnectionView | None) -> Waiting:
    settings = {} if connection is None else connection.settings
    until = call.received_at + 1000 * settings.get("confirm_seconds", PATIENCE)
    return Waiting(call, until, WITHOUT_ANSWER.get(settings.get("confirm", ""), AS_IT_IS))


HANDLERS: list[Any] = [list_held]

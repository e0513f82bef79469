"""/v1/connections/{id}/reconcile: ask the provider for what its calls did not tell."""

from typing import Annotated, Any, Literal

from litestar import Response, get, post
from litestar.di import NamedDependency
from msgspec import Meta, Struct

from gateway.registration.reconcile import unaskable
from gateway.store.looks import Look, Reason
from gateway.web.api.calls import call
from gateway.web.api.pages import Time, moment, perhaps
from gateway.web.api.reading import Asker, Id, wired
from gateway.web.damaged import absent
from gateway.web.problems import Refusal
from gateway.web.services import Services

WITHIN_SECONDS = 10.0
"""How long a call waits for a look to end; after that it goes on by itself."""


class ReconcileRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to look for."""

    since: Annotated[
        Time | None, Meta(description="changes from then on; left out: from where the last look left off")
    ] = None


class LookView(Struct, frozen=True, kw_only=True):
    """A look at a connection's bookings at its provider.

    `status`: `waiting`: the provider does not answer, and is asked again by itself; `detail` says what it said. `seen`
    of `total` bookings were looked at. `missed`: events that were missing, and were told now. `held`: bookings left to
    a call that is held. `unread`: bookings that the plugin could not read. `covered_until`: all that happened to
    bookings there before then is known here.
    """

    connection: str
    status: Literal["running", "waiting", "done"]
    reason: Reason
    since: Time
    begun_at: Time
    finished_at: Time | None
    seen: int
    total: int | None
    missed: int
    held: int
    unread: int
    covered_until: Time
    detail: str | None


@post("/connections/{connection_id:str}/reconcile", status_code=200, **call("config:write", 202, 409))
async def reconcile(
    request: Asker, connection_id: Id, given: NamedDependency[ReconcileRequest | None]
) -> Response[LookView]:
    """Look at the provider's bookings, and tell of what its calls did not.

    What is found has the ids that the calls would have had, so one that comes late is a duplicate. Of several steps the
    last is told, with the warning `steps_unknown`. 202: it takes longer, and goes on by itself; ask again for how far
    it is. 409: this provider cannot be asked.
    """
    services = wired(request)
    await _existing(services, connection_id)
    since = None if given is None or given.since is None else round(given.since.timestamp() * 1000)
    if since is not None and since > services.store.now():
        raise Refusal(400, "since: lies ahead")
    begun = await services.reconciler.ask(connection_id, since)
    look = await services.reconciler.wait(connection_id, WITHIN_SECONDS) or begun
    return Response(_view(look), status_code=202 if look.finished_at is None else 200)


@get("/connections/{connection_id:str}/reconcile", **call("config:read", 409))
async def show_look(request: Asker, connection_id: Id) -> LookView | None:
    """Show the look at the provider's bookings that is going on, or the last one; null: there was none yet."""
    services = wired(request)
    await _existing(services, connection_id)
    why_not = unaskable(services.inboxes.candidate(connection_id))
    if why_not is not None:
        raise Refusal(409, why_not)
    look = (await services.store.looks.all()).get(connection_id)
    return None if look is None else _view(look)


async def _existing(services: Services, connection_id: str) -> None:
    if all(row.id != connection_id for row in await services.store.connections()):
        raise await absent(services.store, "connection", connection_id)


def _view(look: Look) -> LookView:
    waiting = look.error is not None and look.finished_at is None
    return LookView(
        connection=look.connection,
        status="done" if look.finished_at is not None else "waiting" if waiting else "running",
        reason=look.reason,
        since=moment(look.since),
        begun_at=moment(look.begun_at),
        finished_at=perhaps(look.finished_at),
        seen=look.seen,
        total=look.total,
        missed=look.missed,
        held=look.waiting,
        unread=look.unread,
        covered_until=moment(look.covered),
        detail=look.error if waiting else None,
    )


HANDLERS: list[Any] = [reconcile, show_look]

"""/v1/connections/{id}/latest-call: what the newest call looks like, and nothing of what it says."""

from typing import Any

from litestar import get
from msgspec import Struct

from gateway.registration import latest_call
from gateway.registration.fitting import Part, body_parts, header_parts
from gateway.registration.rules import ConnectionChange
from gateway.store.model import Connection, ReceiptStatus
from gateway.web.api.calls import call
from gateway.web.api.pages import Time, moment
from gateway.web.api.reading import Asker, Id, wired
from gateway.web.damaged import absent
from gateway.web.services import Services


class CallView(Struct, frozen=True, kw_only=True):
    """The newest call of a connection: names of headers, places in the body, and what kind of value each holds.

    `recognised` false: it came to this connection's URL, and nobody knew it. `signed`: whether it is signed as the
    connection says now; null when that says nothing of signatures. `misfit`: the part that does not fit.
    """

    receipt: str
    received_at: Time
    status: ReceiptStatus
    reason: str | None
    recognised: bool
    size: int
    headers: tuple[Part, ...]
    body: tuple[Part, ...]
    signed: bool | None
    misfit: str | None


@get("/connections/{connection_id:str}/latest-call", **call("config:read", 409))
async def show_latest_call(request: Asker, connection_id: Id) -> CallView | None:
    """Show what the newest call looks like, without a value of it; null: none is kept."""
    services = wired(request)
    row = await _row(services, connection_id)
    if row is None:
        raise await absent(services.store, "connection", connection_id)
    found = await latest_call.latest(services.store, services.inboxes, row)
    if found is None:
        return None
    provider = services.providers.get(row.provider)
    problem = latest_call.misfit_of(provider, row, found) if provider else None
    return CallView(
        receipt=found.stored.id,
        received_at=moment(found.stored.received_at),
        status=found.stored.status,
        reason=found.stored.reason,
        recognised=found.stored.connection is not None,
        size=found.stored.size,
        headers=header_parts(found.inbound),
        body=body_parts(found.inbound),
        signed=problem is None if row.secrets and provider else None,
        misfit=problem,
    )


async def check(services: Services, connection_id: str, change: ConnectionChange) -> None:
    """See that a signature scheme that is set for the first time fits the newest call. Raises Conflict, Invalid."""
    row = await _row(services, connection_id)
    if row is not None:
        await latest_call.check_signature(services.store, services.inboxes, services.providers, row, change)


async def _row(services: Services, connection_id: str) -> Connection | None:
    return next((row for row in await services.store.connections() if row.id == connection_id), None)


HANDLERS: list[Any] = [show_latest_call]

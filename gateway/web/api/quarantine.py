"""/v1/quarantine: what was authentic and not understood. Retry runs the plugin again."""

from typing import Any

from litestar import Response, delete, get, post
from litestar.di import NamedDependency
from msgspec import Struct

from gateway.pipeline import normalize
from gateway.store.model import Accepted, StoredReceipt
from gateway.web.api.calls import call
from gateway.web.api.events import Exactly, raw_answer
from gateway.web.api.pages import After, Limit, Page, Time, cut, moment
from gateway.web.api.reading import Asker, Id, wired
from gateway.web.problems import Refusal, missing
from gateway.web.services import Services

AT_ONCE = 100


class Quarantined(Struct, frozen=True, kw_only=True):
    """One call that is kept until it is understood. `connection` is null when nobody recognised it."""

    receipt: str
    connection: str | None
    reason: str | None
    received_at: Time
    size: int
    sha256: str


class QuarantineFilter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which calls."""

    connection: str | None = None
    after: After | None = None
    limit: Limit = 50


class RetryQuarantine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which calls to try again; all when nothing is stated. With `limit` in steps, each from the `next` before."""

    connection: str | None = None
    after: After | None = None
    limit: Limit | None = None


class Outcome(Struct, frozen=True, kw_only=True):
    """What a call is now: `accepted` with its events, `duplicate`, or still `quarantined` with the newest reason."""

    status: str
    receipt: str
    events: tuple[str, ...]
    reason: str | None


class Outcomes(Struct, frozen=True):
    """How many calls were tried again, and how many of them are still not understood.

    `next`: the `after` of the next step, null when there is none.
    """

    retried: int
    quarantined: int
    next: str | None = None


@get("/quarantine", **call("events:read"))
async def list_quarantine(request: Asker, asked: NamedDependency[QuarantineFilter]) -> Page[Quarantined]:
    """List what is in quarantine, oldest first."""
    services = wired(request)
    rows = await services.store.receipts(
        status="quarantined", connection=asked.connection, after=asked.after, limit=asked.limit + 1
    )
    return cut([_view(row) for row in rows], asked.limit, lambda row: row.receipt)


@get("/quarantine/{receipt_id:str}", **call("events:read"))
async def show_quarantined(request: Asker, receipt_id: Id) -> Quarantined:
    """Show one call in quarantine."""
    services = wired(request)
    return _view(await _quarantined(services, receipt_id))


@get("/quarantine/{receipt_id:str}/raw", media_type="application/octet-stream", **call("events:read", 410))
async def show_quarantined_raw(request: Asker, receipt_id: Id, asked: NamedDependency[Exactly]) -> Response[bytes]:
    """Show the bytes of a call in quarantine.

    Values that act without a login are masked by as many `*`; so is all of a body that is neither JSON nor a form.
    `exact` shows them too, to keys with the scope admin.
    """
    services = wired(request)
    row = await _quarantined(services, receipt_id)
    return await raw_answer(services, request, row.id, asked.exact)


@post("/quarantine/{receipt_id:str}/retry", status_code=200, **call("events:replay", 409))
async def retry_quarantined(request: Asker, receipt_id: Id) -> Outcome:
    """Run the plugin again over one call."""
    services = wired(request)
    done = await _retry(services, await _quarantined(services, receipt_id))
    return Outcome(status=done.status, receipt=done.receipt, events=done.events, reason=done.reason)


@post("/quarantine/retry", status_code=200, **call("events:replay"))
async def retry_quarantine(request: Asker, given: NamedDependency[RetryQuarantine | None]) -> Outcomes:
    """Run the plugins again over all calls in quarantine, or those of one connection, oldest first.

    It is answered when all are done. Where there may be many, give a `limit` and go on with `next`.
    """
    services, which = wired(request), given or RetryQuarantine()
    after, left = which.after, which.limit
    retried = quarantined = 0
    while rows := await services.store.receipts(
        status="quarantined", connection=which.connection, after=after, limit=min(AT_ONCE, left or AT_ONCE)
    ):
        for row in rows:
            stored = await services.store.receipt(row.id)
            if stored is not None and stored.status == "quarantined":
                retried += 1
                quarantined += (await _retry(services, stored)).status == "quarantined"
        after = rows[-1].id
        if left is not None and (left := left - len(rows)) == 0:
            return Outcomes(retried, quarantined, after)
    return Outcomes(retried, quarantined)


@delete("/quarantine/{receipt_id:str}", **call("events:replay"))
async def discard_quarantined(request: Asker, receipt_id: Id) -> None:
    """Throw a call away: its bytes go, and the same bytes coming again are a duplicate."""
    services = wired(request)
    if not await services.store.discard(receipt_id):
        raise missing("call in quarantine")


async def _retry(services: Services, stored: StoredReceipt) -> Accepted:
    if stored.inbound is None:
        raise Refusal(409, "Its bytes are not kept any more, so it cannot be tried again.")
    return await normalize.retry(services.store, stored, services.inboxes.by_id(stored.token, stored.connection))


async def _quarantined(services: Services, receipt_id: str) -> StoredReceipt:
    row = await services.store.receipt(receipt_id)
    if row is None or row.status != "quarantined":
        raise missing("call in quarantine")
    return row


def _view(row: StoredReceipt) -> Quarantined:
    return Quarantined(
        receipt=row.id,
        connection=row.connection,
        reason=row.reason,
        received_at=moment(row.received_at),
        size=row.size,
        sha256=row.sha256.hex(),
    )


HANDLERS: list[Any] = [
    list_quarantine,
    show_quarantined,
    show_quarantined_raw,
    retry_quarantined,
    retry_quarantine,
    discard_quarantined,
]

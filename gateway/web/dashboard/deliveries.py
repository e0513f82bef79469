"""/deliveries: what is on its way, what arrived, and what was given up; try that again."""

from typing import Any, Literal, get_args

from litestar import Response, get, post

from gateway.store.model import DeliveryStatus
from gateway.web.api import deliveries as api
from gateway.web.api.reading import Asker, Id, wired
from gateway.web.dashboard.calls import REFUSALS, act, ask, turned_down
from gateway.web.dashboard.forms import form_of, moment
from gateway.web.dashboard.names import Names
from gateway.web.dashboard.pages import elsewhere, page, query, session_of
from gateway.web.dashboard.words import counted
from gateway.web.problems import missing

AT_ONCE = 50
STATUSES: tuple[DeliveryStatus, ...] = get_args(DeliveryStatus)
ANY = "all"
AGAIN = {"dead": "again", "pending": "now"}


@get("/deliveries", include_in_schema=False)
async def list_deliveries(request: Asker) -> Response[bytes]:
    """List deliveries of one status, newest first; the dead ones unless something else is asked for."""
    services, asked = wired(request), request.query_params
    destination, before = asked.get("destination") or None, asked.get("before") or None
    status = next((each for each in STATUSES if each == asked.get("status", "dead")), None)
    found = await services.store.overview.deliveries(
        status=status, destination=destination, before=before, limit=AT_ONCE + 1
    )
    counts = (await services.store.counts()).deliveries
    sums = {each: _sum(counts, each, destination) for each in ("dead", "pending", "delivered", "skipped", ANY)}
    filters = {"status": status or ANY, "destination": destination}
    return await page(
        request,
        "deliveries.html",
        found=found[:AT_ONCE],
        trying=await services.store.overview.trying(found),
        names=await Names.read(services),
        status=status or ANY,
        sums=sums,
        filters=filters,
        older={**filters, "before": found[AT_ONCE - 1].id} if len(found) > AT_ONCE else None,
        before=before,
    )


@get("/deliveries/{delivery_id:str}", include_in_schema=False)
async def show_delivery(request: Asker, delivery_id: Id) -> Response[bytes]:
    """Show one delivery and how each try went."""
    services = wired(request)
    found = await services.store.delivery(delivery_id)
    if found is None:
        raise missing("delivery")
    delivery, attempts = found
    return await page(
        request,
        "delivery.html",
        delivery=delivery,
        attempts=attempts,
        names=await Names.read(services),
        trying=bool(await services.store.overview.trying([delivery])),
    )


@post("/deliveries/{delivery_id:str}/retry", include_in_schema=False)
async def retry_delivery(request: Asker, delivery_id: Id) -> Response[Any]:
    """Try a dead one again."""
    done = "It is tried again, behind what waits for that destination."
    return await act(request, f"/deliveries/{delivery_id}", done, api.retry_delivery, delivery_id)


@post("/deliveries/retry", include_in_schema=False)
async def retry_deliveries(request: Asker) -> Response[Any]:
    """Try many dead ones again: of one destination, or planned between two times. Or at once all that wait for one."""
    form = form_of(request)
    status: Literal["dead", "pending"] = "pending" if form.one("status") == "pending" else "dead"
    back = "/deliveries" + query(status=status, destination=form.one("destination"))
    try:
        given = api.RetryDeliveries(
            destination=form.one("destination"),
            status=status,
            since=moment(form.one("since"), "since"),
            until=moment(form.one("until"), "until"),
        )
        answer: api.Retried = await ask(request, api.retry_deliveries, given=given)
    except REFUSALS as error:
        return turned_down(request, back, error)
    if not answer.retried:
        session_of(request).tell("No delivery is like that: nothing is tried again.")
        return elsewhere(back)
    tried = counted(answer.retried, "delivery is", "deliveries are")
    session_of(request).tell(f"{tried} tried {AGAIN[status]}. How they get on stands below.")
    return elsewhere("/deliveries" + query(status=ANY, destination=form.one("destination")))


def _sum(counts: dict[tuple[str, DeliveryStatus], int], status: str, destination: str | None) -> int:
    return sum(amount for (to, each), amount in counts.items() if status in (each, ANY) and destination in (to, None))


HANDLERS: list[Any] = [list_deliveries, show_delivery, retry_delivery, retry_deliveries]

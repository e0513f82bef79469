"""/v1/deliveries: which event went to which destination, and what became of it."""

from datetime import datetime
from typing import Any, Literal, TypeVar

from litestar import get, post
from litestar.di import NamedDependency
from msgspec import Struct
from msgspec.structs import asdict

from gateway.store import model
from gateway.store.model import DeliveryStatus
from gateway.web.api.calls import call
from gateway.web.api.events import kept_event
from gateway.web.api.pages import After, Limit, Page, Time, cut, moment, perhaps
from gateway.web.api.reading import Asker, Id, wired
from gateway.web.problems import Refusal, missing
from gateway.web.services import Services


class Delivery(Struct, frozen=True, kw_only=True):
    """One event on its way to one destination. `attempt`: tries so far; `key`: whose order it keeps."""

    id: str
    event: str
    event_type: str
    destination: str
    key: str | None
    status: DeliveryStatus
    attempt: int
    due_at: Time | None
    last_status: int | None
    last_error: str | None
    created_at: Time
    finished_at: Time | None


class Attempt(Struct, frozen=True, kw_only=True):
    """One try. `status`: the HTTP status, null when no answer came."""

    number: int
    started_at: Time
    duration_ms: int
    status: int | None
    error: str | None


class DeliveryWithAttempts(Delivery, frozen=True, kw_only=True):
    """One delivery and its history."""

    attempts: tuple[Attempt, ...]


D = TypeVar("D", bound=Delivery)


class DeliveryFilter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which deliveries. `destination` and `event` are ids."""

    status: DeliveryStatus | None = None
    destination: str | None = None
    event: str | None = None
    after: After | None = None
    limit: Limit = 50


class RetryDeliveries(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which deliveries to try again. `since` and `until`: between which times they were planned.

    `status`: `dead`, or `pending` for what waits for its next try: that is now, and counts like any other.
    """

    destination: str | None = None
    status: Literal["dead", "pending"] = "dead"
    since: Time | None = None
    until: Time | None = None


class Retried(Struct, frozen=True):
    """How many deliveries are tried again."""

    retried: int


@get("/deliveries", **call("events:read"))
async def list_deliveries(request: Asker, asked: NamedDependency[DeliveryFilter]) -> Page[Delivery]:
    """List deliveries, oldest first."""
    services = wired(request)
    found = await services.store.deliveries(
        status=asked.status,
        destination=asked.destination,
        event=asked.event,
        after=asked.after,
        limit=asked.limit + 1,
    )
    return cut([_view(Delivery, delivery) for delivery in found], asked.limit, lambda delivery: delivery.id)


@get("/deliveries/{delivery_id:str}", **call("events:read"))
async def show_delivery(request: Asker, delivery_id: Id) -> DeliveryWithAttempts:
    """Show one delivery and all its attempts."""
    services = wired(request)
    return await _shown(services, delivery_id)


@post("/deliveries/{delivery_id:str}/retry", status_code=202, **call("events:replay", 409, 410))
async def retry_delivery(request: Asker, delivery_id: Id) -> DeliveryWithAttempts:
    """Try a dead delivery again, behind everything that waits. Others are replayed, not retried."""
    services = wired(request)
    if await services.store.retry(delivery=delivery_id) == 0:
        shown = await _shown(services, delivery_id)
        status = shown.status
        if status == "dead":
            await kept_event(services, shown.event)
        raise Refusal(409, f"Only a dead delivery can be retried; this one is {status}. Replay its event instead.")
    return await _shown(services, delivery_id)


@post("/deliveries/retry", status_code=202, **call("events:replay"))
async def retry_deliveries(request: Asker, given: NamedDependency[RetryDeliveries | None]) -> Retried:
    """Try dead deliveries again, or at once those that wait for their next try, all or by filter."""
    services = wired(request)
    which = given or RetryDeliveries()
    retried = await services.store.retry(
        destination=which.destination,
        status=which.status,
        since=_milliseconds(which.since),
        until=_milliseconds(which.until),
    )
    return Retried(retried)


def _milliseconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp() * 1000)


async def _shown(services: Services, delivery_id: str) -> DeliveryWithAttempts:
    found = await services.store.delivery(delivery_id)
    if found is None:
        raise missing("delivery")
    delivery, attempts = found
    return _view(DeliveryWithAttempts, delivery, attempts=tuple(_attempt(attempt) for attempt in attempts))


def _view(kind: type[D], delivery: model.Delivery, **more: Any) -> D:
    times = {
        "due_at": perhaps(delivery.due_at),
        "created_at": moment(delivery.created_at),
        "finished_at": perhaps(delivery.finished_at),
    }
    return kind(**{**asdict(delivery), **times, **more})


def _attempt(attempt: model.Attempt) -> Attempt:
    return Attempt(**{**asdict(attempt), "started_at": moment(attempt.started_at)})


HANDLERS: list[Any] = [list_deliveries, show_delivery, retry_delivery, retry_deliveries]

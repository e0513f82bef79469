"""/v1/erase: remove a person from everything that is kept."""

from typing import Annotated, Any, Literal

from litestar import get, post
from litestar.di import NamedDependency
from msgspec import UNSET, Meta, Struct, UnsetType

from gateway.registration.rules import Invalid
from gateway.store.erasing import Erasure, Whom
from gateway.store.sought import LONGEST_ADDRESS, is_address
from gateway.web.api.calls import call
from gateway.web.api.pages import Time, moment, perhaps
from gateway.web.api.reading import Asker, Id, wired
from gateway.web.problems import missing
from gateway.web.services import Services

PATIENCE = 20.0
"""Seconds that an answer waits for the end; a longer erasure goes on by itself."""

Email = Annotated[str, Meta(min_length=3, max_length=LONGEST_ADDRESS)]
BookingKey = Annotated[str, Meta(min_length=1, max_length=2000)]


class Erase(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom: an e-mail address, or a booking by its key, `provider:connection:id`. One of the two."""

    email: Email | UnsetType = UNSET
    booking: BookingKey | UnsetType = UNSET


class Erased(Struct, frozen=True, kw_only=True):
    """How far it is. `looked_at` of `to_look_at` events and calls; how many events were emptied, how many calls lost
    their bytes, how many of these were in quarantine, and how many waiting deliveries were skipped."""

    id: str
    status: Literal["running", "done"]
    begun_at: Time
    finished_at: Time | None
    looked_at: int
    to_look_at: int
    events: int
    receipts: int
    quarantined: int
    deliveries: int


@post("/erase", status_code=200, **call("admin"))
async def erase(request: Asker, given: NamedDependency[Erase]) -> Erased:
    """Remove a person, or a booking, from everything that is kept.

    Events that mention the address lose their bodies, with all events of the same bookings; so do the calls they came
    from, and calls in quarantine. What waits to be delivered of them is skipped. Ids, types, keys, times and digests
    stay: a repeated call is a duplicate and brings nobody back. What takes longer than some seconds is answered
    `running` and goes on: `GET /v1/erase/{id}` says how far it is.
    """
    services = wired(request)
    erasure = await services.store.erasing.begin(whom_of(given))
    await services.upkeep.erased(erasure, PATIENCE)
    return await _shown(services, erasure)


@get("/erase/{erasure_id:str}", **call("admin"))
async def show_erasure(request: Asker, erasure_id: Id) -> Erased:
    """Say how far an erasure is. Whom it was about is not kept once it is done."""
    services = wired(request)
    return await _shown(services, erasure_id)


def whom_of(given: Erase) -> Whom:
    """Say whom a request is about. Raises Invalid."""
    if bool(given.email) == bool(given.booking):
        raise Invalid("", "Give either `email` or `booking`.")
    if given.email and not is_address(given.email):
        raise Invalid("email", "not an e-mail address")
    return Whom(email=given.email, booking=given.booking)


async def _shown(services: Services, erasure_id: str) -> Erased:
    found = await services.store.erasing.one(erasure_id)
    if found is None:
        raise missing("erasure")
    return _view(found)


def _view(found: Erasure) -> Erased:
    return Erased(
        id=found.id,
        status="running" if found.finished_at is None else "done",
        begun_at=moment(found.begun_at),
        finished_at=perhaps(found.finished_at),
        looked_at=found.event + found.receipt,
        to_look_at=found.last_event + found.last_receipt,
        events=found.events,
        receipts=found.receipts,
        quarantined=found.quarantined,
        deliveries=found.deliveries,
    )


HANDLERS: list[Any] = [erase, show_erasure]

"""/v1/connections/{id}/check, /repair, /rotate: what should be at a provider, what is, and putting that right."""

from typing import Annotated, Any

from litestar import post
from litestar.di import NamedDependency
from msgspec import UNSET, Meta, Struct

from gateway.registration.plan import Decision, Drift, Kind, Step
from gateway.registration.repair import Looked
from gateway.registration.rotate import RotateRequest
from gateway.web.api.calls import call
from gateway.web.api.connections import ConnectionView, described
from gateway.web.api.reading import Asker, Id, wired
from gateway.web.damaged import absent
from gateway.web.services import Services


class RepairRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to repair. `dry_run`: plan only."""

    decision: Annotated[
        Decision | None,
        Meta(
            description="what becomes of a webhook that calls another address of this gateway: `move` replaces it, "
            "`beside` leaves it alone. Left out: `move`, but `beside` after the database was restored"
        ),
    ] = None
    dry_run: bool = False


class PlanView(Struct, frozen=True, kw_only=True):
    """What is to be done. `decide`: what a person has to say first. `left`: what looks like ours and is left alone."""

    kind: Kind
    steps: tuple[Step, ...]
    decide: str | None
    left: tuple[str, ...]


class CheckedView(ConnectionView, frozen=True, kw_only=True):
    """A connection that was compared with its provider.

    `drift`: what is different there. `done`: what was changed, in words; nothing with `dry_run`.
    """

    drift: tuple[Drift, ...]
    plan: PlanView
    done: tuple[str, ...]
    dry_run: bool


@post("/connections/{connection_id:str}/check", status_code=200, **call("config:write", 409, 502))
async def check_connection(request: Asker, connection_id: Id) -> CheckedView:
    """Compare a connection with its provider, and change nothing there. 502: it refused; `detail` says what to do."""
    services = wired(request)
    return await _view(services, connection_id, await services.registrar.repairs.check(connection_id), dry_run=True)


@post("/connections/{connection_id:str}/repair", status_code=200, **call("config:write", 409, 502))
async def repair_connection(
    request: Asker, connection_id: Id, given: NamedDependency[RepairRequest | None]
) -> CheckedView:
    """Make what exists at the provider what should. 502: it refused; what was done so far is kept and gone on with."""
    services, asked = wired(request), given or RepairRequest()
    looked = await services.registrar.repairs.repair(connection_id, asked.decision, dry_run=asked.dry_run)
    if not asked.dry_run:
        services.registrar.wake(connection_id)
    return await _view(services, connection_id, looked, dry_run=asked.dry_run)


@post("/connections/{connection_id:str}/rotate", status_code=200, **call("config:write", 409, 502))
async def rotate_connection(
    request: Asker, connection_id: Id, given: NamedDependency[RotateRequest | None]
) -> CheckedView:
    """Renew the signing secret, or the URL of a connection that has one of its own.

    The old one is accepted until nothing uses it and a day longer. `signing_secret` is shown once if it was made here.
    409: there is nothing of its own to renew, or a person has to decide something first.
    """
    services, asked = wired(request), given or RotateRequest()
    rotated = await services.registrar.rotation.rotate(connection_id, asked)
    looked, generated = (rotated.looked, rotated.generated) if rotated else (None, None)
    return await _view(services, connection_id, looked, dry_run=asked.dry_run, signing_secret=generated)


async def _view(
    services: Services, connection_id: str, looked: Looked | None, *, dry_run: bool, signing_secret: str | None = None
) -> CheckedView:
    if looked is None:
        raise await absent(services.store, "connection", connection_id)
    plan = looked.plan
    fields = described(services, looked.connection, await services.store.activity(), whole=True)
    return CheckedView(
        **fields,
        signing_secret=signing_secret or UNSET,
        drift=plan.drift,
        plan=PlanView(kind=plan.kind, steps=plan.steps, decide=plan.decide, left=plan.left),
        done=looked.done,
        dry_run=dry_run,
    )


HANDLERS: list[Any] = [check_connection, repair_connection, rotate_connection]

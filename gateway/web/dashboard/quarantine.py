"""/quarantine: calls that were authentic and not understood; see why, try again, or throw away."""

import asyncio
from typing import Any

from litestar import Response, get, post

from gateway.contract.provider import Inbound, WebhookApi
from gateway.pipeline.normalize import unpack
from gateway.store.model import StoredReceipt
from gateway.web.api import quarantine as api
from gateway.web.api.events import hidden
from gateway.web.api.masking import masked
from gateway.web.api.reading import Asker, Id, wired
from gateway.web.dashboard import veil
from gateway.web.dashboard.calls import REFUSALS, act, ask, turned_down
from gateway.web.dashboard.forms import form_of
from gateway.web.dashboard.names import Names
from gateway.web.dashboard.pages import cursor, elsewhere, page, query, session_of
from gateway.web.dashboard.words import counted, number
from gateway.web.problems import missing
from gateway.web.services import Services

AT_ONCE = 50
STEP = 100
"""Calls that are tried again before it is looked how long that took."""
PATIENCE = 5.0
"""Seconds that a browser is kept waiting while many are tried again."""


@get("/quarantine", include_in_schema=False)
async def list_quarantine(request: Asker) -> Response[bytes]:
    """List what is in quarantine, newest first."""
    services, asked = wired(request), request.query_params
    connection, before = asked.get("connection") or None, cursor(asked.get("before"))
    found = await services.store.overview.set_aside(connection=connection, before=before, limit=AT_ONCE + 1)
    return await page(
        request,
        "quarantine.html",
        found=found[:AT_ONCE],
        names=await Names.read(services),
        connection=connection,
        older={"connection": connection, "before": found[AT_ONCE - 1].number} if len(found) > AT_ONCE else None,
        before=before,
        onward=asked.get("onward") or None,
    )


@get("/quarantine/{receipt_id:str}", include_in_schema=False)
async def show_quarantined(request: Asker, receipt_id: Id) -> Response[bytes]:
    """Show one call: why it was not understood, and what it said, without what may be personal."""
    return await _shown(request, receipt_id, reveal=False)


@post("/quarantine/{receipt_id:str}/reveal", status_code=200, include_in_schema=False)
async def reveal_quarantined(request: Asker, receipt_id: Id) -> Response[bytes]:
    """Show its bytes, and note who asked for them."""
    return await _shown(request, receipt_id, reveal=True)


@post("/quarantine/{receipt_id:str}/retry", include_in_schema=False)
async def retry_quarantined(request: Asker, receipt_id: Id) -> Response[Any]:
    """Run the plugin again, and go to what came of it."""
    session, here = session_of(request), f"/quarantine/{receipt_id}"
    try:
        outcome: api.Outcome = await ask(request, api.retry_quarantined, receipt_id)
    except REFUSALS as error:
        return turned_down(request, here, error)
    if outcome.status == "quarantined":
        session.tell("It is still not understood. Why, and what to do, stands below.", kind="failed")
        return elsewhere(here)
    session.tell(f"The call is understood now: {outcome.status}.")
    return elsewhere(f"/events/{outcome.events[0]}" if outcome.events else "/quarantine")


@post("/quarantine/retry", include_in_schema=False)
async def retry_quarantine(request: Asker) -> Response[Any]:
    """Run the plugins again over all, or over those of one connection, for as long as somebody waits for a page."""
    form = form_of(request)
    connection, after = form.one("connection"), form.one("after")
    retried, quarantined, until = 0, 0, asyncio.get_running_loop().time() + PATIENCE
    try:
        while True:
            given = api.RetryQuarantine(connection=connection, after=after, limit=STEP)
            done: api.Outcomes = await ask(request, api.retry_quarantine, given=given)
            retried, quarantined, after = retried + done.retried, quarantined + done.quarantined, done.next
            if after is None or asyncio.get_running_loop().time() >= until:
                break
    except REFUSALS as error:
        return turned_down(request, "/quarantine", error)
    session_of(request).tell(_retried(retried, quarantined, more=after is not None))
    return elsewhere("/quarantine" + query(connection=connection, onward=after))


@post("/quarantine/{receipt_id:str}/discard", include_in_schema=False)
async def discard_quarantined(request: Asker, receipt_id: Id) -> Response[Any]:
    """Throw it away."""
    return await act(request, "/quarantine", "The call was thrown away.", api.discard_quarantined, receipt_id)


async def _shown(request: Asker, receipt_id: str, *, reveal: bool) -> Response[bytes]:
    services = wired(request)
    stored = await services.store.receipt(receipt_id)
    if stored is None or stored.status != "quarantined":
        raise missing("call in quarantine, or it is understood by now")
    inbound = None if stored.inbound is None else unpack(stored, services.inboxes.by_id(stored.token).url)
    if reveal:
        await services.store.audit.add(request.auth.id, "show_personal_data", stored.id)
    return await page(
        request,
        "quarantined.html",
        receipt=stored,
        headers=[] if inbound is None else veil.headers(inbound),
        body=None if inbound is None else await _body(request, stored, inbound, reveal=reveal),
        names=await Names.read(services),
        revealed=reveal,
    )


async def _body(request: Asker, stored: StoredReceipt, inbound: Inbound, *, reveal: bool) -> str:
    if not reveal:
        return veil.call(inbound, _words(wired(request)))
    return veil.text(masked(inbound, await hidden(wired(request), stored.connection)))


def _words(services: Services) -> frozenset[str]:
    """Collect the names of events that providers have: they tell what a call was, and nothing of anybody."""
    apis = [each.webhooks for each in services.providers.values() if isinstance(each.webhooks, WebhookApi)]
    return frozenset(event for each in apis for event in each.events)


def _retried(retried: int, quarantined: int, *, more: bool) -> str:
    if not retried:
        return "Nothing is in quarantine: nothing was tried again."
    tried = counted(retried, "call was", "calls were")
    told = f"{tried} tried again: {number(retried - quarantined)} understood now, {number(quarantined)} still not."
    return f"{told} There are more: go on with the rest." if more else told


HANDLERS: list[Any] = [
    list_quarantine,
    show_quarantined,
    reveal_quarantined,
    retry_quarantined,
    retry_quarantine,
    discard_quarantined,
]

"""Webhooks that call this gateway with a token which it does not accept any more: their calls are lost, unseen."""

from typing import Protocol

import structlog

from gateway.registration.plan import place
from gateway.store.looks import Looks
from gateway.store.model import Connection, StoredReceipt

_log = structlog.get_logger(__name__)


class Rows(Protocol):
    """What is kept: gateway.store.store.Store."""

    looks: Looks

    async def connections(self) -> list[Connection]: ...
    async def receipt(self, receipt_id: str, /) -> StoredReceipt | None: ...


class Urls(Protocol):
    """Which URLs are accepted: gateway.pipeline.inboxes.Inboxes."""

    def urls_of(self, connection: Connection, /) -> tuple[str, ...]: ...
    def accepts(self, token_id: str, /) -> bool: ...


async def warn(store: Rows, urls: Urls) -> None:
    """Write into the log which connections' providers call in vain, as far as can be told without asking them."""
    for row in await store.connections():
        if row.status != "removing" and await _calls_in_vain(store, urls, row):
            _log.error("inbound_token_gone", connection=row.id, provider=row.provider, reason=_reason(row))


async def _calls_in_vain(store: Rows, urls: Urls, row: Connection) -> bool:
    """Go by the webhook that was made; where a person made it, by the URL that the newest call came to."""
    if row.remote is not None:
        accepted = urls.urls_of(row)
        return row.remote.url not in accepted and place(row.remote.url) == place(accepted[0])
    newest = await store.looks.latest_call(row.id, "")
    call = None if newest is None else await store.receipt(newest)
    return call is not None and not urls.accepts(call.token)


def _reason(row: Connection) -> str:
    mend = f"`gateway connections repair {row.id}` moves it" if row.remote else "paste what `gateway url` shows there"
    return (
        "its webhook calls with a token that is not accepted any more, and is answered 404: put that token behind the "
        f"new one in GATEWAY_INBOUND_TOKENS, or {mend}"
    )

"""The latest call that may be a connection's: what it looks like, and whether it is signed as somebody says."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from gateway.contract.provider import ByHand, Inbound, Provider
from gateway.contract.signatures import Hmac
from gateway.pipeline.normalize import unpack
from gateway.pipeline.receive import Inbox
from gateway.registration import rules
from gateway.registration.fitting import misfit
from gateway.registration.registrar import merged
from gateway.registration.rules import Conflict, ConnectionChange
from gateway.store.model import Connection, StoredReceipt


class Calls(Protocol):
    """Where calls are kept: gateway.store.looks.Looks."""

    async def latest_call(self, connection: str, token: str, /) -> str | None: ...


class CallStore(Protocol):
    """What this asks of the store."""

    @property
    def looks(self) -> Calls: ...
    async def receipt(self, receipt_id: str, /) -> StoredReceipt | None: ...


class Inboxes(Protocol):
    """Which URL leads where."""

    def url_of(self, connection: Connection, /) -> str: ...
    def by_token(self, token: str, /) -> Inbox | None: ...


class Latest(Struct, frozen=True):
    """A call that is kept with its bytes. Where `stored.connection` is None, nobody recognised it."""

    stored: StoredReceipt
    inbound: Inbound


async def latest(store: CallStore, inboxes: Inboxes, row: Connection) -> Latest | None:
    """Find the newest call of a connection; else the newest one on its URL that nobody recognised."""
    url = inboxes.url_of(row)
    inbox = inboxes.by_token(url.rpartition("/")[2])
    found = await store.looks.latest_call(row.id, inbox.token) if inbox else None
    stored = await store.receipt(found) if found else None
    if stored is None or stored.inbound is None:
        return None
    return Latest(stored, unpack(stored, url))


def misfit_of(provider: Provider, row: Connection, call: Latest) -> str | None:
    """Say why a call is not signed as its connection says; None when it is, or when nothing is signed."""
    scheme = rules.scheme_of(provider, row)
    return misfit(scheme, row.secrets, call.inbound) if isinstance(scheme, Hmac) and row.secrets else None


async def check_signature(
    store: CallStore, inboxes: Inboxes, providers: Mapping[str, Provider], row: Connection, change: ConnectionChange
) -> None:
    """See that a scheme which is set for the first time fits the latest call: else calls would be refused from now on.

    Raises Conflict, naming the part that does not fit; Invalid.
    """
    provider = providers.get(row.provider)
    if provider is None or not isinstance(provider.webhooks, ByHand) or row.secrets:
        return
    if not isinstance(change.signing_secret, str):
        return
    settings = merged(row.settings, change.settings)
    scheme = provider.scheme(rules.converted(settings, provider.settings, "settings"))
    call = await latest(store, inboxes, row)
    if call is None or not isinstance(scheme, Hmac):
        return
    rules.check_secret(scheme, change.signing_secret)
    problem = misfit(scheme, (change.signing_secret,), call.inbound)
    if problem is not None:
        raise Conflict(
            f"Nothing was changed, because the latest call would not be accepted any more: {problem}. "
            f"If that call is older than the secret, have {provider.title} send another one, and repeat this."
        )

"""Connect, change, disconnect: rows here, webhooks at the provider, and never one without the other unnoticed.

The row is committed before the provider is asked, and it goes away last. So whatever stops in between (a crash, a
timeout), a row says what may exist over there, and `run_removals` works until it does not.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from gateway.contract.errors import ApiUnavailable, EgressRefused, ProviderApiError
from gateway.contract.provider import ByHand, Provider, Settings, Wanted, Webhook, WebhookApi
from gateway.contract.signatures import Hmac, Unsigned
from gateway.registration import rules
from gateway.registration.remote import Door, Remote
from gateway.registration.removals import RETRY_SECONDS, ConnectionStore, Removals
from gateway.registration.rules import Conflict, ConnectionChange, ConnectRequest, Invalid
from gateway.sealing import new_id, new_provider_secret, new_url_token
from gateway.store.model import Connection, VersionConflict
from gateway.store.model import Remote as Seen

AT_ONCE_SECONDS = 10.0
"""How long whoever asks waits for a removal; after that it goes on without them."""

SUCCESS = range(200, 300)
TOO_MANY_REQUESTS = 429
_TRIES = 5


class Urls(Protocol):
    """Which URL leads to a connection: gateway.pipeline.inboxes.Inboxes."""

    def url_of(self, connection: Connection, /) -> str: ...
    async def refresh(self) -> None: ...


class Connected(Struct, frozen=True):
    """A connection just made. `generated`: the signing secret that was made for it, to be shown this once."""

    connection: Connection
    generated: str | None


class Registrar:
    """Make, change and remove connections. `delays`: seconds between attempts to delete a webhook at a provider."""

    def __init__(
        self,
        store: ConnectionStore,
        egress: Door,
        providers: Mapping[str, Provider],
        inboxes: Urls,
        *,
        delays: Sequence[float] = RETRY_SECONDS,
    ) -> None:
        self._store = store
        self._egress = egress
        self._providers = providers
        self._inboxes = inboxes
        self._placing = asyncio.Lock()
        self._removals = Removals(store, self._remote, inboxes.refresh, delays)

    async def run_removals(self) -> None:
        """Delete at providers what was disconnected, also before a restart; runs until cancelled."""
        await self._removals.run()

    async def connect(self, request: ConnectRequest) -> Connected:
        """Make a connection and, where there is an API, its webhook.

        Raises Invalid, Conflict, StoreUnavailable, and ProviderApiError in words for the operator; then no connection
        remains, but for one that is being removed because its webhook was perhaps made.
        """
        planned, scheme, generated = self._plan(request)
        async with self._placing:
            placed = self._placed(planned, scheme, request.own_url, await self._store.connections())
            connection = await self._store.put_connection(placed)
        await self._inboxes.refresh()
        if connection.status == "registering":
            connection = await self._register(connection)
        return Connected(connection, generated)

    async def change(self, connection_id: str, change: ConnectionChange) -> Connection | None:
        """Change what needs no new registration; None when there is no such connection. Raises Invalid, Conflict."""
        async with self._placing:
            others = await self._store.connections()
            if all(c.id != connection_id for c in others):
                return None
            changed = await self._update(connection_id, lambda c: self._changed(c, change, others))
        await self._inboxes.refresh()
        self._removals.wake(connection_id)
        return changed

    async def disconnect(self, connection_id: str) -> bool | None:
        """Refuse its calls from now on and delete its webhook; None when there is no such connection.

        True when all is gone; False when the provider could not be asked: `run_removals` goes on. Raises Conflict.
        """
        row = await self._find(connection_id)
        if row is None:
            return None
        if row.status == "registering":
            raise Conflict("It is being registered at its provider: try again in a moment.")
        if row.status != "removing" and row.remote is None:
            await self._forget(connection_id)
            return True
        await self._update(connection_id, lambda c: replace(c, status="removing"))
        await self._inboxes.refresh()
        return await self._removals.attempt(connection_id, within=AT_ONCE_SECONDS)

    # --- deciding --------------------------------------------------------------------------------------------------

    def _plan(self, request: ConnectRequest) -> tuple[Connection, Hmac | Unsigned, str | None]:
        """Check a request: what it becomes, how its calls are signed, and the secret that was made for it."""
        provider = self._providers.get(request.provider)
        if provider is None:
            raise Invalid("provider", f"not installed; there is {', '.join(sorted(self._providers))}")
        settings = rules.converted(request.settings, provider.settings, "settings")
        rules.check_events(provider, settings)
        registers = request.register and isinstance(provider.webhooks, WebhookApi)
        if registers or request.credentials:
            self._check_access(provider, settings, request.credentials)
        scheme = provider.scheme(settings)
        secrets, generated = rules.secret_for(provider, scheme, request, new_provider_secret)
        connection = Connection(
            id=new_id("con_"),
            provider=provider.name,
            name=request.name or provider.title,
            status="registering" if registers else "waiting",
            settings=request.settings,
            credentials=request.credentials,
            secrets=secrets,
            created_at=self._store.now(),
        )
        return connection, scheme, generated

    def _check_access(self, provider: Provider, settings: Settings, given: Mapping[str, Any]) -> None:
        """See that the provider's API could be asked, as far as can be told without asking."""
        credentials = rules.converted(given, provider.credentials, "credentials")
        if isinstance(provider.webhooks, WebhookApi):
            rules.login_headers(provider.webhooks, credentials)
            try:
                self._egress.check_url(provider.webhooks.base_url(settings))
            except EgressRefused as error:
                raise Invalid(rules.address_field(settings), str(error)) from None

    def _placed(
        self, planned: Connection, scheme: Hmac | Unsigned, own_url: bool, others: Sequence[Connection]
    ) -> Connection:
        """Give it the shared URL if every call on it could still be decided, else its own."""
        if own_url or rules.needs_own_url(planned, scheme, others):
            return replace(planned, token=new_url_token())
        rules.check_unique(planned, scheme, others, self._providers)
        return planned

    def _changed(self, before: Connection, change: ConnectionChange, others: Sequence[Connection]) -> Connection:
        provider = self._providers.get(before.provider)
        if provider is None:
            raise Conflict(f"The plugin {before.provider!r} is not installed.")
        if before.status in ("registering", "removing") and (change.settings, change.signing_secret) != (UNSET, UNSET):
            raise Conflict(f"It is {before.status}: only its name and credentials can be changed.")
        credentials, settings = merged(before.credentials, change.credentials), merged(before.settings, change.settings)
        wanted = rules.converted(settings, provider.settings, "settings")
        rules.check_events(provider, wanted)
        if change.credentials is not UNSET or change.settings is not UNSET:
            self._check_access(provider, wanted, credentials)
        rules.check_registered(provider, before, wanted, change)
        scheme = provider.scheme(wanted)
        after = replace(
            before,
            name=before.name if change.name is UNSET else change.name,
            credentials=credentials,
            settings=settings,
            secrets=rules.secrets_after(provider, before, scheme, change),
        )
        if (before.settings, before.secrets) != (after.settings, after.secrets):
            self._check_place(after, scheme, others)
        return after

    def _check_place(self, after: Connection, scheme: Hmac | Unsigned, others: Sequence[Connection]) -> None:
        """See that calls can still be decided after a change: a URL that a provider knows is not exchanged here."""
        if after.token is None and rules.needs_own_url(after, scheme, others):
            raise Conflict("Its calls could not be told from another connection's: connect again with `own_url`.")
        rules.check_unique(after, scheme, others, self._providers)

    # --- doing -----------------------------------------------------------------------------------------------------

    async def _register(self, connection: Connection) -> Connection:
        remote = self._remote(connection)
        assert remote is not None, "only a connection whose provider has an API is `registering`"
        try:
            webhook = await remote.create()
        except ProviderApiError as error:
            raise remote.explain(error, await self._undo(remote, error)) from None
        except EgressRefused as error:
            await self._forget(connection.id)
            raise Invalid("settings", str(error)) from None
        made = await self._update(connection.id, lambda c: registered(c, webhook, self._store.now()))
        await self._inboxes.refresh()
        return made

    async def _undo(self, remote: Remote, error: ProviderApiError) -> str:
        """Leave nothing of a failed registration: a provider that did not answer may have made the webhook."""
        connection = remote.connection
        certain = not isinstance(error, ApiUnavailable) or not error.reached or error.status == TOO_MANY_REQUESTS
        outcome = "" if certain else await self._sweep(remote, error)
        if outcome is not None:
            await self._forget(connection.id)
            return outcome
        await self._update(connection.id, lambda c: replace(c, status="removing"))
        await self._inboxes.refresh()
        self._removals.wake(connection.id)
        return f"A webhook may have been made all the same: {connection.id} is removed once that is found out."

    async def _sweep(self, remote: Remote, error: ProviderApiError) -> str | None:
        """Delete what may have been made, and say so; None when the provider cannot be asked about it."""
        others = [c for c in await self._store.connections() if c.id != remote.connection.id]
        try:
            async with asyncio.timeout(AT_ONCE_SECONDS):
                await remote.remove(others)
        except ProviderApiError as again:
            nonsense = error.status in SUCCESS and again.status in SUCCESS
            return "Nothing at its address answers as its API does." if nonsense else None
        except (EgressRefused, TimeoutError):
            return None
        return "No webhook was left there."

    def _remote(self, connection: Connection) -> Remote | None:
        """Make the way to a connection's provider. Raises Invalid when a newer plugin cannot read its settings."""
        provider = self._providers.get(connection.provider)
        if provider is None or isinstance(provider.webhooks, ByHand):
            return None
        api = provider.webhooks
        settings = rules.converted(connection.settings, provider.settings, "settings")
        credentials = rules.converted(connection.credentials, provider.credentials, "credentials")
        wanted = Wanted(
            url=self._inboxes.url_of(connection),
            events=settings.events or api.events,
            secret=connection.secrets[0] if connection.secrets else None,
            label=f"booking-webhook-gateway {connection.id}",
        )
        http = self._egress.provider(api.base_url(settings), api.headers(credentials))
        return Remote(provider.title, rules.address_settings(provider), api, http, wanted, connection)

    async def _find(self, connection_id: str) -> Connection | None:
        return next((c for c in await self._store.connections() if c.id == connection_id), None)

    async def _forget(self, connection_id: str) -> None:
        await self._store.remove_connection(connection_id)
        await self._inboxes.refresh()

    async def _update(self, connection_id: str, change: Callable[[Connection], Connection]) -> Connection:
        """Write a change to the row as it is now: a call that arrives meanwhile changes its status."""
        for _ in range(_TRIES):
            row = await self._find(connection_id)
            if row is None:
                raise Conflict("It was removed meanwhile.")
            try:
                return await self._store.put_connection(change(row))
            except VersionConflict:
                continue
        raise Conflict("It keeps being changed by others: try again.")


def registered(connection: Connection, webhook: Webhook, now: int) -> Connection:
    """Note what the provider says it made. `now` in epoch milliseconds."""
    return replace(
        connection,
        status="waiting",
        account=webhook.account,
        remote=Seen(id=webhook.id, url=webhook.url, events=webhook.events, checked_at=now),
        webhook_ids=tuple(dict.fromkeys((webhook.id, *connection.webhook_ids))),
    )


def merged(before: Mapping[str, Any], change: Mapping[str, Any] | UnsetType) -> dict[str, Any]:
    """Apply a change key by key, as JSON Merge Patch does at its first level: null takes a key away."""
    if change is UNSET or isinstance(change, UnsetType):
        return dict(before)
    return {key: value for key, value in {**before, **change}.items() if value is not None}

"""Connect, change, disconnect: rows here, webhooks at the provider, and never one without the other unnoticed.

The row is committed before the provider is asked, and it goes away last. So whatever stops in between (a crash, a
timeout), a row says what may exist over there, and `run_removals` works until it does not.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from gateway.contract.errors import EgressRefused, GatewayError, ProviderApiError
from gateway.contract.provider import Provider, Settings, WebhookApi
from gateway.contract.signatures import Hmac, Unsigned
from gateway.registration import rules
from gateway.registration.remote import Remote, certain
from gateway.registration.removals import RETRY_SECONDS, Removals
from gateway.registration.repair import Repairs, registered, settled
from gateway.registration.rotate import Rotation
from gateway.registration.rows import ConnectionStore, Rows, Urls
from gateway.registration.rules import Conflict, ConnectionChange, ConnectRequest, Invalid
from gateway.registration.ways import Door, Ways
from gateway.sealing import new_id, new_provider_secret, new_url_token
from gateway.store.model import Connection

AT_ONCE_SECONDS = 10.0
"""How long whoever asks waits for a removal; after that it goes on without them."""

SUCCESS = range(200, 300)


class Connected(Struct, frozen=True):
    """A connection just made. `generated`: the signing secret that was made for it, to be shown this once."""

    connection: Connection
    generated: str | None


class Registrar:
    """Make, change and remove connections; `repairs` compares them with what is there, and `rotation` renews.

    `delays`: seconds between attempts to delete a webhook at a provider. `wake`: called when the watch has something to
    look at, with a connection's id or None for all.
    """

    def __init__(
        self,
        store: ConnectionStore,
        egress: Door,
        providers: Mapping[str, Provider],
        urls: Urls,
        *,
        delays: Sequence[float] = RETRY_SECONDS,
    ) -> None:
        self.rows = Rows(store, urls)
        self.ways = Ways(egress, providers, urls)
        self.repairs = Repairs(self.rows, self.ways)
        self.rotation = Rotation(self.rows, self.repairs, providers)
        self.wake: Callable[[str | None], None] = _nobody_to_wake
        self._store = store
        self._egress = egress
        self._providers = providers
        self._placing = asyncio.Lock()
        self._removals = Removals(self.rows, self.ways, delays)

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
            others = await self._store.connections()
            placed = self._placed(planned, scheme, request.own_url, others)
            if request.name is None:
                placed = replace(placed, name=rules.free_name(placed.name, {other.name for other in others}))
            connection = await self._store.put_connection(placed)
        await self.rows.urls.refresh()
        if connection.status == "registering":
            connection = await self._register(connection)
        return Connected(connection, generated)

    async def change(self, connection_id: str, change: ConnectionChange) -> Connection | None:
        """Change a connection; None when there is no such. Its webhook follows when the watch, woken by it, looks.

        New credentials are tried at the provider at once; what it says of them is the row's status and `problem`.
        Raises Invalid, and Conflict for what only a new connection can have.
        """
        async with self._placing:
            others = await self._store.connections()
            if all(c.id != connection_id for c in others):
                return None
            changed = await self.rows.update(connection_id, lambda c: self._changed(c, change, others))
        self._removals.wake(connection_id)
        self.wake(connection_id)
        return changed if change.credentials is UNSET else await self._tried(changed)

    async def _tried(self, changed: Connection) -> Connection:
        """Ask the provider whether it takes what was changed; one that says nothing in time is asked by the watch."""
        with suppress(GatewayError, TimeoutError):  # what was refused is noted in the row, and told from there
            async with asyncio.timeout(AT_ONCE_SECONDS):
                await self.repairs.check(changed.id)
        return await self.rows.find(changed.id) or changed

    async def disconnect(self, connection_id: str, *, force: bool = False) -> bool | None:
        """Refuse its calls from now on and delete its webhook; None when there is no such connection.

        True when all is gone; False when the provider could not be asked: `run_removals` goes on. `force`: forget it
        at once when the provider cannot be asked, and leave there what is there. Raises Conflict.
        """
        row = await self.rows.find(connection_id)
        if row is None:
            return None
        if row.status == "registering" and not force:
            raise Conflict("It is being registered at its provider: try again in a moment.")
        if row.status not in ("registering", "removing") and not row.webhook_ids:
            await self.rows.forget(connection_id)
            return True
        await self.rows.update(connection_id, lambda c: replace(c, status="removing"))
        gone = await self._removals.attempt(connection_id, within=AT_ONCE_SECONDS)
        if force and not gone:
            await self._removals.forget(connection_id)
        return gone or force

    # --- deciding --------------------------------------------------------------------------------------------------

    def _plan(self, request: ConnectRequest) -> tuple[Connection, Hmac | Unsigned, str | None]:
        """Check a request: what it becomes, how its calls are signed, and the secret that was made for it."""
        provider = self._providers.get(request.provider)
        if provider is None:
            raise rules.not_installed(request.provider, self._providers)
        settings = rules.converted(request.settings, provider.settings, "settings")
        rules.check_events(provider, settings)
        registers = request.register and isinstance(provider.webhooks, WebhookApi)
        if registers or request.credentials or rules.confirms(settings):
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
        secrets = rules.secrets_after(provider, before, scheme, change)
        after = replace(
            before,
            name=before.name if change.name is UNSET else change.name,
            credentials=credentials,
            settings=settings,
            secrets=secrets,
            replaced=tuple(old for old in before.replaced if old.kind == "token" or old.value in secrets),
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
        remote = self.ways.to(connection, await self.rows.others(connection.id))
        assert remote is not None, "only a connection whose provider has an API is `registering`"
        try:
            webhook = await remote.create()
        except ProviderApiError as error:
            outcome = await self._undo(remote, error)
            raise remote.explain(error, outcome, "then connect again") from None
        except EgressRefused as error:
            await self.rows.forget(connection.id)
            raise Invalid("settings", str(error)) from None
        now = self._store.now()
        return await self.rows.update(
            connection.id, lambda c: settled(registered(c, remote, webhook, now), heard=False, now=now)
        )

    async def _undo(self, remote: Remote, error: ProviderApiError) -> str:
        """Leave nothing of a failed registration: a provider that did not answer may have made the webhook."""
        connection = remote.connection
        outcome = "" if certain(error) else await self._sweep(remote, error)
        if outcome is not None:
            await self.rows.forget(connection.id)
            return outcome
        await self.rows.update(connection.id, lambda c: replace(c, status="removing"))
        self._removals.wake(connection.id)
        return f"A webhook may have been made all the same: {connection.id} is removed once that is found out."

    async def _sweep(self, remote: Remote, error: ProviderApiError) -> str | None:
        """Delete what may have been made, and say so; None when the provider cannot be asked about it."""
        try:
            async with asyncio.timeout(AT_ONCE_SECONDS):
                await remote.remove()
        except ProviderApiError as again:
            nonsense = error.status in SUCCESS and again.status in SUCCESS
            return "Nothing at its address answers as its API does." if nonsense else None
        except (EgressRefused, TimeoutError):
            return None
        return "No webhook was left there."


def _nobody_to_wake(connection_id: str | None) -> None:
    """Stand in where nothing watches."""
    del connection_id


def merged(before: Mapping[str, Any], change: Mapping[str, Any] | UnsetType) -> dict[str, Any]:
    """Apply a change key by key, as JSON Merge Patch does at its first level: null takes a key away."""
    if change is UNSET or isinstance(change, UnsetType):
        return dict(before)
    return {key: value for key, value in {**before, **change}.items() if value is not None}

"""The way to each connection's provider: its API, logged in and paced, and the webhook that should be there."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from gateway.contract.http import Http
from gateway.contract.provider import Api, BookingApi, ByHand, Provider, Settings, Wanted, WebhookApi
from gateway.registration import rules
from gateway.registration.pace import Pace, PacedHttp
from gateway.registration.plan import Known
from gateway.registration.remote import Remote
from gateway.registration.rows import Urls
from gateway.store.model import Connection

LABEL = "booking-webhook-gateway {}"
"""What webhooks are called at providers that keep a text; filled in with the connection's id."""


class Door(Protocol):
    """The way out to providers: gateway.egress.Egress."""

    def check_url(self, url: str, /) -> None: ...
    def provider(self, base_url: str, headers: Mapping[str, str], /, timeout: float) -> Http: ...


class Ways:
    """Make the way to a provider; one for a gateway, so that all who ask one account share its pace."""

    def __init__(self, egress: Door, providers: Mapping[str, Provider], urls: Urls) -> None:
        self._egress = egress
        self._providers = providers
        self._urls = urls
        self._pace = Pace()

    def to(self, connection: Connection, others: Iterable[Connection] = ()) -> Remote | None:
        """Make the way to a connection's webhook; None where its provider has no API.

        `others`: our other connections. Raises Invalid when a newer plugin cannot read what is set.
        """
        provider = self._providers.get(connection.provider)
        if provider is None or isinstance(provider.webhooks, ByHand):
            return None
        api, settings = provider.webhooks, self._settings(provider, connection)
        return Remote(
            title=provider.title,
            address=rules.address_settings(provider),
            api=api,
            http=self._http(api, provider, connection),
            wanted=self._wanted(api, settings, connection),
            connection=connection,
            known=self._known(api, connection, others),
        )

    def http(self, connection: Connection) -> Http | None:
        """Make the way to the API that is asked for a connection's bookings; None when there is none. As `to`."""
        provider = self._providers.get(connection.provider)
        if provider is None or provider.bookings is None:
            return None
        return self._http(provider.bookings, provider, connection)

    def bookings(self, connection: Connection) -> BookingApi | None:
        """Give the API that a connection's provider can be asked for bookings by."""
        provider = self._providers.get(connection.provider)
        return provider.bookings if provider else None

    def _http(self, api: Api, provider: Provider, connection: Connection) -> Http:
        base_url = api.base_url(self._settings(provider, connection))
        headers = api.headers(rules.converted(connection.credentials, provider.credentials, "credentials"))
        http = self._egress.provider(base_url, headers, timeout=api.timeout)
        return PacedHttp(http, self._pace, (base_url, tuple(sorted(headers.items()))), api.per_minute)

    def _wanted(self, api: WebhookApi, settings: Settings, connection: Connection) -> Wanted:
        return Wanted(
            url=self._urls.url_of(connection),
            events=settings.events or api.events,
            secret=connection.secrets[0] if connection.secrets else None,
            label=LABEL.format(connection.id),
        )

    def _known(self, api: WebhookApi, connection: Connection, others: Iterable[Connection]) -> Known:
        mine = frozenset(connection.webhook_ids)
        return Known(
            urls=self._urls.urls_of(connection),
            secrets=connection.secrets,
            label=LABEL.format(connection.id),
            ids=mine,
            taken=frozenset(one for other in others for one in other.webhook_ids) - mine,
            last=connection.remote,
            leaving=connection.leaving,
            alone=connection.token is not None,
            updates=type(api).update is not WebhookApi.update,
            shows_secret=api.shows_secret,
            keeps_label=api.keeps_label,
            restored=connection.restored,
            decision=connection.repairing,
        )

    @staticmethod
    def _settings(provider: Provider, connection: Connection) -> Settings:
        return rules.converted(connection.settings, provider.settings, "settings")

"""One connection's webhook, seen from its provider's side: make it, and leave nothing of it."""

from collections.abc import Awaitable, Iterable, Mapping
from typing import Protocol, TypeVar

from msgspec import Struct

from gateway.contract.errors import (
    ApiRefused,
    ApiUnavailable,
    CredentialRefused,
    GatewayError,
    ProviderApiError,
    WebhookLimit,
)
from gateway.contract.provider import Http, Wanted, Webhook, WebhookApi
from gateway.store.model import Connection

T = TypeVar("T")

NO_ANSWER = "no answer: "
"""How the words of an error begin when the provider said nothing at all."""

SHORTEST = 6
"""Characters of a credential that is taken out of a provider's words; a shorter one may be part of any word."""

ADVICE: Mapping[type[ProviderApiError], str] = {
    CredentialRefused: "Check `credentials`: the key may be mistyped, expired, or not allowed to manage webhooks.",
    WebhookLimit: "Delete a webhook there that is not needed any more, then connect again.",
    ApiRefused: "Check `settings`, and that GATEWAY_PUBLIC_URL is an address the provider can call.",
    ApiUnavailable: "Try again later",
}
"""What the operator can do about a provider's refusal."""


class Door(Protocol):
    """The way out to providers: gateway.egress.Egress."""

    def check_url(self, url: str, /) -> None: ...
    def provider(self, base_url: str, headers: Mapping[str, str], /) -> Http: ...


class Remote(Struct, frozen=True):
    """The API of one connection's provider, logged in, and the webhook that should be there.

    `address`: the settings that say where the API is.
    """

    title: str
    address: tuple[str, ...]
    api: WebhookApi
    http: Http
    wanted: Wanted
    connection: Connection

    async def create(self) -> Webhook:
        """Make the webhook. Raises ProviderApiError, EgressRefused."""
        return await _guarded(self.api.create(self.http, self.wanted))

    async def remove(self, others: Iterable[Connection]) -> None:
        """Delete the webhook; one that was perhaps made, and whose id is not known, is looked for.

        Raises ProviderApiError, EgressRefused.
        """
        if self.connection.remote is not None:
            await _guarded(self.api.delete(self.http, self.connection.remote.id))
            return
        taken = {webhook_id for other in others for webhook_id in other.webhook_ids}
        for webhook in await _guarded(self.api.list(self.http)):
            if webhook.id not in taken and self._ours(webhook):
                await _guarded(self.api.delete(self.http, webhook.id))

    def explain(self, error: ProviderApiError, outcome: str = "") -> ProviderApiError:
        """Make the error that the operator reads: the provider's words, what became of it, what to do."""
        parts = (self._said(error), outcome, self._advice(error))
        words = " ".join(part for part in parts if part)
        return type(error)(words, status=error.status, retry_after=error.retry_after)

    def _said(self, error: ProviderApiError) -> str:
        words = self._without_secrets(error.words)
        if not error.status and words.startswith(NO_ANSWER):
            return f"{self.title} could not be reached: {words.removeprefix(NO_ANSWER)}."
        return f"{self.title} answered: {words}."

    def _advice(self, error: ProviderApiError) -> str:
        advice = next((text for kind, text in ADVICE.items() if isinstance(error, kind)), "")
        if not isinstance(error, ApiUnavailable):
            return advice
        given = " and ".join(f"`--set {name}=...`" for name in self.address)
        return f"{advice}; if it stays so, check {given}." if given else f"{advice}."

    def _ours(self, webhook: Webhook) -> bool:
        """Say whether a webhook is this connection's. Many may have the shared URL, made by people or for other
        connections: there only the label or the secret tells."""
        if webhook.url != self.wanted.url:
            return False
        by_label = webhook.label == self.wanted.label
        by_secret = webhook.secret is not None and webhook.secret == self.wanted.secret
        return by_label or by_secret or self.connection.token is not None

    def _without_secrets(self, words: str) -> str:
        """Take out what a provider may repeat of what it was sent."""
        token = self.wanted.url.rpartition("/")[2]
        for secret in (token, *self.connection.secrets, *map(str, self.connection.credentials.values())):
            words = words.replace(secret, "***") if len(secret) >= SHORTEST else words
        return words.rstrip(".")


async def _guarded(asked: Awaitable[T]) -> T:
    """Wait for a plugin's API client; its own mistakes count as an API that cannot be used."""
    try:
        return await asked
    except GatewayError:
        raise
    except Exception as error:
        raise ApiUnavailable(f"its plugin failed with {type(error).__name__}") from error

"""One connection's webhook, seen from its provider's side: make it, and leave nothing of it."""

import asyncio
from collections.abc import Awaitable, Collection, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from gateway.contract.errors import (
    ApiRefused,
    ApiUnavailable,
    CredentialRefused,
    GatewayError,
    ProviderApiError,
    WebhookLimit,
)
from gateway.contract.http import Http
from gateway.contract.provider import Wanted, Webhook, WebhookApi
from gateway.registration.plan import Known, Plan, place, plan, standing
from gateway.store.model import Connection

T = TypeVar("T")

NO_ANSWER = "no answer: "
"""How the words of an error begin when the provider said nothing at all."""

SHORTEST = 6
"""Characters of a credential that is taken out of a provider's words; a shorter one may be part of any word."""

ADVICE: Mapping[type[ProviderApiError], str] = {
    CredentialRefused: "Check `credentials`: the key may be mistyped, expired, or not allowed to manage webhooks.",
    WebhookLimit: "Delete a webhook there that is not needed any more",
    ApiRefused: "Check `credentials` (is one missing?), `settings`, and that GATEWAY_PUBLIC_URL is an address the "
    "provider can call.",
    ApiUnavailable: "Try again later",
}
"""What the operator can do about a provider's refusal."""

BY_ITSELF = "this is tried again by itself"
"""How advice ends where nobody has to do anything more."""

FIND_SECONDS = 10.0
"""How long a provider that gave no answer is asked what it has made."""

TOO_MANY_REQUESTS = 429


class AnotherWebhook(ProviderApiError):
    """Say that what a provider answered is not the webhook that was asked for."""


class Remote(Struct, frozen=True):
    """The API of one connection's provider, logged in, and the webhook that should be there.

    `address`: the settings that say where the API is. Every verb raises ProviderApiError, EgressRefused.
    """

    title: str
    address: tuple[str, ...]
    api: WebhookApi
    http: Http
    wanted: Wanted
    connection: Connection
    known: Known

    async def look(self) -> Plan:
        """Compare what is there with what should be."""
        return plan(self.wanted, await self._listed(), self.known)

    async def create(self, seen: Collection[str] = ()) -> Webhook:
        """Make the webhook. One that was made although its answer was lost is found and taken: never a second.

        `seen`: the ids of those that are there before. Raises AnotherWebhook when the answer names none that is new.
        """
        try:
            answered = await guarded(self.api.create(self.http, self.wanted))
        except ApiUnavailable as error:
            made = None if certain(error) else await self._made_all_the_same()
            if made is None:
                raise
            return made
        if answered.id in seen:
            raise _another(f"{answered.id}, which was there before, instead of a new one")
        return self._as_asked(answered)

    async def update(self, webhook_id: str) -> Webhook | None:
        """Change a webhook in place; None when the provider has no such verb. Raises AnotherWebhook."""
        changed = await guarded(self.api.update(self.http, webhook_id, self.wanted))
        if changed is not None and changed.id != webhook_id:
            raise _another(f"{changed.id} instead of {webhook_id}")
        return None if changed is None else self._as_asked(changed)

    async def delete(self, webhook_id: str) -> None:
        """Delete one; one that is gone already is done."""
        await guarded(self.api.delete(self.http, webhook_id))

    async def remove(self) -> None:
        """Delete every webhook of this connection, also one whose id was never learnt."""
        known = replace(self.known, decision="beside" if self.connection.restored else "move")
        for step in plan(None, await self._listed(), known).steps:
            await self.delete(str(step.webhook))

    def _as_asked(self, webhook: Webhook) -> Webhook:
        """See that it calls the very URL that was given: one that differs by a slash is another."""
        if webhook.url == self.wanted.url:
            return webhook
        there, asked = place(webhook.url), place(self.wanted.url)
        raise _another(
            f"{webhook.id}, which calls {'another path' if there == asked else there} and not {asked} as asked"
        )

    async def _made_all_the_same(self) -> Webhook | None:
        try:
            async with asyncio.timeout(FIND_SECONDS):
                return standing(self.wanted, await self._listed(), self.known)
        except (ProviderApiError, TimeoutError):  # the answer that was lost is what is told
            return None

    async def _listed(self) -> Sequence[Webhook]:
        return await guarded(self.api.list(self.http))

    def explain(self, error: ProviderApiError, outcome: str = "", then: str = BY_ITSELF) -> ProviderApiError:
        """Make the error that the operator reads: the provider's words, what became of it, what to do."""
        parts = (self._said(error), outcome, self._advice(error, then))
        words = " ".join(part for part in parts if part)
        return type(error)(words, status=error.status, retry_after=error.retry_after, reached=error.reached)

    def _said(self, error: ProviderApiError) -> str:
        words = self._without_secrets(error.words)
        if not error.status and words.startswith(NO_ANSWER):
            return f"{self.title} could not be reached: {words.removeprefix(NO_ANSWER)}."
        return f"{self.title} answered: {words}."

    def _advice(self, error: ProviderApiError, then: str) -> str:
        advice = next((text for kind, text in ADVICE.items() if isinstance(error, kind)), "")
        if isinstance(error, WebhookLimit):
            return f"{advice}; {then}."
        if not isinstance(error, ApiUnavailable):
            return advice
        given = " and ".join(f"`--set {name}=...`" for name in self.address)
        return f"{advice}; if it stays so, check {given}." if given else f"{advice}."

    def _without_secrets(self, words: str) -> str:
        """Take out what a provider may repeat of what it was sent."""
        tokens = [url.rpartition("/")[2] for url in self.known.urls]
        for secret in (*tokens, *self.connection.secrets, *map(str, self.connection.credentials.values())):
            words = words.replace(secret, "***") if len(secret) >= SHORTEST else words
        return words.rstrip(".")


def _another(what: str) -> AnotherWebhook:
    return AnotherWebhook(
        f"it names another webhook or URL than was asked for: {what}. It was not noted as ours, and nothing was "
        "deleted for it: look there which webhooks exist, and delete by hand what nobody needs"
    )


def certain(error: ProviderApiError) -> bool:
    """Say whether an error means that nothing was made: no doubt about a refusal, nor where nobody was reached."""
    return not isinstance(error, ApiUnavailable) or not error.reached or error.status == TOO_MANY_REQUESTS


async def guarded(asked: Awaitable[T]) -> T:
    """Wait for a plugin's API client; its own mistakes count as an API that cannot be used."""
    try:
        return await asked
    except GatewayError:
        raise
    except Exception as error:
        raise ApiUnavailable(f"its plugin failed with {type(error).__name__}") from error

"""Three invented providers, one for each way of connecting, and the API that two of them share."""

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from gateway.contract.errors import ApiRefused, ApiUnavailable, WebhookLimit
from gateway.contract.http import Http
from gateway.contract.provider import (
    Account,
    ByHand,
    Draft,
    Inbound,
    NoCredentials,
    Provider,
    Receipt,
    Settings,
    Wanted,
    Webhook,
    WebhookApi,
)
from gateway.contract.signatures import Hmac, Unsigned


class Key(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    api_key: str


class Site(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    base_url: str = "https://api.vendor.example"


class Stated(Hmac, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How calls are signed, as the operator says."""


class Scheme(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    signature: Stated | None = None


class Office(WebhookApi):
    """The vendor's side in memory: what it has, what it was asked, and what it does next instead of obeying.

    `limit`: how many webhooks it takes. `at`: called before and after it does something.
    """

    events = ("made", "moved", "gone")
    shows_secret = True

    def __init__(self) -> None:
        self.hooks: dict[str, Webhook] = {}
        self.asked: list[str] = []
        self.fails: dict[str, list[Exception]] = {}
        self.loses_answers = False
        self.limit = 1000
        self._numbers = count(1)
        self.at: Callable[[str], None] = lambda _: None

    def base_url(self, settings: Site) -> str:
        return settings.base_url

    def headers(self, credentials: Key) -> Mapping[str, str]:
        return {"x-key": credentials.api_key}

    def _answer(self, verb: str) -> None:
        self.asked.append(verb)
        self.at(f"before {verb}")
        if self.fails.get(verb):
            raise self.fails[verb].pop(0)

    async def create(self, http: Http, wanted: Wanted) -> Webhook:
        del http
        self._answer("create")
        if len(self.hooks) >= self.limit:
            raise full()
        hook = self.add(wanted)
        self.at("after create")
        if self.loses_answers:
            raise ApiUnavailable("no answer within 20 s")
        return hook

    async def list(self, http: Http) -> Sequence[Webhook]:
        del http
        self._answer("list")
        return list(self.hooks.values())

    async def delete(self, http: Http, webhook_id: str) -> None:
        del http
        self._answer("delete")
        self.hooks.pop(webhook_id, None)
        self.at("after delete")

    def add(self, wanted: Wanted) -> Webhook:
        hook = Webhook(
            id=f"hook-{next(self._numbers)}",
            url=wanted.url,
            events=wanted.events,
            secret=wanted.secret,
            label=None if wanted.secret else wanted.label,
            account="acme",
        )
        self.hooks[hook.id] = hook
        return hook


class Changing(Office):
    """One that can also change a webhook in place."""

    async def update(self, http: Http, webhook_id: str, wanted: Wanted) -> Webhook:
        del http
        self._answer("update")
        if webhook_id not in self.hooks:
            raise ApiRefused("no such webhook", status=404)
        said = {"url": wanted.url, "events": wanted.events, "secret": wanted.secret}
        self.hooks[webhook_id] = replace(self.hooks[webhook_id], **said)
        self.at("after update")
        return self.hooks[webhook_id]


class Answering(Changing):
    """One whose answers are not what was asked for.

    `upserts`: a URL that is called already gets no second webhook. `normalises`: a URL gets a slash at its end.
    `names`: the id of the webhook that every answer is about instead.
    """

    upserts = normalises = False
    names: str | None = None

    async def create(self, http: Http, wanted: Wanted) -> Webhook:
        there = next((hook for hook in self.hooks.values() if hook.url == wanted.url), None)
        if self.upserts and there is not None:
            return await super().update(http, there.id, wanted)
        if self.normalises:
            wanted = replace(wanted, url=f"{wanted.url}/")
        made = await super().create(http, wanted)
        return self.hooks[self.names] if self.names else made

    async def update(self, http: Http, webhook_id: str, wanted: Wanted) -> Webhook:
        if self.normalises:
            wanted = replace(wanted, url=f"{wanted.url}/")
        changed = await super().update(http, webhook_id, wanted)
        return self.hooks[self.names] if self.names else changed


class Silent(Provider):
    """Translates nothing: only connecting is tried here."""

    docs = "https://vendor.example/docs"
    types = ("provider.event",)

    def recognises(self, inbound: Inbound, body: object, account: Account) -> bool:
        del inbound, account
        return isinstance(body, dict) and body.get("from") == self.name

    def translate(self, receipt: Receipt) -> Sequence[Draft]:
        del receipt
        return []


class Signing(Silent):
    name, title = "signing", "Signing Inc."
    credentials, settings = Key, Site
    signature = Hmac(header="x-signature", encoding="hex")
    masked = frozenset({"secret"})

    def __init__(self, office: Office) -> None:
        self.webhooks = office  # type: ignore[misc]  # -- an office for each test, not for the class


class Plain(Silent):
    name, title = "plain", "Plain Ltd."
    credentials, settings = Key, Site
    signature = Unsigned("it never signs, https://vendor.example/docs")

    def __init__(self, office: Office) -> None:
        self.webhooks = office  # type: ignore[misc]  # -- as above


class Pasted(Silent):
    name, title = "pasted", "Pasted GmbH"
    credentials, settings = NoCredentials, Scheme
    signature = Unsigned("its page does not say how")
    webhooks = ByHand("Paste {url}, call it {name}, and {tick} all.")

    def scheme(self, settings: Any) -> Hmac | Unsigned:
        return settings.signature or self.signature


def full() -> WebhookLimit:
    return WebhookLimit("six is enough", status=406)

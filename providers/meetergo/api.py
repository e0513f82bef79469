"""Their HTTP API. https://developer.meetergo.com/developer-docs/webhooks/managing-webhooks"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote

from msgspec import Meta, Struct

from gateway.contract.errors import ApiRefused, WebhookLimit
from gateway.contract.provider import Api, BookingSettings, Http, Wanted, Webhook, WebhookApi, discard

NO_ROOM = 406  # after six webhooks of a company


class Credentials(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    api_key: Annotated[str, Meta(min_length=1, description="a personal token rgo-..., or a platform key ak_live:...")]
    user_id: Annotated[str, Meta(min_length=1, description="a platform key's", extra={"secret": False})] | None = None


class AddressSettings(BookingSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    base_url: Annotated[str, Meta(pattern="^https?://", description="the API's address")] = "https://api.meetergo.com"


class _Hook(Struct, rename="camel"):
    id: str
    endpoint: str
    event_types: tuple[str, ...] = ()
    description: str | None = None
    company_id: str | None = None


class Access(Api):
    def base_url(self, settings: AddressSettings) -> str:
        return settings.base_url.rstrip("/")

    def headers(self, credentials: Credentials) -> Mapping[str, str]:
        user = {"x-meetergo-api-user-id": credentials.user_id} if credentials.user_id else {}
        return {"Authorization": f"Bearer {credentials.api_key}", **user}


class Webhooks(Access, WebhookApi):
    events = ("booking_created", "booking_cancelled", "booking_rescheduled", "new_employee", "form_submission")

    async def create(self, http: Http, wanted: Wanted) -> Webhook:
        try:
            answer = await http.request("POST", "/webhooks", json=_asked(wanted))
        except ApiRefused as refusal:
            raise (WebhookLimit(refusal.words, status=NO_ROOM) if refusal.status == NO_ROOM else refusal) from None
        return _webhook(answer.read(_Hook))

    async def list(self, http: Http) -> Sequence[Webhook]:
        return [_webhook(hook) for hook in (await http.request("GET", "/webhooks")).read(list[_Hook])]

    async def update(self, http: Http, webhook_id: str, wanted: Wanted) -> Webhook:  # what it answers is not documented
        await http.request("PATCH", f"/webhooks/{quote(webhook_id, safe='')}", json=_asked(wanted))
        return Webhook(id=webhook_id, url=wanted.url, events=wanted.events, label=wanted.label)

    async def delete(self, http: Http, webhook_id: str) -> None:
        await discard(http, f"/webhooks/{quote(webhook_id, safe='')}")


def _asked(wanted: Wanted) -> dict[str, Any]:
    return {"endpoint": wanted.url, "description": wanted.label, "eventTypes": wanted.events}


def _webhook(hook: _Hook) -> Webhook:
    events, label, account = hook.event_types, hook.description, hook.company_id
    return Webhook(id=hook.id, url=hook.endpoint, events=events, label=label, account=account)

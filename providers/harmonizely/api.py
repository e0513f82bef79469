"""Their HTTP API: create, list and delete webhooks. There is no update."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal
from urllib.parse import quote

from msgspec import Meta, Struct, field

from gateway.contract.paging import Numbered, all_pages
from gateway.contract.provider import Http, Settings, Wanted, Webhook, WebhookApi, discard

SITES: Mapping[str, str] = {
    "harmonizely": "https://harmonizely.com/api",
    "simplymeet": "https://app.simplymeet.me/api",  # a newer wiki says secure.simplymeet.me: give it as `base_url`
}


class Credentials(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    api_key: Annotated[str, Meta(min_length=1, description="the account's API key")]


class SiteSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    site: Annotated[Literal["harmonizely", "simplymeet"], Meta(description="whose API it is")] = "harmonizely"
    base_url: Annotated[str, Meta(pattern="^https?://", description="the API's address; wins over site")] | None = None


class _Hook(Struct):
    uuid: str
    url: str
    events: tuple[str, ...] = ()
    secret: str | None = None


class _Page(Struct):  # both are there in an empty list too: without them it is something else
    pages: int
    embedded: dict[str, list[_Hook]] = field(name="_embedded")
    total: int | None = None


class Webhooks(WebhookApi):
    events = ("meetingScheduled", "meetingCancelled", "meetingRescheduled")
    shows_secret = True

    def base_url(self, settings: SiteSettings) -> str:
        return (settings.base_url or SITES[settings.site]).rstrip("/")

    def headers(self, credentials: Credentials) -> Mapping[str, str]:
        return {"X-API-KEY": credentials.api_key}

    async def create(self, http: Http, wanted: Wanted) -> Webhook:
        secret = {} if wanted.secret is None else {"secret": wanted.secret}
        answer = await http.request("POST", "/webhooks", json={"url": wanted.url, "events": wanted.events, **secret})
        return _webhook(answer.read(_Hook))

    async def list(self, http: Http) -> Sequence[Webhook]:
        async def read(number: int) -> Numbered:  # counted: `_links.next` is not documented
            page = (await http.request("GET", "/webhooks", query={"page": str(number)})).read(_Page)
            return Numbered(map(_webhook, page.embedded.get("items", ())), page.pages, page.total)

        return await all_pages(read)

    async def delete(self, http: Http, webhook_id: str) -> None:
        await discard(http, f"/webhooks/{quote(webhook_id, safe='')}")


def _webhook(hook: _Hook) -> Webhook:
    return Webhook(id=hook.uuid, url=hook.url, events=hook.events, secret=hook.secret)

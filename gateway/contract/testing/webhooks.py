"""Webhook API: what the plugin asks of the vendor's, tried on the simulator; and the simulator itself."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import UTC, datetime
from functools import wraps
from typing import Any, ClassVar, TypeVar
from urllib.parse import unquote, urlencode, urlsplit

import msgspec
import pytest

from gateway.contract.errors import (
    ApiRefused,
    ApiUnavailable,
    CredentialRefused,
    NotUnderstood,
    ProviderApiError,
    WebhookLimit,
)
from gateway.contract.http import Answer, Http, judge
from gateway.contract.provider import ByHand, Inbound, Receipt, Wanted, WebhookApi, parsed
from gateway.contract.signatures import Hmac, verify
from gateway.contract.simulator import Simulator
from gateway.contract.testing.suite import SECRET, URL, Suite
from gateway.contract.testing.translation import event_type

E = TypeVar("E", bound=ProviderApiError)
S = TypeVar("S", bound=Suite)


def awaited(test: Callable[[S], Coroutine[Any, Any, None]]) -> Callable[[S], None]:
    """Run a test to its end, whichever plugin for asynchronous tests is installed, or none."""

    @wraps(test)
    def run(self: S) -> None:
        asyncio.run(test(self))

    return run


class ByHandSuite(Suite):
    """No API: a person is told what to do."""

    def test_the_steps_name_the_url_and_the_connection(self) -> None:
        assert isinstance(self.provider.webhooks, ByHand)
        steps = self.provider.webhooks.steps + self.provider.webhooks.unsigned
        assert "{url}" in self.provider.webhooks.steps
        unknown = set(re.findall(r"\{(\w*)\}", steps)) - {"url", "name", "events", "id"}
        assert not unknown, "steps: nobody fills these in"


class SimulatorSuite(Suite):
    """The stand-in tells a story that the plugin understands, and ends it with a body that nobody could."""

    simulation: ClassVar[Callable[[], Simulator]]

    def test_the_story_is_understood_as_it_says(self) -> None:
        simulator = type(self).simulation()
        hook = simulator.paste(URL, SECRET)
        for scene in simulator.story():
            (call,) = simulator.calls(scene.word, scene.body)
            headers = [(name.lower(), value.encode()) for name, value in call.headers]
            inbound = Inbound(URL, tuple(headers), call.body, datetime.now(UTC))
            self._is_proven(inbound)
            receipt = Receipt(self.account(), "signature", inbound)
            assert self.provider.recognises(inbound, parsed(inbound), receipt.account), scene.title
            assert self._types(receipt) == scene.type, scene.title
        assert hook.id in simulator.hooks
        assert [scene.type for scene in simulator.story()].count(None) == 1
        assert simulator.story()[-1].type is None

    def _is_proven(self, inbound: Inbound) -> None:
        scheme = self.provider.scheme(self.account().settings)
        if isinstance(scheme, Hmac):
            at, headers = inbound.received_at, inbound.headers
            assert verify(scheme, [SECRET], url=inbound.url, headers=headers, body=inbound.body, at=at)

    def _types(self, receipt: Receipt) -> str | None:
        try:
            (draft,) = self.provider.translate(receipt)
        except NotUnderstood:
            return None
        return event_type(draft)


async def refusal(kind: type[E], call: Awaitable[object]) -> E:
    """Expect one kind of refusal and give it back."""
    with pytest.raises(kind) as raised:
        await call
    return raised.value


class AsgiHttp:
    """A provider's API without a socket: `Http` over a simulator's ASGI application."""

    def __init__(self, app: Any, base_url: str, headers: Mapping[str, str]) -> None:
        self.app, self.base = app, urlsplit(base_url).path
        self.headers = {"host": "localhost", "accept": "application/json", **headers}

    async def request(
        self, method: str, path: str, *, json: object = None, query: Mapping[str, str] | None = None
    ) -> Answer:
        body = b"" if json is None else msgspec.json.encode(json)
        stated = {**self.headers, "content-type": "application/json", "content-length": str(len(body))}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(self.base + path),
            "raw_path": (self.base + path).encode(),
            "query_string": urlencode(query or {}).encode(),
            "root_path": "",
            "headers": [
                (n.lower().encode(), v.encode()) for n, v in (stated | {"content-length": str(len(body))}).items()
            ],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        answered = dict(sent[0]["headers"])
        wait = answered.get(b"retry-after")
        return judge(sent[0]["status"], wait and wait.decode(), b"".join(m.get("body", b"") for m in sent[1:]))


class Nonsense:
    """An API that answers every call with a page for people."""

    async def request(self, *_: Any, **__: Any) -> Answer:
        return Answer(200, b"<html><body>We'll be back soon</body></html>")


class WebhookApiSuite(Suite):
    """Webhook API: what the plugin asks of the vendor's API, tried on the simulator, errors included."""

    simulation: ClassVar[Callable[[], Simulator]]
    limit: ClassVar[int | None] = None
    """How many webhooks an account may have."""

    def api(self) -> WebhookApi:
        assert isinstance(self.provider.webhooks, WebhookApi)
        return self.provider.webhooks

    def http(self, **credentials: str) -> Http:
        simulator = type(self).simulation()
        settings = msgspec.convert(simulator.settings("http://localhost:1"), self.provider.settings)
        given = msgspec.convert({**simulator.credentials, **credentials}, self.provider.credentials)
        base_url = self.api().base_url(settings)
        assert base_url.startswith("http://localhost:1"), "base_url() is where the settings lead"
        assert not base_url.endswith("/"), "base_url() ends without a slash"
        return AsgiHttp(simulator.app, base_url, self.api().headers(given))

    def wanted(self, number: int = 1) -> Wanted:
        return Wanted(url=f"{URL}-{number}", events=self.api().events, secret=SECRET, label="gw")

    @awaited
    async def test_one_that_is_made_is_listed(self) -> None:
        http, wanted = self.http(), self.wanted()
        made = await self.api().create(http, wanted)
        (listed,) = await self.api().list(http)
        assert listed.id == made.id != ""
        for hook in (made, listed):
            assert (hook.url, set(hook.events)) == (wanted.url, set(wanted.events))

    @awaited
    async def test_one_without_a_secret_is_made_too(self) -> None:
        made = await self.api().create(self.http(), msgspec.structs.replace(self.wanted(), secret=None))
        assert made.secret is None

    @awaited
    async def test_all_pages_are_listed(self) -> None:
        http, many = self.http(), range(min(self.limit or 25, 25))
        made = [(await self.api().create(http, self.wanted(number))).id for number in many]
        assert sorted(hook.id for hook in await self.api().list(http)) == sorted(made)

    @awaited
    async def test_a_full_account_is_an_error_of_its_own(self) -> None:
        http = self.http()
        for number in range(self.limit or 0):
            await self.api().create(http, self.wanted(number))
        if self.limit:
            with pytest.raises(WebhookLimit):
                await self.api().create(http, self.wanted(self.limit))

    @awaited
    async def test_a_change_in_place_keeps_the_id_or_is_no_verb(self) -> None:
        http, other = self.http(), self.wanted(2)
        made = await self.api().create(http, self.wanted())
        changed = await self.api().update(http, made.id, other)
        (listed,) = await self.api().list(http)
        assert listed.id == made.id
        assert listed.url == (other.url if changed else made.url)
        assert changed is None or (changed.id, changed.url) == (made.id, other.url)

    @awaited
    async def test_removing_twice_is_removing_once(self) -> None:
        http = self.http()
        kept, gone = [await self.api().create(http, self.wanted(number)) for number in (1, 2)]
        await self.api().delete(http, gone.id)
        await self.api().delete(http, gone.id)
        assert [hook.id for hook in await self.api().list(http)] == [kept.id]

    @awaited
    async def test_a_wrong_credential_is_refused(self) -> None:
        http = self.http(**dict.fromkeys(type(self).simulation().credentials, "not-this-one"))
        await refusal(CredentialRefused, self.api().list(http))
        await refusal(CredentialRefused, self.api().create(http, self.wanted()))
        await refusal(CredentialRefused, self.api().delete(http, "x"))

    @awaited
    async def test_a_refusal_carries_the_vendors_words(self) -> None:
        wanted = msgspec.structs.replace(self.wanted(), url="not-a-url")
        assert (await refusal(ApiRefused, self.api().create(self.http(), wanted))).words

    @awaited
    async def test_an_answer_that_cannot_be_read_is_an_outage(self) -> None:
        await refusal(ApiUnavailable, self.api().list(Nonsense()))
        await refusal(ApiUnavailable, self.api().create(Nonsense(), self.wanted()))

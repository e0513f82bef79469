"""Where their API is, what it is asked, and what the stand-in answers."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from gateway.contract.errors import ApiRefused, ApiUnavailable
from gateway.contract.http import Answer
from gateway.contract.provider import Wanted
from providers.harmonizely import Harmonizely
from providers.harmonizely.api import Credentials, Webhooks
from providers.harmonizely.simulator import Simulation

API = Webhooks()
HOOK: dict[str, Any] = {"url": "https://g.example.com/x", "events": [], "secret": None}


class Scripted:
    """An API that answers from a list and remembers what it was asked."""

    def __init__(self, *answers: bytes | ApiRefused) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, object, Mapping[str, str] | None]] = []

    async def request(
        self, method: str, path: str, *, json: object = None, query: Mapping[str, str] | None = None
    ) -> Answer:
        self.asked.append((method, path, json, query))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, ApiRefused):
            raise answer
        return Answer(200, answer)


def page(pages: int, *ids: str, total: int | None = None) -> bytes:
    items = [HOOK | {"uuid": uuid} for uuid in ids]
    return msgspec.json.encode({"page": 1, "pages": pages, "total": total, "_embedded": {"items": items}})


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({}, "https://harmonizely.com/api"),
        ({"site": "simplymeet"}, "https://app.simplymeet.me/api"),
        ({"site": "simplymeet", "base_url": "https://secure.simplymeet.me/api/"}, "https://secure.simplymeet.me/api"),
    ],
)
def test_the_site_is_a_setting_and_an_address_wins_over_it(settings: dict[str, str], address: str) -> None:
    assert API.base_url(msgspec.convert(settings, Harmonizely.settings)) == address


@pytest.mark.parametrize("wrong", [{"site": "calendly"}, {"base_url": "ftp://x"}, {"sight": "harmonizely"}])
def test_a_setting_that_is_none_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, Harmonizely.settings)


def test_the_key_goes_into_its_header() -> None:
    assert API.headers(Credentials(api_key="k")) == {"X-API-KEY": "k"}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"api_key": ""}, Credentials)


def test_a_secret_is_sent_only_when_there_is_one() -> None:
    http = Scripted(b'{"uuid":"h-1","url":"https://g.example.com/x","events":[]}')
    wanted = Wanted(url="https://g.example.com/x", events=("meetingScheduled",), secret=None, label="gateway")
    asyncio.run(API.create(http, wanted))
    asyncio.run(API.create(http, msgspec.structs.replace(wanted, secret="s")))
    asked = {"url": "https://g.example.com/x", "events": ("meetingScheduled",)}
    assert [json for _, _, json, _ in http.asked] == [asked, {**asked, "secret": "s"}]


def test_pages_are_counted_here_and_come_to_an_end() -> None:
    http = Scripted(page(3, "a"), page(3, "b"), page(3, "c"))
    assert [hook.id for hook in asyncio.run(API.list(http))] == ["a", "b", "c"]
    assert [query for _, _, _, query in http.asked] == [{"page": "1"}, {"page": "2"}, {"page": "3"}]


def test_an_api_that_promises_pages_without_end_is_not_followed_for_ever() -> None:
    http = Scripted(page(10**9))
    with pytest.raises(ApiUnavailable, match="more than 100 pages"):
        asyncio.run(API.list(http))
    assert len(http.asked) == 100


def test_an_id_stays_one_step_of_the_path() -> None:
    http = Scripted(b"")
    asyncio.run(API.delete(http, "../a b?c"))
    assert http.asked[0][1] == "/webhooks/..%2Fa%20b%3Fc"


def test_only_gone_already_is_done() -> None:
    asyncio.run(API.delete(Scripted(ApiRefused("Not found.", status=404)), "h-1"))
    with pytest.raises(ApiRefused):
        asyncio.run(API.delete(Scripted(ApiRefused("No.", status=400)), "h-1"))


def test_a_list_of_another_shape_is_an_outage() -> None:
    with pytest.raises(ApiUnavailable):
        asyncio.run(API.list(Scripted(b'{"pages":1,"_embedded":{"items":[{"uuid":5}]}}')))


def test_the_stand_in_signs_only_with_a_secret_and_under_either_name() -> None:
    simulator = Simulation(user_agent="SimplyMeet.me")
    hooks = simulator.paste("https://g.example.com/1", "s"), simulator.paste("https://g.example.com/2")
    headers = [dict(simulator.headers(hook, "meetingScheduled", b"{}")) for hook in hooks]
    assert ["webhook-signature" in said for said in headers] == [True, False]
    assert {said["user-agent"] for said in headers} == {"SimplyMeet.me"}


def test_the_stand_in_tells_the_same_story_twice() -> None:
    assert Simulation().story() == Simulation().story()

"""Whatever a vendor's API does instead of obeying: one clear line that says what to do; nothing lost or doubled."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stamina

from gateway.contract.provider import WebhookApi
from gateway.contract.simulator import Fault
from providers.meetergo.simulator import PLATFORM
from tests.web.test_vendors import BY_API, PROVIDERS, Vendor, vendor

JSON = (("content-type", "application/json"),)
TRIES = 3
"""So often a request that is safe to repeat is made."""


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    """Try again without waiting."""
    with stamina.set_testing(True, attempts=TRIES, cap=True):
        yield


def faults(**fields: Any) -> list[Fault]:
    return [Fault(**fields)] * TRIES


TROUBLE: dict[str, tuple[list[Fault], str, str]] = {
    "wrong key": (faults(status=401, body=b'{"message": "Unauthorized"}'), "Unauthorized", "Check `credentials`"),
    "forbidden": (faults(status=403, body=b'{"message": "Forbidden"}'), "Forbidden", "Check `credentials`"),
    "expired key": (faults(status=401, body=b'{"message": "Token expired"}'), "Token expired", "expired"),
    "missing header": (
        faults(status=400, body=b'{"message": "x-meetergo-api-user-id header is required"}'),
        "x-meetergo-api-user-id header is required",
        "`credentials` (is one missing?)",
    ),
    "full": (faults(status=406, body=b'{"message": "Company reached maximum"}'), "Company reached maximum", "Check"),
    "fields": (
        faults(status=422, body=b'{"message": "Invalid arguments", "errors": {"url": ["This value is not valid."]}}'),
        "Invalid arguments; url: This value is not valid.",
        "GATEWAY_PUBLIC_URL",
    ),
    "too often": (faults(status=429, body=b'{"message": ["Slow", "down"]}'), "Slow; down", "Try again later"),
    "too often, and when to come back": (faults(status=429, headers=(("retry-after", "60"),)), "HTTP 429", "later"),
    "broken": (faults(status=500), "HTTP 500", "Try again later"),
    "a page for people": (faults(status=200, body=b"<html>Down</html>"), "could not be read", "--set"),
    "half an answer": (faults(status=200, headers=JSON, body=b'[{"id": "h'), "could not be read", "--set"),
    "a list of something else": (faults(status=200, headers=JSON, body=b'{"x": [1]}'), "could not be read", "--set"),
}


async def told(at: Vendor, connection: str) -> str:
    """Look, and read the one line that says what went wrong."""
    answer = await at.http.post(f"/v1/connections/{connection}/check")
    assert answer.status_code == 502, answer.text
    words: str = answer.json()["detail"]
    assert "\n" not in words
    assert len(words) < 400
    return words


@pytest.mark.parametrize("trouble", sorted(TROUBLE))
@pytest.mark.parametrize("name", BY_API)
async def test_trouble_with_the_list_is_one_line_and_changes_nothing(name: str, trouble: str, tmp_path: Path) -> None:
    what, said, advice = TROUBLE[trouble]
    async with vendor(name, tmp_path) as at:
        made = await at.connects()
        before = dict(at.simulation.hooks)
        at.simulation.faults.extend(what)
        words = await told(at, made["id"])
        assert words.startswith(PROVIDERS[name].title)
        assert said in words
        assert advice in words
        (row,) = await at.connections()
        assert row["problem"].rstrip(".") == words.rstrip(".")
        assert at.simulation.hooks == before
        at.simulation.faults.clear()
        assert (await at.http.post(f"/v1/connections/{made['id']}/check")).json()["plan"]["kind"] == "nothing"
        (row,) = await at.connections()
        assert (row["status"], row["problem"]) == ("waiting", None)


@pytest.mark.parametrize("name", BY_API)
async def test_what_passes_by_itself_is_not_even_noticed(name: str, tmp_path: Path) -> None:
    async with vendor(name, tmp_path) as at:
        made = await at.connects()
        at.simulation.faults.append(Fault(status=503))
        assert (await at.http.post(f"/v1/connections/{made['id']}/check")).json()["plan"]["kind"] == "nothing"
        at.simulation.faults.append(Fault(method="DELETE", status=502))
        assert (await at.http.delete(f"/v1/connections/{made['id']}")).status_code == 204


@pytest.mark.parametrize("name", BY_API)
async def test_what_is_gone_already_is_deleted(name: str, tmp_path: Path) -> None:
    async with vendor(name, tmp_path) as at:
        made = await at.connects()
        at.simulation.faults.append(Fault(method="DELETE", obeys=True, status=404, body=b'{"message": "Not found."}'))
        assert (await at.http.delete(f"/v1/connections/{made['id']}")).status_code == 204
        assert at.simulation.hooks == {}


ANSWERS = {
    "an error": Fault(method="POST", obeys=True, status=500),
    "a page for people": Fault(method="POST", obeys=True, status=201, body=b"<html>Done</html>"),
    "half an answer": Fault(method="POST", obeys=True, status=201, body=b'{"uuid": "'),
    "nothing": Fault(method="POST", obeys=True, stalls=True),
}


@pytest.mark.parametrize("answer", sorted(ANSWERS))
@pytest.mark.parametrize("name", BY_API)
async def test_a_webhook_that_was_made_without_being_told_is_taken_and_never_made_again(
    name: str, answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with vendor(name, tmp_path) as at:
        api = PROVIDERS[name].webhooks
        assert isinstance(api, WebhookApi)
        if ANSWERS[answer].stalls:  # as long as a vendor is waited for
            monkeypatch.setattr(type(api), "timeout", 0.5)
        theirs = at.simulation.paste("https://somebody.example/hook")
        at.simulation.faults.append(ANSWERS[answer])
        made = await at.connects()
        assert set(at.simulation.hooks) == {theirs.id, made["remote"]["id"]}
        del at.simulation.hooks[made["remote"]["id"]]
        at.simulation.faults.append(ANSWERS[answer])
        repaired = await at.http.post(f"/v1/connections/{made['id']}/repair")
        assert set(at.simulation.hooks) == {theirs.id, repaired.json()["remote"]["id"]}


async def test_a_platform_key_without_its_user_says_what_is_missing(tmp_path: Path) -> None:
    async with vendor("meetergo", tmp_path) as at:
        problem = await at.connects(502, credentials={"api_key": PLATFORM})
        assert "x-meetergo-api-user-id header is required" in problem["detail"]
        assert "`credentials` (is one missing?)" in problem["detail"]
        assert await at.connections() == []


async def test_a_list_that_changes_between_its_pages_makes_no_second_webhook(tmp_path: Path) -> None:
    async with vendor("harmonizely", tmp_path) as at:
        for number in range(12):
            at.simulation.paste(f"https://somebody.example/{number}")
        made = await at.connects()
        first = b'{"page": 1, "limit": 10, "pages": 2, "total": 13, "_embedded": {"items": []}}'
        at.simulation.faults.append(Fault(method="GET", status=200, headers=JSON, body=first))
        checked = await at.http.post(f"/v1/connections/{made['id']}/check")
        assert checked.json()["plan"]["kind"] == "nothing", "it was read again, whole"

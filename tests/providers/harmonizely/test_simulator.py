"""The stand-in answers as their page says, errors included."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from providers.harmonizely.simulator import Simulation

KEY = {"X-API-KEY": Simulation.credentials["api_key"]}
HOOK = {"url": "https://g.example.com/in/x", "events": ["meetingScheduled"], "secret": "something"}


@pytest.fixture
def api(serve: Callable[[Any], str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{serve(Simulation().app)}/api", headers=KEY, trust_env=False) as client:
        yield client


def test_a_webhook_is_answered_with_its_uuid_and_its_secret(api: httpx.Client) -> None:
    answer = api.post("/webhooks", json=HOOK)
    assert answer.status_code == 201
    assert answer.json().keys() == {"events", "url", "secret", "created_at", "uuid"}
    assert answer.json()["secret"] == "something"


def test_a_list_comes_in_pages(api: httpx.Client) -> None:
    for _ in range(11):
        api.post("/webhooks", json=HOOK)
    first, second = (api.get("/webhooks", params={"page": n}).json() for n in (1, 2))
    assert {name: second[name] for name in ("page", "limit", "pages", "total")} == {
        "page": 2,
        "limit": 10,
        "pages": 2,
        "total": 11,
    }
    assert (len(first["_embedded"]["items"]), len(second["_embedded"]["items"])) == (10, 1)
    assert first["_links"]["last"]["href"] == "/api/webhooks?page=2&limit=10"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({**HOOK, "url": "nowhere"}, {"url"}),
        ({**HOOK, "events": ["meetingEvaporated"]}, {"events"}),
        ({**HOOK, "events": []}, {"events"}),
        ([], {"events", "url"}),
    ],
)
def test_invalid_arguments_are_named_by_field(api: httpx.Client, body: object, fields: set[str]) -> None:
    answer = api.post("/webhooks", json=body)
    assert answer.status_code == 422
    assert answer.json()["message"] == "Invalid arguments"
    assert answer.json()["errors"].keys() == fields


def test_one_is_deleted_once(api: httpx.Client) -> None:
    uuid = api.post("/webhooks", json=HOOK).json()["uuid"]
    assert api.delete(f"/webhooks/{uuid}").status_code == 204
    again = api.delete(f"/webhooks/{uuid}")
    assert (again.status_code, again.json()) == (404, {"code": 404, "message": "Not found."})


@pytest.mark.parametrize(("key", "status"), [("", 401), ("not-this-one", 403)])
def test_a_wrong_key_is_refused(api: httpx.Client, key: str, status: int) -> None:
    assert api.get("/webhooks", headers={"X-API-KEY": key}).status_code == status

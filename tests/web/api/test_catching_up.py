"""POST and GET /v1/connections/{id}/reconcile, with meetergo's stand-in behind it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.sealing import digest, new_api_key, new_id
from gateway.store.model import Key
from gateway.web.api import catching_up
from providers.meetergo import Meetergo
from providers.meetergo.simulator import Simulation
from tests.web.conftest import running, served

SHAPE = {
    "connection", "status", "reason", "since", "begun_at", "finished_at", "seen", "total", "missed", "held", "unread",
    "covered_until", "detail",
}  # fmt: skip


class Desk:
    """A gateway connected to a vendor."""

    def __init__(self, http: httpx.AsyncClient, vendor: Simulation) -> None:
        self.http, self.vendor, self.path = http, vendor, ""

    async def ask(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer = await self.http.request(method, path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def connect(self, base_url: str, status: int = 201, **fields: Any) -> Any:
        settings = {"base_url": base_url, **fields.pop("settings", {})}
        asked = {"provider": "meetergo", "credentials": self.vendor.credentials, "settings": settings, **fields}
        return await self.ask("POST", "/v1/connections", asked, status)

    async def events(self) -> Any:
        return (await self.ask("GET", "/v1/events?limit=500"))["items"]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    vendor = Simulation()
    async with served(vendor.app) as base_url, running(tmp_path, (Meetergo(),)) as (services, url):
        key = new_api_key()
        row = Key(id=new_id("key_"), name="test", digest=digest(key), scopes=("admin",), created_at=0)
        await services.store.put_key(row)
        headers = {"authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as http:
            made = Desk(http, vendor)
            made.path = f"/v1/connections/{(await made.connect(base_url))['id']}/reconcile"
            yield made


async def test_before_the_first_look_there_is_nothing_to_show(desk: Desk) -> None:
    assert await desk.ask("GET", desk.path) is None


async def test_what_was_missed_is_counted_and_told(desk: Desk) -> None:
    bookings = [desk.vendor.book() for _ in range(3)]
    desk.vendor.cancel(bookings[0])
    look = await desk.ask("POST", desk.path)
    assert set(look) == SHAPE
    assert (look["status"], look["reason"], look["seen"], look["total"], look["missed"]) == ("done", "asked", 3, 3, 3)
    types = sorted(event["type"] for event in await desk.events())
    assert types == ["booking.cancelled", "booking.scheduled", "booking.scheduled"]
    assert await desk.ask("GET", desk.path) == look
    again = await desk.ask("POST", desk.path, {"since": look["since"]})
    assert (again["seen"], again["missed"]) == (3, 0)


async def test_the_bytes_of_what_was_asked_for_are_not_there(desk: Desk) -> None:
    desk.vendor.book()
    await desk.ask("POST", desk.path)
    (event,) = await desk.events()
    assert event["origin"]["raw"] is None
    await desk.ask("GET", f"/v1/events/{event['id']}/raw", status=410)


async def test_a_long_look_goes_on_by_itself(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catching_up, "WITHIN_SECONDS", 0.0)
    desk.vendor.book()
    look = await desk.ask("POST", desk.path, status=202)
    assert look["status"] == "running"
    while look["status"] == "running":
        look = await desk.ask("GET", desk.path)
    assert look["missed"] == 1


async def test_a_provider_that_does_not_answer_is_named_and_asked_again(desk: Desk) -> None:
    desk.vendor.throttled = True
    look = await desk.ask("POST", desk.path, status=202)
    assert (look["status"], look["detail"]) == ("waiting", "ApiUnavailable: HTTP 429")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"since": "2026-01-01T00:00:00"}, 400),
        ({"since": "yesterday"}, 400),
        ({"since": (datetime.now(UTC) + timedelta(days=1)).isoformat()}, 400),
        ({"sinse": "2026-01-01T00:00:00Z"}, 400),
    ],
)
async def test_a_time_that_cannot_be_is_refused(desk: Desk, body: Any, status: int) -> None:
    await desk.ask("POST", desk.path, body, status)


async def test_who_is_not_there_cannot_be_asked_about(desk: Desk) -> None:
    await desk.ask("POST", "/v1/connections/con_nobody/reconcile", status=404)
    await desk.ask("GET", "/v1/connections/con_nobody/reconcile", status=404)


async def test_to_confirm_there_must_be_somebody_to_ask(desk: Desk) -> None:
    asked = {"provider": "meetergo", "register": False, "settings": {"confirm": "try"}}
    refused = await desk.ask("POST", "/v1/connections", asked, 400)
    assert "credentials.api_key" in refused["detail"]
    quiet = await desk.ask("POST", "/v1/connections", {**asked, "settings": {}}, 201)
    assert "no `credentials`" in quiet["cannot_catch_up"]
    await desk.ask("POST", f"/v1/connections/{quiet['id']}/reconcile", status=409)


async def test_a_connection_that_confirms_holds_its_calls_until_then(desk: Desk) -> None:
    path = desk.path.removesuffix("/reconcile")
    changed = await desk.ask("PATCH", path, {"settings": {"confirm": "must"}})
    assert changed["settings"]["confirm"] == "must"
    desk.vendor.book()
    (call,) = desk.vendor.outbox
    answer = await desk.http.post(call.url, content=call.body, headers={**dict(call.headers), "authorization": ""})
    assert set(answer.json()) == {"status", "receipt"}
    assert answer.json()["status"] == "held"
    while not (events := await desk.events()):
        pass
    assert events[0]["origin"]["verification"] == "confirmed"
    forged = call.body.replace(b'"id":"appt-', b'"id":"forged-')
    answer = await desk.http.post(call.url, content=forged, headers={**dict(call.headers), "authorization": ""})
    assert answer.json()["status"] == "held"
    while not (quarantined := (await desk.ask("GET", "/v1/quarantine"))["items"]):
        pass
    assert quarantined[0]["reason"] == "contradicted: the provider knows no such booking"
    assert len(await desk.events()) == 1

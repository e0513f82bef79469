"""/v1/deliveries: which event went where, and what became of it."""

from typing import Any, Literal

import pytest

from gateway.store.model import Result
from tests.web.conftest import Gateway

SHAPE = {
    "id", "event", "event_type", "destination", "key", "status", "attempt", "due_at", "last_status", "last_error",
    "created_at", "finished_at",
}  # fmt: skip
PUBLIC = "https://consumer.example/hooks"


@pytest.fixture
async def busy(gateway: Gateway) -> Gateway:
    """Connected, with one destination and three events on their way to it; nothing sends them here."""
    made = await gateway.connect()
    await gateway.post("/v1/destinations", {"url": PUBLIC}, 201)
    for number in range(3):
        await gateway.says(made["inbound_url"], booking=f"b{number}")
    return gateway


async def die(gateway: Gateway, outcome: Literal["dead", "retry"] = "dead", wait: float = 0.0) -> None:
    """Let every delivery that is due end dead after one try, or wait for another one."""
    now = gateway.store.now()
    for number in (await gateway.store.due()).destinations:
        claimed = await gateway.store.claim(number, 100, 60.0)
        await gateway.store.settle(
            [
                Result(
                    delivery=one.delivery, attempt=one.attempt, outcome=outcome, started_at=now, duration_ms=3,
                    wait=wait, status=500, error="500 Internal Server Error",
                )
                for one in claimed
            ]
        )  # fmt: skip


async def items(gateway: Gateway, **query: Any) -> list[Any]:
    found: list[Any] = (await gateway.get("/v1/deliveries", **query))["items"]
    return found


async def test_a_delivery_says_what_goes_where(busy: Gateway) -> None:
    found = await items(busy)
    (destination,) = (await busy.get("/v1/destinations"))["items"]
    events = (await busy.get("/v1/events"))["items"]
    assert all(set(delivery) == SHAPE for delivery in found)
    assert [delivery["event"] for delivery in found] == [event["id"] for event in events]
    assert [delivery["key"] for delivery in found] == [event["key"] for event in events]
    assert {(d["destination"], d["status"], d["attempt"]) for d in found} == {(destination["id"], "pending", 0)}
    assert await busy.get(f"/v1/deliveries/{found[0]['id']}") == {**found[0], "attempts": []}


async def test_a_dead_one_tells_its_attempts_and_can_be_retried(busy: Gateway) -> None:
    await die(busy)
    dead = await items(busy, status="dead")
    assert len(dead) == 3
    path = f"/v1/deliveries/{dead[0]['id']}"
    (attempt,) = (await busy.get(path))["attempts"]
    assert attempt.pop("started_at").endswith("Z")
    assert attempt == {"number": 1, "duration_ms": 3, "status": 500, "error": "500 Internal Server Error"}
    assert dead[0]["last_status"] == 500
    assert (await busy.post(f"{path}/retry", status=202))["status"] == "pending"
    assert len(await items(busy, status="dead")) == 2


async def test_only_a_dead_one_can_be_retried(busy: Gateway) -> None:
    (first, *_) = await items(busy)
    answer = await busy.http.post(f"/v1/deliveries/{first['id']}/retry")
    assert answer.status_code == 409
    assert "pending" in answer.json()["detail"]
    assert (await busy.http.post("/v1/deliveries/dlv_none/retry")).status_code == 404
    assert (await busy.http.get("/v1/deliveries/dlv_none")).status_code == 404


async def test_many_are_retried_by_filter(busy: Gateway) -> None:
    await die(busy)
    assert await busy.post("/v1/deliveries/retry", {"until": "2000-01-01T00:00:00Z"}, 202) == {"retried": 0}
    assert await busy.post("/v1/deliveries/retry", {"destination": "dst_none"}, 202) == {"retried": 0}
    assert await busy.post("/v1/deliveries/retry", {"since": "2000-01-01T00:00:00+02:00"}, 202) == {"retried": 3}
    await die(busy)
    assert await busy.post("/v1/deliveries/retry", status=202) == {"retried": 3}


async def test_what_waits_for_its_next_try_is_tried_at_once_when_somebody_says_so(busy: Gateway) -> None:
    await die(busy, "retry", wait=3600.0)
    assert list((await busy.store.due()).destinations) == []
    elsewhere = {"status": "pending", "destination": "dst_none"}
    assert await busy.post("/v1/deliveries/retry", elsewhere, 202) == {"retried": 0}
    assert await busy.post("/v1/deliveries/retry", {"status": "pending"}, 202) == {"retried": 3}
    assert len((await busy.store.due()).destinations) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [({"since": "2026-01-01T00:00:00"}, "since"), ({"until": "soon"}, "until"), ({"status": "skipped"}, "status")],
)
async def test_a_filter_that_is_wrong_retries_nothing(busy: Gateway, body: Any, field: str) -> None:
    answer = await busy.http.post("/v1/deliveries/retry", json=body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field


async def test_filters_narrow_and_pages_go_on_where_they_ended(busy: Gateway) -> None:
    whole = await items(busy)
    assert await items(busy, event=whole[1]["event"]) == [whole[1]]
    assert await items(busy, destination=whole[0]["destination"], status="pending") == whole
    assert await items(busy, destination="dst_none") == []
    first = await busy.get("/v1/deliveries", limit=2)
    rest = await busy.get("/v1/deliveries", limit=2, after=first["next"])
    assert first["items"] + rest["items"] == whole
    assert rest["next"] is None


async def test_what_waits_for_a_deleted_destination_is_skipped(busy: Gateway) -> None:
    (destination,) = (await busy.get("/v1/destinations"))["items"]
    assert (await busy.http.delete(f"/v1/destinations/{destination['id']}")).status_code == 204
    assert {delivery["status"] for delivery in await items(busy)} == {"skipped"}

"""A row that cannot be opened is shown with what to do, and stands in nobody's way."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.config import Settings
from gateway.sealing import digest
from gateway.web.startup import ADMIN_KEY_FILE, ADMIN_KEY_ID, running
from tests.store.inside import damage
from tests.web.conftest import Consumer, Gateway


async def test_a_destination_like_that_is_paused_and_says_what_to_do(gateway: Gateway, consumer: Consumer) -> None:
    broken, sound = [await gateway.post("/v1/destinations", {"url": consumer.url}, 201) for _ in range(2)]
    made = await gateway.connect()
    await damage(gateway.store, "destinations", f"id = '{broken['id']}'")
    await gateway.says(made["inbound_url"], booking="1")

    path = f"/v1/destinations/{broken['id']}"
    listed = {each["id"]: each for each in (await gateway.get("/v1/destinations"))["items"]}
    assert set(listed) == {broken["id"], sound["id"]}
    shown = await gateway.get(path)
    assert shown == listed[broken["id"]]
    assert shown["paused"]
    assert f"gateway destinations remove {broken['id']}" in shown["paused_reason"]
    for call in ("resume", "pause", "rotate-secret", "test"):
        answer = await gateway.http.post(f"{path}/{call}")
        assert answer.status_code == 409
        assert "cannot be opened" in answer.json()["detail"]
    assert (await gateway.http.patch(path, json={"name": "x"})).status_code == 409
    assert (await gateway.http.delete(path)).status_code == 204
    assert (await gateway.http.get(path)).status_code == 404


async def test_a_connection_like_that_can_be_removed_and_the_others_work(gateway: Gateway) -> None:
    broken, sound = await gateway.connect("signing"), await gateway.connect()
    await damage(gateway.store, "connections", f"id = '{broken['id']}'")
    await gateway.services.inboxes.refresh()
    assert (await gateway.says(sound["inbound_url"], booking="1"))["status"] == "accepted"

    path = f"/v1/connections/{broken['id']}"
    assert [each["id"] for each in (await gateway.get("/v1/connections"))["items"]] == [broken["id"], sound["id"]]
    shown = await gateway.get(path)
    assert shown["status"] == "needs_repair"
    assert f"gateway connections remove {broken['id']}" in shown["problem"]
    for call in ("check", "repair", "rotate", "reconcile"):
        assert (await gateway.http.post(f"{path}/{call}")).status_code == 409
    assert (await gateway.http.get(f"{path}/latest-call")).status_code == 409
    assert (await gateway.http.patch(path, json={"name": "x"})).status_code == 409
    assert (await gateway.http.delete(path)).status_code == 204
    assert (await gateway.http.get(path)).status_code == 404


async def test_an_event_like_that_is_left_out_of_pages_and_says_so_itself(gateway: Gateway) -> None:
    made = await gateway.connect()
    first, second = [(await gateway.says(made["inbound_url"], booking=each))["events"][0] for each in "ab"]
    await damage(gateway.store, "bodies", "event = 1")
    await damage(gateway.store, "inbound", "receipt = 1")

    assert [each["id"] for each in (await gateway.get("/v1/events"))["items"]] == [second]
    assert (await gateway.http.get(f"/v1/events/{first}")).status_code == 410
    assert (await gateway.http.get(f"/v1/events/{first}/raw")).status_code == 410
    assert (await gateway.http.post(f"/v1/events/{first}/replay")).status_code < 500


async def test_a_key_like_that_opens_nothing_and_can_be_revoked(gateway: Gateway) -> None:
    made = await gateway.post("/v1/keys", {"scopes": ["events:read"]}, 201)
    await damage(gateway.store, "keys", f"id = '{made['id']}'")
    stranger = {"authorization": f"Bearer {made['key']}"}

    assert (await gateway.http.get("/v1/events", headers=stranger)).status_code == 401
    listed = {each["id"]: each for each in (await gateway.get("/v1/keys"))["items"]}
    assert "cannot be opened" in listed[made["id"]]["name"]
    assert (await gateway.http.delete(f"/v1/keys/{made['id']}")).status_code == 204


@pytest.mark.parametrize("table", ["keys", "tokens"])
async def test_a_start_goes_on_without_its_own_key_or_token_and_says_what_is_lost(tmp_path: Path, table: str) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    async with running(settings, "http://127.0.0.1:1") as services:
        url = services.inboxes.shared_url()
        await damage(services.store, table)
    with capture_logs() as said:
        async with running(settings, "http://127.0.0.1:1") as services:
            kept = (settings.data_dir / ADMIN_KEY_FILE).read_text().strip()
            assert [(each.id, each.digest) for each in await services.store.keys()] == [(ADMIN_KEY_ID, digest(kept))]
            assert (services.inboxes.shared_url() == url) == (table == "keys")
    assert [line["kind"] for line in said if line["event"] == "row_damaged"] == [table.removesuffix("s")]

"""/v1/encryption: a new key, while everything goes on."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.sealing import KEY_FILE
from tests.store.samples import KEYS
from tests.web.conftest import Gateway


async def rotated(gateway: Gateway) -> Any:
    await gateway.post("/v1/encryption/rotate", status=202)
    async with asyncio.timeout(30):
        while (state := await gateway.get("/v1/encryption/rotate"))["status"] == "running":
            await gateway.store.changed(0.1)
    return state


@pytest.mark.embedded  # the file of keys: with PostgreSQL they are given, as is the next one
async def test_a_new_key_is_put_in_front_and_everything_is_sealed_with_it(gateway: Gateway, tmp_path: Path) -> None:
    assert (await gateway.get("/v1/encryption/rotate"))["status"] == "never"
    await gateway.connect()
    event = (await gateway.says((await gateway.get("/v1/url"))["inbound_url"], booking="b1"))["events"][0]
    state = await rotated(gateway)

    keys = (tmp_path / KEY_FILE).read_text().split()
    assert keys[1:] == [KEYS]
    assert (state["status"], state["looked_at"], state["broken"]) == ("done", 2, 0)
    assert state["resealed"] >= 4
    assert not await gateway.store.resealing.outdated()
    assert (await gateway.get(f"/v1/events/{event}"))["id"] == event
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.embedded
async def test_who_asks_while_it_is_going_on_gets_no_second_key(gateway: Gateway, tmp_path: Path) -> None:
    await gateway.services.loops.stop()  # so that it goes on
    await asyncio.gather(*[gateway.http.post("/v1/encryption/rotate") for _ in range(5)])
    assert len((tmp_path / KEY_FILE).read_text().split()) == 2


async def test_given_keys_are_not_replaced(gateway: Gateway, tmp_path: Path) -> None:
    gateway.services.settings = replace(gateway.services.settings, secret_keys=KEYS)
    answer = await gateway.http.post("/v1/encryption/rotate")
    assert answer.status_code == 409
    assert "GATEWAY_SECRET_KEYS" in answer.json()["detail"]
    assert (tmp_path / KEY_FILE).read_text() == KEYS

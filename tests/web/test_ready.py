"""`/ready` is 200 while calls can be kept, and says what goes wrong behind it."""

import asyncio
from typing import Any

import pytest

from gateway.contract.errors import StoreUnavailable
from tests.web.conftest import Gateway

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.loops.BACK_OFF_SECONDS", (3600.0, 3600.0))


async def failing(gateway: Gateway, name: str) -> tuple[int, Any]:
    async def loop() -> None:
        raise StoreUnavailable("the disk is nearly full")

    gateway.services.loops.start(name, loop)
    await asyncio.sleep(0)
    answer = await gateway.http.get("/ready")
    await gateway.services.loops.stop()
    return answer.status_code, answer.json()


async def test_a_gateway_whose_loops_run_is_ready(gateway: Gateway) -> None:
    answer = await gateway.http.get("/ready")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


async def test_a_loop_that_fails_is_named_and_calls_are_still_accepted(gateway: Gateway) -> None:
    said = {"status": "ready", "failing": {"upkeep": "the disk is nearly full"}}
    assert await failing(gateway, "upkeep") == (200, said)


async def test_a_store_that_can_keep_nothing_is_not_ready(gateway: Gateway) -> None:
    said = {"status": "not ready", "reason": "the disk is nearly full"}
    assert await failing(gateway, "store") == (503, said)

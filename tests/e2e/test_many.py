"""Several gateways on one database are one gateway: whichever of them is killed, frozen or cut off.

`GATEWAY_TEST_MANY_SECONDS` makes the load longer: python -m pytest tests/e2e/test_many.py
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from tests.e2e.fleet import Fleet

SECONDS = float(os.environ.get("GATEWAY_TEST_MANY_SECONDS", "10"))
KILL_EVERY = 2.0
PAST_LEASE = 33.0
"""A lease is the timeout, which is a second here, and thirty."""
FROZEN = 3
IN_FLIGHT = 16 * 2
"""The most that one gateway has under way at a time, to both destinations."""


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Fleet]:
    async with Fleet(tmp_path, 2) as made:
        yield made


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    async with Fleet(tmp_path, 4) as made:
        yield made


@pytest.mark.timeout(240 + 3 * SECONDS)
async def test_nothing_is_lost_doubled_or_out_of_order_whatever_happens_to_them(fleet: Fleet) -> None:
    """One is frozen past its lease, the others killed in turn, PostgreSQL crashes, a stranger's transaction idles."""
    for provider in fleet.providers:
        provider.start()
    stranger = psycopg.connect(fleet.url, application_name="a stranger")
    stranger.execute("SELECT count(*) FROM deliveries")  # and nothing more for as long as this lasts
    await asyncio.sleep(1.0)
    fleet.signal(FROZEN, signal.SIGSTOP)
    fleet.ended.append(len(fleet.consumer.got))
    began = asyncio.get_running_loop().time()
    await _kill_in_turn(fleet, SECONDS / 2)
    crashed = asyncio.create_task(asyncio.to_thread(_crash, fleet))
    await _refused(fleet)
    await crashed
    stranger.close()
    await _kill_in_turn(fleet, SECONDS / 2)
    await asyncio.sleep(began + PAST_LEASE - asyncio.get_running_loop().time())
    fleet.signal(FROZEN, signal.SIGCONT)
    await asyncio.sleep(1.0)
    verdict = await fleet.judge()
    late = verdict.wrong.pop("ordered")
    assert len(late) <= IN_FLIGHT, late  # what the frozen one was sending arrives when it goes on: its lease was over
    assert verdict.good, str(verdict)
    assert verdict.counts["kept"] > 100, verdict.counts
    assert fleet.taken_again <= fleet.in_flight


async def _kill_in_turn(fleet: Fleet, seconds: float) -> None:
    until = asyncio.get_running_loop().time() + seconds
    number = 0
    while asyncio.get_running_loop().time() < until:
        await asyncio.sleep(KILL_EVERY)
        await fleet.kill(number % FROZEN)
        number += 1


def _crash(fleet: Fleet) -> None:
    fleet.server.stop("immediate")
    fleet.server.start()


async def _refused(fleet: Fleet) -> None:
    """Wait until a call is answered 503."""
    before = [provider.told.refused for provider in fleet.providers]
    async with asyncio.timeout(30):
        while [provider.told.refused for provider in fleet.providers] == before:  # noqa: ASYNC110 -- another process tells nobody
            await asyncio.sleep(0.05)


async def test_another_takes_over_when_the_one_that_leads_is_killed(two: Fleet) -> None:
    before = await two.led()
    for gateway in two.gateways:
        await asyncio.to_thread(gateway.kill)
        await asyncio.sleep(0.5)  # the server sees at once that a session's other end is gone
        if two.leader() != before:
            break
        await asyncio.to_thread(gateway.start)
    assert await two.led(but=before)


async def test_what_is_set_up_at_one_holds_at_all(two: Fleet) -> None:
    made = {"provider": "harmony", "name": "seen by all", "own_url": True, "register": False}
    url = (await two.call(0, "POST", "/v1/connections", made))["inbound_url"]
    token = url.rpartition("/")[2]
    await two.until(1, f"/in/{token}", 200)
    (destination, *_) = (await two.call(1, "GET", "/v1/destinations"))["items"]
    await two.call(1, "POST", f"/v1/destinations/{destination['id']}/pause")
    await asyncio.sleep(1.5)
    two.providers[0].start()
    await two.consumer.until(lambda got: len(got) > 20)
    assert {got.path for got in two.consumer.got} == {"/1"}


async def test_the_log_is_read_at_any_of_them_once_and_in_order_while_all_write(two: Fleet) -> None:
    for provider in two.providers:
        provider.start()
    readers = [asyncio.to_thread(two.follow, number, 150) for number in range(2)]
    streams = [asyncio.to_thread(two.stream, number, 150) for number in range(2)]
    seen = await asyncio.gather(*readers, *streams)
    for provider in two.providers:
        await provider.stop()
    log = [event["id"] for event in await two.all("/v1/events")]
    for ids in seen:
        assert ids == log[: len(ids)]

"""A delivery that ends the gateway whenever it is sent uses up its tries and ends dead: never a crash loop."""

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import msgspec

from gateway.pipeline.retry import SPARE_TRIES
from tests import stores
from tests.bench.load import drive, meeting, signed
from tests.e2e.running import Gateway
from tests.egress.sinks import Seen, answer, listening

SECRET = "a signing secret for this test"
SCHEDULE = (0.05, 0.05)
TRIES = len(SCHEDULE) + 1 + SPARE_TRIES
"""How often it may be sent: the schedule's tries, and a few beyond it that were cut off by other ends."""
POISON, INNOCENT, LATER = (f"{digit}" * 8 + "-0000-4000-8000-000000000000" for digit in "abc")


async def test_a_delivery_that_ends_the_process_at_every_send_ends_dead_and_the_others_arrive(tmp_path: Path) -> None:
    sends: list[str] = []
    came = asyncio.Event()

    async def behave(seen: Seen, transport: asyncio.Transport) -> None:
        booking = msgspec.json.decode(seen.body)["data"]["booking"]["id"]
        sends.append(booking)
        if booking == POISON:
            came.set()
            await asyncio.Event().wait()
        transport.write(answer(200))

    async with listening(behave) as sink:
        allow = {"GATEWAY_EGRESS_ALLOW": f"127.0.0.1/32:{sink.port}"}
        schedule = {"GATEWAY_RETRY_SCHEDULE": ",".join(map(str, SCHEDULE))}
        gateway = Gateway(tmp_path / "data", allow | schedule)
        token = await asyncio.to_thread(set_up, gateway, sink.url)
        await send(gateway, token, POISON)
        await send(gateway, token, INNOCENT)
        for _ in range(TRIES):
            async with asyncio.timeout(60):
                await came.wait()
            assert gateway.kill(signal.SIGKILL) == -signal.SIGKILL
            came.clear()
            stores.let_leases_end(gateway.directory)
            await asyncio.to_thread(gateway.start)
        await send(gateway, token, LATER)
        (dead,) = await asyncio.to_thread(listed, gateway, "dead", 1)
        delivered = await asyncio.to_thread(listed, gateway, "delivered", 2)
        assert gateway.kill(signal.SIGTERM) == 0
    assert (dead["attempt"], dead["last_error"]) == (TRIES + 1, "no try came to a result")
    assert sends.count(POISON) == TRIES
    assert {each["key"].rpartition(":")[2] for each in delivered} == {INNOCENT, LATER}
    assert all(each["attempt"] <= TRIES for each in delivered)


def set_up(gateway: Gateway, consumer: str) -> str:
    """Start with one connection and one destination; the inbound URL's token."""
    gateway.start()
    made = {"provider": "harmonizely", "credentials": {"api_key": "x"}, "signing_secret": SECRET, "register": False}
    connection = gateway.call("POST", "/v1/connections", made)
    gateway.call("POST", "/v1/destinations", {"url": consumer})
    token: str = connection["inbound_url"].rpartition("/")[2]
    return token


async def send(gateway: Gateway, token: str, booking: str) -> None:
    """Be the provider, once."""
    url = f"{gateway.url}/in/{token}"
    figures = await drive(url, [signed(url, SECRET, meeting(booking))], 1, b'"accepted"')
    assert figures.refused == 0


def listed(gateway: Gateway, status: str, count: int) -> Any:
    """Wait until so many deliveries have this status."""
    until = time.monotonic() + 60
    while len(items := gateway.call("GET", f"/v1/deliveries?status={status}")["items"]) != count:
        assert time.monotonic() < until, f"{status}: {items}"
        time.sleep(0.05)
    return items

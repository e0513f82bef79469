"""PostgreSQL fails over: the gateway's URL names both servers, and it goes on with the one that takes writes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from tests.e2e.fleet import Fleet
from tests.e2e.standby import Standby

LOAD = 3.0


class Pair(Fleet):
    """Two gateways on a primary, which answers a commit when its standby has it too."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, 2)
        self.standby = Standby(self.server)
        both = f"{self.server.directory},{self.standby.directory}"
        self.url = f"postgresql:///postgres?host={both}&user=gateway&target_session_attrs=read-write"
        for gateway in self.gateways:
            gateway.environment["GATEWAY_DATABASE_URL"] = self.url
        with psycopg.connect(self.server.url(), autocommit=True) as db:
            db.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            db.execute("SELECT pg_reload_conf()")

    async def refused(self) -> None:
        """Wait until each was asked in vain."""
        async with asyncio.timeout(60):
            while not all(provider.told.refused for provider in self.providers):  # noqa: ASYNC110 -- another process tells nobody
                await asyncio.sleep(0.05)

    async def __aexit__(self, *_: object) -> None:
        self.standby.remove()  # before the primary, whose binaries it uses
        await super().__aexit__(*_)


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    async with Pair(tmp_path) as made:
        yield made


async def test_what_was_answered_before_the_primary_died_is_delivered_by_the_standby(pair: Pair) -> None:
    for provider in pair.providers:
        provider.start()
    await asyncio.sleep(LOAD / 2)
    await asyncio.to_thread(pair.server.stop, "immediate")
    pair.ended += [len(pair.consumer.got)] * 2  # neither could write down what it had sent
    await pair.refused()
    await asyncio.to_thread(pair.standby.promote)
    kept = sum(len(provider.told.kept) for provider in pair.providers)
    await pair.consumer.until(lambda got: len(got) > pair.ended[0] + 20)
    await asyncio.sleep(LOAD / 2)
    verdict = await pair.judge()
    assert verdict.good, str(verdict)
    assert verdict.counts["kept"] > kept
    assert pair.taken_again <= pair.in_flight


async def test_a_replica_that_takes_no_writes_is_not_started_on(pair: Pair) -> None:
    gateway = pair.gateways[0]
    await asyncio.to_thread(gateway.kill)
    gateway.environment["GATEWAY_DATABASE_URL"] = pair.standby.url()
    gateway.log.write_text("")
    process = gateway.launch()
    await asyncio.to_thread(process.communicate, timeout=30)
    (line,) = gateway.log.read_text().splitlines()
    gateway.process = None
    assert "target_session_attrs=read-write" in line

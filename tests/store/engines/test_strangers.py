"""Somebody else holds a lock on what is ours, in a transaction that they left open for minutes.

What needs it is refused in time, what does not goes on, and all works again when they are gone.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gateway.contract.errors import ConfigurationError, StoreUnavailable
from gateway.sealing import KeyRing
from gateway.store.engines import postgres_limits as limits
from gateway.store.store import Store
from tests.postgres import new_database
from tests.store.engines.older import at_version
from tests.store.samples import DATABASES, KEYS, accept, open_store, receipt, result, subscribe

LEASE = 45.0
PATIENCE = 60
"""Seconds after which a test says that nobody was answered; what is waited for ends within two."""
CALLS = 40


@pytest.fixture
def url() -> str:
    return new_database()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LONGEST_WAIT", "600ms")
    monkeypatch.setattr(limits, "STRANGERS_LOCK", "300ms")
    monkeypatch.setattr(limits, "SECOND_WAIT", "50ms")


@pytest.fixture
async def stores(url: str, tmp_path: Path) -> AsyncIterator[list[Store]]:
    made = [await Store.open(tmp_path / name, KeyRing.parse(KEYS), url=url) for name in "ab"]
    yield made
    for store in made:
        await store.close()


@contextlib.contextmanager
def idle_after(url: str, statement: str) -> Iterator[None]:
    """Be a stranger who ran this in a transaction and went to lunch."""
    with psycopg.connect(url, application_name="a stranger") as db:
        db.execute(statement.encode())
        yield
        db.rollback()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE head SET clock = clock",
        "SELECT * FROM head FOR UPDATE",
        "LOCK TABLE receipts IN SHARE MODE",
        "LOCK TABLE events IN ACCESS EXCLUSIVE MODE",
        f"SELECT pg_advisory_xact_lock({limits.TURN})",
    ],
)
async def test_calls_are_refused_in_time_and_taken_when_they_are_gone(
    stores: list[Store], url: str, statement: str
) -> None:
    before = await accept(stores[0], 1000)
    with idle_after(url, statement):
        async with asyncio.timeout(PATIENCE):
            answers = await asyncio.gather(
                *(accept(stores[number % 2], number) for number in range(CALLS)), return_exceptions=True
            )
        assert {type(answer) for answer in answers} == {StoreUnavailable}
    async with asyncio.timeout(PATIENCE):
        again = await asyncio.gather(*(accept(stores[number % 2], number) for number in range(CALLS)))
    assert {answer.status for answer in again} == {"accepted"}
    assert [e.seq for e in await stores[0].events(limit=100)] == list(range(1, CALLS + 2))
    assert (await accept(stores[1], 1000)).receipt == before.receipt


async def test_a_lock_on_one_delivery_holds_up_neither_calls_nor_other_destinations(
    stores: list[Store], url: str
) -> None:
    one, other = stores
    await subscribe(one, "dst_1")
    await subscribe(one, "dst_2")
    await accept(one, 1)
    with idle_after(url, "SELECT * FROM deliveries WHERE destination = 1 FOR UPDATE"):
        async with asyncio.timeout(PATIENCE):
            wanted: list[Any] = [one.claim(1, 10, LEASE), *(accept(one, number) for number in range(2, 2 + CALLS))]
            answers: list[Any] = await asyncio.gather(*wanted, one.claim(2, 10, LEASE), return_exceptions=True)
            await accept(other, 100)
        refused, *taken, claimed = answers
        assert isinstance(refused, StoreUnavailable)
        assert {each.status for each in taken} == {"accepted"}
        assert len(claimed) >= 1
    (claimed, *_) = await one.claim(1, 10, LEASE)
    await one.settle([result(claimed)])
    assert (await other.counts()).deliveries["dst_1", "delivered"] == 1


async def test_a_result_that_could_not_be_written_down_can_be_told_again(stores: list[Store], url: str) -> None:
    await subscribe(stores[0])
    await accept(stores[0], 1)
    (claimed,) = await stores[0].claim(1, 10, LEASE)
    with idle_after(url, "SELECT * FROM deliveries FOR UPDATE"), pytest.raises(StoreUnavailable):
        await stores[0].settle([result(claimed)])
    await stores[0].settle([result(claimed)])
    assert (await stores[1].counts()).deliveries["dst_1", "delivered"] == 1


@pytest.mark.parametrize("read", [Store.events, Store.due, Store.counts], ids=lambda read: read.__name__)
async def test_readers_are_refused_in_time_too(stores: list[Store], url: str, read: Callable[[Store], Any]) -> None:
    await subscribe(stores[0])
    with idle_after(url, "LOCK TABLE events, deliveries, tally IN ACCESS EXCLUSIVE MODE"):
        async with asyncio.timeout(PATIENCE):
            answers = await asyncio.gather(*(read(stores[0]) for _ in range(9)), return_exceptions=True)
        assert {type(answer) for answer in answers} == {StoreUnavailable}
    assert await read(stores[0]) is not None


async def test_a_slow_statement_is_ended_and_is_nobody_else_s_for_long(
    stores: list[Store], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LONGEST_STATEMENT", "300ms")
    monkeypatch.setattr(limits, "LONGEST_WAIT", "60s")
    with idle_after(url, f"SELECT pg_advisory_xact_lock({limits.TURN})"):
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(StoreUnavailable, match="QueryCanceled"):
                await accept(stores[0], 1)
    assert (await accept(stores[0], 1)).status == "accepted"


async def test_who_has_the_turn_and_freezes_loses_it(
    stores: list[Store], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a process that is stopped in the middle of a transaction; the server ends its session."""
    monkeypatch.setattr(limits, "FROZEN", "300ms")
    monkeypatch.setattr(limits, "LONGEST_WAIT", "30s")
    frozen = psycopg.connect(url, autocommit=True)
    frozen.execute(limits.begin().encode())
    frozen.execute("UPDATE head SET seq = seq + 5")
    async with asyncio.timeout(PATIENCE):
        assert (await accept(stores[0], 1)).status == "accepted"
    assert [e.seq for e in await stores[0].events()] == [1]
    with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
        frozen.execute("COMMIT")
    frozen.close()


def test_a_host_that_is_gone_is_given_up_soon_unless_the_url_says_otherwise(url: str) -> None:
    with psycopg.connect(limits.address(f"{url}&tcp_user_timeout=60000")) as db:
        given = db.info.get_parameters()
    assert (given["tcp_user_timeout"], given["keepalives_idle"], given["connect_timeout"]) == ("60000", "5", "5")


async def test_a_new_gateway_does_not_queue_for_a_table_and_all_others_behind_it(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    at_version("postgres", directory, 3).close()
    with idle_after(DATABASES[directory], "SELECT count(*) FROM destinations"):
        with pytest.raises(ConfigurationError, match="open transaction"):
            await open_store(directory)
        with psycopg.connect(DATABASES[directory], options="-c statement_timeout=60s") as db:
            assert db.execute("SELECT count(*) FROM destinations").fetchall() == [(2,)]
    store = await open_store(directory)
    assert (await store.accept(receipt(50), [])).status == "accepted"
    await store.close()


async def test_a_gateway_that_froze_in_its_turn_holds_up_nobody_for_long(
    stores: list[Store], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server waits for the rest of a pipeline without any limit of its own."""
    monkeypatch.setattr(limits, "FROZEN", "300ms")
    with contextlib.closing(psycopg.connect(url, autocommit=True)) as frozen:
        frozen.execute(limits.begin())
        pipeline = frozen.pipeline()
        pipeline.__enter__()
        frozen.execute("SELECT 1")
        async with asyncio.timeout(PATIENCE):
            answers = await asyncio.gather(*(accept(store, number) for number, store in enumerate(stores)))
        assert {answer.status for answer in answers} == {"accepted"}

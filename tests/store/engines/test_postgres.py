"""What only PostgreSQL does: sessions that break, a turn that is shared, a bell, and several stores on one database."""

import asyncio
import re
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog

from gateway.contract.errors import StoreUnavailable
from gateway.sealing import KeyRing
from gateway.store.engines import postgres
from gateway.store.store import Store
from tests.postgres import Server, new_database
from tests.store.samples import KEYS, accept, connection, event, receipt, result, subscribe

README = Path(__file__).parents[3] / "README.md"
WRITERS = 4
EACH = 60


@pytest.fixture
def url() -> str:
    return new_database()


@pytest.fixture
def own_server() -> Iterator[Server]:
    made = Server()
    yield made
    made.remove()


async def opened(url: str, folder: Path) -> Store:
    return await Store.open(folder, KeyRing.parse(KEYS), url=url)


@pytest.fixture
async def stores(url: str, tmp_path: Path) -> AsyncIterator[list[Store]]:
    made = [await opened(url, tmp_path / str(number)) for number in range(WRITERS)]
    yield made
    for store in made:
        await store.close()


def sessions(url: str) -> int:
    """Count the gateway's sessions on this database."""
    with psycopg.connect(url, autocommit=True) as db:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        return int(db.execute(query).fetchall()[0][0])


async def until_open(store: Store) -> None:
    """Write until it works."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await store.pulse()
            except StoreUnavailable:
                await asyncio.sleep(0.1)


async def test_a_cursor_sees_every_event_once_and_in_order_while_four_write(stores: list[Store]) -> None:
    async def write(store: Store, first: int) -> None:
        for number in range(first, first + EACH):
            await accept(store, number)

    async def follow(store: Store) -> list[int]:
        seen: list[int] = []
        while len(seen) < WRITERS * EACH:
            got = [e.seq for e in await store.events(after=seen[-1] if seen else 0, limit=7)]
            seen += got
            if not got:
                await store.changed(1.0)
        return seen

    readers = [asyncio.create_task(follow(store)) for store in stores[:2]]
    await asyncio.gather(*(write(store, 1000 * number) for number, store in enumerate(stores)))
    for seen in await asyncio.gather(*readers):
        assert seen == list(range(1, WRITERS * EACH + 1))


async def test_the_same_call_at_all_of_them_is_kept_once(stores: list[Store]) -> None:
    answers = await asyncio.gather(*(accept(store, 1) for store in stores for _ in range(5)))
    assert sorted(each.status for each in answers) == ["accepted"] + ["duplicate"] * (5 * WRITERS - 1)


async def test_nothing_is_claimed_by_two_and_a_late_result_changes_nothing(stores: list[Store]) -> None:
    destination = await subscribe(stores[0])
    await asyncio.gather(*(accept(stores[0], number) for number in range(40)))
    claims = await asyncio.gather(*(store.claim(destination.number, 10, 2.0) for store in stores))
    numbers = [each.delivery for claimed in claims for each in claimed]
    assert len(numbers) == len(set(numbers)) == 40
    await asyncio.sleep(2.1)  # the lease is over
    again = await stores[1].claim(destination.number, 40, 45.0)
    assert len(again) == 40
    await stores[0].settle([result(each) for claimed in claims for each in claimed])
    assert (await stores[0].counts()).deliveries["dst_1", "pending"] == 40


async def test_a_commit_at_one_wakes_the_others(stores: list[Store]) -> None:
    await asyncio.sleep(0.2)
    waiting = asyncio.create_task(stores[1].changed(20.0))
    await asyncio.sleep(0.05)
    await accept(stores[0], 1)
    assert await waiting


async def test_a_look_at_the_version_hides_no_change_made_meanwhile(
    stores: list[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, read = stores[0], stores[0]._engine.read
    looked, told = asyncio.Event(), asyncio.Event()

    async def slow(query: Any) -> Any:
        found = await read(query)
        looked.set()
        await told.wait()
        return found

    monkeypatch.setattr(store._engine, "read", slow)
    looking = asyncio.create_task(store.look_at_version())
    await looked.wait()
    monkeypatch.undo()
    await subscribe(store)
    changed = await store.look_at_version()
    told.set()
    assert await looking == changed


async def test_one_turn_is_one_process_at_a_time_and_ends_with_what_failed_in_it(stores: list[Store]) -> None:
    running: list[str] = []

    async def work(store: Store) -> None:
        async with store.turn("con_1"):
            running.append("in")
            assert running.count("in") == 1
            await asyncio.sleep(0.05)
            running.remove("in")

    with pytest.raises(ZeroDivisionError):
        async with stores[0].turn("con_1"):
            raise ZeroDivisionError
    await asyncio.gather(*(work(store) for store in stores))
    async with stores[0].turn("con_1"), stores[1].turn("con_2"):
        pass


async def test_one_leads_and_the_next_when_it_is_gone(url: str, tmp_path: Path) -> None:
    first, second = [await opened(url, tmp_path / name) for name in ("a", "b")]
    led: list[str] = []

    async def lead(name: str) -> None:
        led.append(name)
        await asyncio.Event().wait()

    ones = asyncio.create_task(first.lead(lambda: lead("first")))
    async with asyncio.timeout(10):
        while not led:  # noqa: ASYNC110 -- the loop that leads rings no bell
            await asyncio.sleep(0.05)
    others = asyncio.create_task(second.lead(lambda: lead("second")))
    ones.cancel()
    await first.close()
    async with asyncio.timeout(20):
        while "second" not in led:  # noqa: ASYNC110 -- as above
            await asyncio.sleep(0.05)
    assert led == ["first", "second"]
    others.cancel()
    await second.close()


async def test_who_leads_or_has_a_turn_holds_up_no_sweeping(url: str, tmp_path: Path) -> None:
    """It keeps a transaction open, but no snapshot and no number of its own."""
    store = await opened(url, tmp_path / "a")
    led = asyncio.Event()

    async def lead() -> None:
        led.set()
        await asyncio.Event().wait()

    leading = asyncio.create_task(store.lead(lead))
    await asyncio.wait_for(led.wait(), 30)
    query = "SELECT backend_xid, backend_xmin FROM pg_stat_activity WHERE state = 'idle in transaction'"
    async with store.turn("con_1"):
        with psycopg.connect(url, autocommit=True) as db:
            held = db.execute(f"{query} AND datname = current_database()".encode()).fetchall()
    assert held == [(None, None)] * 2
    leading.cancel()
    await store.close()


async def test_who_leads_stops_when_its_session_is_ended_and_leads_again(url: str, tmp_path: Path) -> None:
    store = await opened(url, tmp_path / "a")
    led: list[str] = []

    async def lead() -> None:
        led.append("begins")
        try:
            await asyncio.Event().wait()
        finally:
            led.append("ends")

    leading = asyncio.create_task(store.lead(lead))
    async with asyncio.timeout(30):
        while len(led) < 1:  # noqa: ASYNC110 -- as above
            await asyncio.sleep(0.05)
        with psycopg.connect(url, autocommit=True) as db:
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        while len(led) < 3:  # noqa: ASYNC110 -- as above
            await asyncio.sleep(0.05)
    assert led == ["begins", "ends", "begins"]
    leading.cancel()
    await store.close()


async def test_it_heals_when_the_server_crashed_and_leaks_no_session(own_server: Server, tmp_path: Path) -> None:
    store = await opened(own_server.url(), tmp_path / "a")
    await accept(store, 1)
    own_server.stop("immediate")
    for call in (lambda: accept(store, 2), store.counts, store.events, lambda: store.take(_made, 3)):
        with pytest.raises(StoreUnavailable):
            await call()
    own_server.start()
    await until_open(store)
    await asyncio.gather(*(store.events() for _ in range(20)))
    assert [e.seq for e in await store.events()] == [1]
    assert (await accept(store, 2)).status == "accepted"
    assert sessions(own_server.url()) <= 6  # a writer, three readers, the bell; one more may be coming
    await store.close()


def _made(items: Any) -> Any:
    return [(receipt(number), [event(number)]) for number in items]


async def test_it_closes_without_leaving_a_thread_or_a_session(url: str, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    store = await opened(url, tmp_path / "a")
    leading = asyncio.create_task(store.lead(asyncio.Event().wait))  # type: ignore[arg-type]  # -- it never ends
    await asyncio.gather(*(store.events() for _ in range(8)), accept(store, 1))
    leading.cancel()
    await store.close()
    assert [thread.name for thread in set(threading.enumerate()) - before if "store" in thread.name] == []
    async with asyncio.timeout(5):
        while sessions(url):  # noqa: ASYNC110 -- the server ends its side when it sees ours
            await asyncio.sleep(0.05)


async def test_the_clock_is_the_database_s_and_the_same_for_all(stores: list[Store], url: str) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        now = float(db.execute("SELECT extract(epoch FROM clock_timestamp()) * 1000").fetchall()[0][0])
    assert all(abs(store.now() - now) < 1000 for store in stores)


async def test_a_clock_that_is_not_the_database_s_is_named(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with structlog.testing.capture_logs() as logged:
        await (await opened(url, tmp_path)).close()
        assert logged == []
        monkeypatch.setattr(postgres, "CLOCKS_APART", -1.0)  # seconds: no two clocks are so close
        await (await opened(url, tmp_path)).close()
    (line,) = logged
    assert line["event"] == "clocks_differ"
    assert "s behind" in line["reason"] or "s ahead of" in line["reason"]


async def test_what_its_text_cannot_hold_is_kept_as_the_character_for_that(stores: list[Store]) -> None:
    await stores[0].accept(receipt(1, status="quarantined", reason="a\0b", connection=None), [])
    (kept,) = await stores[1].receipts(status="quarantined")
    assert kept.reason == "a\ufffdb"


async def test_a_stranger_s_open_transaction_stops_nothing(stores: list[Store], url: str) -> None:
    with psycopg.connect(url) as stranger:
        stranger.execute("SELECT count(*) FROM deliveries")
        began = time.monotonic()
        destination = await subscribe(stores[0])
        await accept(stores[1], 1)
        (claimed,) = await stores[2].claim(destination.number, 1, 45.0)
        await stores[3].settle([result(claimed)])
        assert time.monotonic() - began < 10  # it waited for no timeout


async def test_a_database_that_is_said_to_be_restored_leaves_its_webhooks_to_a_person(url: str, tmp_path: Path) -> None:
    """The statement is README's: a restored server looks like one that failed over, so nobody else can tell."""
    (said,) = re.findall(r'psql "\$GATEWAY_DATABASE_URL" -c "(UPDATE [^"]*)"', README.read_text())
    store = await opened(url, tmp_path / "a")
    await store.put_connection(connection())
    await store.close()
    with psycopg.connect(url) as db:
        db.execute(said.encode())
    stores = [await opened(url, tmp_path / name) for name in "ab"]
    for store in stores:
        (kept,) = await store.connections()
        assert (kept.status, kept.restored, kept.version) == ("needs_repair", True, 2)
        await store.close()

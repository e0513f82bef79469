"""Keys are changed while everything goes on, wherever the process dies; then the old ones open nothing any more."""

from pathlib import Path

import pytest

from gateway.contract.errors import ConfigurationError
from gateway.store import resealing
from gateway.store.erasing import Whom
from gateway.store.model import Key, Token
from gateway.store.resealing import FEW
from gateway.store.store import Store
from tests.store.inside import execute, with_writer
from tests.store.samples import (
    KEYS,
    OTHER_KEYS,
    START,
    HandClock,
    accept,
    connection,
    open_store,
    quarantined,
    subscribe,
)

BOTH = f"{OTHER_KEYS},{KEYS}"


async def filled(data_dir: Path, clock: HandClock, amount: int = 10) -> Store:
    """Make a store with something in every table that is sealed."""
    store = await open_store(data_dir, clock)
    await store.put_connection(connection(credentials={"api_key": "theirs"}))
    await subscribe(store)
    removed = await subscribe(store, "dst_2")
    await store.remove_destination(removed.id)
    await store.put_key(Key(id="key_1", name="k", digest=b"d" * 32, scopes=("admin",), created_at=START))
    await store.put_token(Token(id="url_1", token="t" * 43, created_at=START))
    for number in range(amount):
        await accept(store, number)
    await store.accept(quarantined(1000), [])
    await store.erasing.begin(Whom(email="a@b.example"))
    return store


async def everything_opens(store: Store, amount: int = 10) -> None:
    assert len(await store.events()) == amount
    assert [each.credentials for each in await store.connections()] == [{"api_key": "theirs"}]
    assert [each.id for each in await store.destinations()] == ["dst_1"]
    assert len(await store.keys()) == len(await store.tokens()) == 1
    for each in await store.receipts(status="understood") + await store.receipts(status="quarantined"):
        stored = await store.receipt(each.id)
        assert stored is not None
        assert stored.inbound
    (erasure,) = [await store.erasing.one(each) for each in await store.erasing.unfinished()]
    assert erasure is not None
    assert erasure.whom == Whom(email="a@b.example")


async def reseal(store: Store) -> None:
    await store.resealing.begin()
    while await store.resealing.step():
        pass


async def test_afterwards_the_newest_key_alone_opens_everything(data_dir: Path, clock: HandClock) -> None:
    await (await filled(data_dir, clock)).close()
    store = await open_store(data_dir, clock, BOTH)
    assert await store.resealing.outdated()
    await reseal(store)

    assert not await store.resealing.outdated()
    state = await store.resealing.state()
    assert state is not None
    assert (state.broken, state.finished_at) == (0, clock.at)
    await store.close()
    alone = await open_store(data_dir, clock, OTHER_KEYS)
    await everything_opens(alone)
    await alone.close()
    with pytest.raises(ConfigurationError, match="GATEWAY_SECRET_KEYS"):
        await open_store(data_dir, clock, KEYS)


async def test_a_key_can_be_taken_up_while_calls_come_in(data_dir: Path, clock: HandClock) -> None:
    store = await filled(data_dir, clock)
    await store.resealing.begin(OTHER_KEYS)
    more, number = True, 10
    while more:
        await accept(store, number)
        number += 1
        more = await store.resealing.step()
    await store.close()
    alone = await open_store(data_dir, clock, OTHER_KEYS)
    await everything_opens(alone, number)
    await alone.close()


async def test_it_goes_on_wherever_the_process_died(
    data_dir: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "SLICE", 3)
    store = await filled(data_dir, clock)
    await store.resealing.begin(OTHER_KEYS)
    more = True
    while more:
        await store.close()
        store = await open_store(data_dir, clock, BOTH)
        more = await store.resealing.step()
    await everything_opens(store)
    await store.close()
    await (await open_store(data_dir, clock, OTHER_KEYS)).close()


@pytest.mark.parametrize("steps", [0, 1, 3])
async def test_no_key_may_be_missing_before_it_is_done(data_dir: Path, clock: HandClock, steps: int) -> None:
    store = await filled(data_dir, clock)
    await store.resealing.begin(OTHER_KEYS)
    for _ in range(steps):
        await store.resealing.step()
    await store.close()
    for keys in (KEYS, OTHER_KEYS):
        if not (steps == 3 and keys == OTHER_KEYS):
            with pytest.raises(ConfigurationError, match="GATEWAY_SECRET_KEYS"):
                await open_store(data_dir, clock, keys)
    store = await open_store(data_dir, clock, BOTH)
    await everything_opens(store)
    await store.close()


async def test_yet_another_key_in_front_begins_anew(data_dir: Path, clock: HandClock) -> None:
    store = await filled(data_dir, clock)
    await store.resealing.begin(OTHER_KEYS)
    await store.resealing.step()
    await store.close()
    third = "C" * 42 + "A"
    store = await open_store(data_dir, clock, f"{third},{BOTH}")
    while await store.resealing.step():
        pass
    await store.close()
    alone = await open_store(data_dir, clock, third)
    await everything_opens(alone)
    await alone.close()


@pytest.mark.embedded
async def test_what_no_key_opens_stays_as_it_is_and_is_counted(data_dir: Path, clock: HandClock) -> None:
    store = await filled(data_dir, clock)
    await execute(store, "UPDATE bodies SET sealed = X'0011223344556677' WHERE event = 3")
    await store.resealing.begin(OTHER_KEYS)
    while await store.resealing.step():
        pass
    state = await store.resealing.state()
    assert state is not None
    assert state.broken == 1
    assert await with_writer(store, lambda db: db.execute("SELECT hex(sealed) FROM bodies WHERE event = 3").get) == (
        "0011223344556677"
    )
    await store.close()


@pytest.mark.embedded
async def test_every_table_with_sealed_values_is_known(store: Store) -> None:
    tables = await with_writer(
        store,
        lambda db: db.execute(
            "SELECT t.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c ON c.name = 'sealed' "
            "WHERE t.type = 'table'"
        ).fetchall(),
    )
    assert {name for (name,) in tables} == {*FEW, "inbound", "bodies", "seals"}

"""Calls share commits, and nothing else."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.contract.errors import StoreUnavailable
from gateway.store.engines.engine import Tx
from gateway.store.engines.sqlite_tx import SqliteTx
from gateway.store.store import Store
from tests.store.inside import with_writer
from tests.store.samples import accept, connection, event, open_store, receipt, subscribe


class Wrong(Exception):
    """A mistake in one call."""


async def write(store: Store, job: Any, item: Any = None) -> Any:
    return await store._engine.write(job, item)


def noting(seen: list[Any]) -> Any:
    """Make a job that notes what it was asked together, and cannot do with "bad"."""

    def job(_: Tx, items: Sequence[str]) -> list[str]:
        seen.append(list(items))
        if "bad" in items:
            raise Wrong("bad")
        return [item.upper() for item in items]

    return job


async def test_one_bad_call_fails_alone(store: Store) -> None:
    seen: list[Any] = []
    job = noting(seen)
    answers = await asyncio.gather(
        write(store, job, "a"),
        accept(store, 1),
        write(store, job, "bad"),
        write(store, job, "b"),
        accept(store, 2),
        return_exceptions=True,
    )

    assert answers[0] == "A"
    assert isinstance(answers[2], Wrong)
    assert answers[3] == "B"
    assert seen == [["a", "bad", "b"], ["a"], ["bad"], ["b"]]
    assert [each.body for each in await store.events()] == [b'{"event":1}', b'{"event":2}']


async def test_a_bad_value_that_the_database_refuses_fails_alone(store: Store) -> None:
    answers = await asyncio.gather(
        store.accept(receipt(1), [event(1)]),
        store.accept(receipt(2, connection=object()), [event(2)]),
        store.accept(receipt(3, received_at=None), [event(3)]),
        store.accept(receipt(4), [event(4)]),
        return_exceptions=True,
    )

    assert isinstance(answers[1], Exception)
    assert not isinstance(answers[1], StoreUnavailable), "a mistake of ours is no trouble of the database's"
    assert isinstance(answers[2], StoreUnavailable)
    assert [each.body for each in await store.events()] == [b'{"event":1}', b'{"event":4}']
    assert await store.bounds() == (1, 2)


@pytest.mark.embedded
async def test_nothing_is_planned_for_a_destination_that_was_undone(store: Store) -> None:
    def undo_everything(tx: Tx, _: Sequence[None]) -> list[None]:
        assert isinstance(tx, SqliteTx)
        tx._db.execute("ROLLBACK")
        raise Wrong("the disk is full, say")

    await accept(store, 1)
    undone = await asyncio.gather(
        subscribe(store, "dst_lost"),
        accept(store, 2),
        write(store, undo_everything),
        return_exceptions=True,
    )
    await store.put_connection(connection())
    await accept(store, 3)

    assert [type(each) for each in undone] == [Wrong] * 3
    planned = await with_writer(store, lambda db: db.execute("SELECT count(*) FROM deliveries").fetchall())
    assert planned == [(0,)]
    assert await store.bounds() == (1, 2)


async def test_a_caller_that_went_away_disturbs_nobody(store: Store) -> None:
    impatient = asyncio.create_task(accept(store, 1))
    patient = asyncio.create_task(accept(store, 2))
    await asyncio.sleep(0)
    impatient.cancel()

    assert (await patient).status == "accepted"
    assert len(await store.events()) == 2


async def test_everybody_who_waits_for_a_change_hears_of_one(store: Store) -> None:
    waiting = [asyncio.create_task(store.changed(30.0)) for _ in range(20)]
    await asyncio.sleep(0)
    await accept(store, 1)

    assert await asyncio.gather(*waiting) == [True] * 20
    assert not await store.changed(0.001)


async def test_closing_finishes_what_was_asked_and_takes_no_more(data_dir: Any) -> None:
    store = await open_store(data_dir)
    asked = [asyncio.create_task(accept(store, number)) for number in range(100)]
    looking = [asyncio.create_task(store.events()) for _ in range(10)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*looking)

    assert [each.status for each in await asyncio.gather(*asked)] == ["accepted"] * 100
    with pytest.raises(StoreUnavailable, match="closed"):
        await accept(store, 101)
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.events()


async def test_a_mistake_of_the_engine_s_own_leaves_nobody_waiting(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Any) -> None:
        raise Wrong("engine")

    monkeypatch.setattr(store._engine._group, "_commit", broken)  # type: ignore[attr-defined]  # -- a look inside the engine
    with pytest.raises(Wrong, match="engine"):
        await accept(store, 1)

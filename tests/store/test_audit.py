"""The audit log is added to, and nothing else."""

import apsw
import pytest

from gateway.store.store import Store
from tests.store.inside import execute
from tests.store.samples import HandClock


async def test_acts_are_listed_as_they_were_done(store: Store, clock: HandClock) -> None:
    await store.audit.add("key_1", "create_key", "key_2")
    clock.advance(1)
    await store.audit.add("key_2", "erase")
    await store.audit.add("key_1", "revoke_key", "key_2")

    acts = await store.audit.list()
    assert [(act.key, act.action, act.object) for act in acts] == [
        ("key_1", "create_key", "key_2"),
        ("key_2", "erase", None),
        ("key_1", "revoke_key", "key_2"),
    ]
    assert acts[1].at - acts[0].at == 1000
    assert [act.number for act in await store.audit.list(after=acts[0].number, limit=1)] == [acts[1].number]
    assert [act.number for act in await store.audit.list(key="key_1", action="revoke_key")] == [acts[2].number]
    assert len(await store.audit.list(object_id="key_2")) == 2


async def test_the_newest_acts_come_first_page_by_page(store: Store) -> None:
    for number in range(1, 6):
        await store.audit.add(f"key_{number % 2}", "create_key", f"key_{number}")
    first = await store.audit.newest(limit=3)
    rest = await store.audit.newest(before=first[-1].number, limit=3)
    assert [act.object for act in [*first, *rest]] == ["key_5", "key_4", "key_3", "key_2", "key_1"]
    assert [act.object for act in await store.audit.newest(key="key_0")] == ["key_4", "key_2"]
    assert await store.audit.newest(action="erase") == []
    assert len(await store.audit.newest(object_id="key_5")) == 1


@pytest.mark.parametrize("change", ["UPDATE audit SET key = 'x'", "DELETE FROM audit"])
async def test_nobody_changes_what_was_done(store: Store, change: str) -> None:
    await store.audit.add("key_1", "create_key", "key_2")

    with pytest.raises((apsw.Error, Exception), match="the audit log is only added to"):
        await execute(store, change)
    assert len(await store.audit.list()) == 1

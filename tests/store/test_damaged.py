"""A row that cannot be opened takes no other with it."""

from pathlib import Path
from typing import Literal

import pytest

from gateway.store.model import Damaged, Key, Token
from gateway.store.store import Store
from tests.store.inside import damage, execute
from tests.store.samples import START, accept, connection, open_store, subscribe

KINDS: tuple[Literal["connection", "destination", "key", "token"], ...] = ("connection", "destination", "key", "token")


async def damaged(store: Store, kind: str, name: str) -> None:
    """Damage one; the change after it tells everybody to read again."""
    await damage(store, f"{kind}s", f"id = '{name}'")
    await store.put_connection(connection(f"con_after_{kind}"))


async def two_of_each(store: Store) -> None:
    for number in (1, 2):
        await store.put_connection(connection(f"connection_{number}"))
        await subscribe(store, f"destination_{number}")
        await store.put_key(Key(id=f"key_{number}", name="n", digest=bytes(32), scopes=(), created_at=START))
        await store.put_token(Token(id=f"token_{number}", token="t" * 43, created_at=START))


async def names(store: Store, kind: str) -> list[str]:
    return [each.id for each in await getattr(store, f"{kind}s")() if not each.id.startswith("con_after")]


@pytest.mark.parametrize("kind", KINDS)
async def test_the_others_of_its_kind_are_read_and_it_is_named(store: Store, kind: str) -> None:
    await two_of_each(store)
    assert await store.damaged() == []
    await damaged(store, kind, f"{kind}_1")

    assert [await names(store, each) for each in KINDS] == [
        [f"{each}_2"] if each == kind else sorted((f"{each}_1", f"{each}_2"), reverse=each == "token") for each in KINDS
    ]
    assert [(each.kind, each.id) for each in await store.damaged()] == [(kind, f"{kind}_1")]


async def test_a_destination_like_that_stops_no_other_and_can_be_removed(store: Store) -> None:
    await two_of_each(store)
    await accept(store, 1)
    await damaged(store, "destination", "destination_1")
    await accept(store, 2)

    waiting = [(each.destination, each.event) for each in await store.deliveries(status="pending")]
    assert [name for name, _ in waiting] == ["destination_1", "destination_2", "destination_2"]
    assert await store.remove_destination("destination_1")
    assert await store.damaged() == []
    assert [each.status for each in await store.deliveries(destination="destination_1")] == ["skipped"]


async def test_a_start_with_one_of_each_like_that_goes_on(data_dir: Path) -> None:
    store = await open_store(data_dir)
    await two_of_each(store)
    for kind in KINDS:
        await damaged(store, kind, f"{kind}_1")
    await execute(store, "UPDATE head SET copied = 1")
    await store.close()

    store = await open_store(data_dir)
    try:
        assert {each.status for each in await store.connections()} == {"needs_repair"}
        assert await store.damaged() == [Damaged(kind=kind, id=f"{kind}_1") for kind in KINDS]
    finally:
        await store.close()

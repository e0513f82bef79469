"""What the operator set up comes back as it was put, and two changes never overwrite each other unseen."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.store.model import Connection, Destination, Key, Remote, SigningSecret, Token, VersionConflict
from gateway.store.routes import matches
from gateway.store.store import Store
from tests.store.samples import START, connection, subscribe

FULL_CONNECTION = Connection(
    id="con_1",
    provider="meetergo",
    name="Ünïcode",
    status="waiting",
    account="acc",
    settings={"events": ["a"], "nested": {"x": [1, None, 2.5]}},
    credentials={"api_key": "k"},
    secrets=("new", "old"),
    token="t" * 43,
    remote=Remote(id="1", url="https://x", events=("a",), checked_at=START),
    webhook_ids=("1", "0"),
    created_at=START,
)
FULL_DESTINATION = Destination(
    id="dst_1",
    name="n",
    url="https://x.example/hook",
    types=("booking.*",),
    providers=("meetergo",),
    connections=("con_1",),
    headers={"authorization": "Bearer b"},
    format="cloudevents",
    profile="thin",
    rate=2.5,
    paused=True,
    paused_reason="410",
    secrets=(SigningSecret(secret="whsec_a"), SigningSecret(secret="whsec_b", expires_at=START)),
    created_at=START,
)


async def test_a_connection_comes_back_as_it_was_put(store: Store) -> None:
    put = await store.put_connection(FULL_CONNECTION)

    assert put == replace(FULL_CONNECTION, version=1)
    assert await store.connections() == [put]
    changed = await store.put_connection(replace(put, name="other", status="broken"))
    assert changed.version == 2
    assert await store.connections() == [changed]
    assert await store.remove_connection("con_1")
    assert not await store.remove_connection("con_1")
    assert await store.connections() == []


async def test_a_destination_comes_back_with_its_number(store: Store) -> None:
    put = await store.put_destination(FULL_DESTINATION)
    other = await subscribe(store, "dst_2")

    assert (put.number, other.number) == (1, 2)
    assert await store.destinations() == [replace(FULL_DESTINATION, number=1, version=1), other]
    assert await store.remove_destination("dst_2")
    assert (await subscribe(store, "dst_3")).number == 3


@pytest.mark.parametrize("version", [0, 1, 3])
async def test_a_change_of_what_was_changed_meanwhile_is_refused(store: Store, version: int) -> None:
    put = await store.put_connection(FULL_CONNECTION)
    await store.put_connection(put)
    destination = await store.put_destination(FULL_DESTINATION)
    await store.put_destination(destination)

    with pytest.raises(VersionConflict, match="con_1"):
        await store.put_connection(replace(FULL_CONNECTION, name="late", version=version))
    with pytest.raises(VersionConflict, match="dst_1"):
        await store.put_destination(replace(FULL_DESTINATION, name="late", version=version))
    assert {each.name for each in await store.connections()} == {"Ünïcode"}


async def test_of_two_changes_at_once_one_wins_and_the_other_hears_of_it(store: Store) -> None:
    put = await store.put_connection(FULL_CONNECTION)
    answers = await asyncio.gather(
        *[store.put_connection(replace(put, name=name)) for name in "ab"], return_exceptions=True
    )

    assert sorted(type(each).__name__ for each in answers) == ["Connection", "VersionConflict"]


async def test_a_removed_row_is_not_brought_back_by_a_late_change(store: Store) -> None:
    put = await store.put_connection(FULL_CONNECTION)
    destination = await store.put_destination(FULL_DESTINATION)
    await store.remove_connection("con_1")
    await store.remove_destination("dst_1")

    with pytest.raises(VersionConflict):
        await store.put_connection(put)
    with pytest.raises(VersionConflict):
        await store.put_destination(destination)


async def test_keys_and_tokens_come_back_as_they_were_put(store: Store) -> None:
    key = Key(id="key_1", name="n", digest=bytes(range(32)), scopes=("admin", "events:read"), created_at=START)
    older, newer = (Token(id=f"url_{number}", token="t" * 43, created_at=START + number) for number in (1, 2))
    await store.put_key(key)
    await store.put_token(older)
    await store.put_token(newer)

    assert await store.keys() == [key]
    assert await store.tokens() == [newer, older]
    await store.put_key(replace(key, name="renamed"))
    assert [each.name for each in await store.keys()] == ["renamed"]
    assert await store.remove_key("key_1")
    assert await store.remove_token("url_1")
    assert not await store.remove_token("url_1")
    assert (await store.keys(), await store.tokens()) == ([], [newer])


async def test_every_change_grows_the_configuration_s_version(store: Store) -> None:
    changes: list[Any] = [
        lambda: store.put_connection(FULL_CONNECTION),
        lambda: store.put_destination(FULL_DESTINATION),
        lambda: store.put_key(Key(id="k", name="n", digest=b"d", scopes=(), created_at=1)),
        lambda: store.put_token(Token(id="t", token="t", created_at=1)),
        lambda: store.remove_connection("con_1"),
        lambda: store.remove_destination("dst_1"),
        lambda: store.remove_key("k"),
        lambda: store.remove_token("t"),
    ]
    for change in changes:
        before = await store.look_at_version()
        await change()
        assert await store.look_at_version() > before
    before = await store.look_at_version()
    await store.put_connection(connection("con_9"))
    assert await store.look_at_version() == before + 1


async def test_a_change_is_heard_of_though_whoever_asked_for_it_went_away(store: Store) -> None:
    before = await store.look_at_version()
    asked = asyncio.ensure_future(store.put_connection(connection()))
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await store.pulse()  # a commit after the one with the change
    assert await store.look_at_version() > before


def test_a_pattern_is_exact_a_family_or_everything() -> None:
    assert [
        pattern
        for pattern in ("*", "booking.*", "booking.scheduled", "booking", "booking.", "book*", "form.*", "")
        if matches(pattern, "booking.scheduled")
    ] == ["*", "booking.*", "booking.scheduled"]

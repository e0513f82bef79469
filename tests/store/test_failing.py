"""Since when a destination takes nothing, and what was being tried when the gateway ended."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.store.model import Claimed
from gateway.store.queue import APART_MS, LONGEST_GAP_MS, SUSPECTED
from gateway.store.store import Store
from tests.store.samples import HandClock, accept, open_store, result, subscribe

LEASE = 45.0
HOUR = 3600.0


async def try_one(store: Store, outcome: Any = "retry", **changes: Any) -> int | None:
    """Claim one and settle it; since when its destination takes nothing."""
    (claimed,) = await store.claim(1, 1, 45)
    return await store.settle([result(claimed, outcome, **changes)])


async def since(store: Store) -> int | None:
    return (await store.destinations())[0].failing_since


async def test_a_destination_fails_since_the_first_try_that_failed(store: Store, clock: HandClock) -> None:
    await subscribe(store)
    await accept(store, 1)
    assert await since(store) is None
    first = clock()
    for _ in range(3):
        assert await try_one(store, wait=0.0) == first
        assert await since(store) == first
        clock.advance(HOUR)


@pytest.mark.parametrize("outcome", ["retry", "dead"])
async def test_one_that_takes_something_fails_no_more(store: Store, clock: HandClock, outcome: str) -> None:
    await subscribe(store)
    for number in (1, 2):
        await accept(store, number)
    assert await try_one(store, outcome, wait=HOUR) == clock()
    assert await try_one(store, "delivered") is None
    assert await since(store) is None


async def test_of_tries_settled_together_one_that_was_taken_is_enough(store: Store) -> None:
    await subscribe(store)
    for number in (1, 2):
        await accept(store, number)
    one, other = await store.claim(1, 2, 45)
    assert await store.settle([result(one, "delivered"), result(other, "retry", wait=1.0)]) is None
    assert await since(store) is None


async def test_failures_that_lie_far_apart_are_not_one_long_failure(store: Store, clock: HandClock) -> None:
    await subscribe(store)
    await accept(store, 1)
    await try_one(store, wait=0.0)
    clock.advance(LONGEST_GAP_MS / 1000 + 1)
    assert await try_one(store, wait=0.0) == clock()


async def test_a_result_that_comes_too_late_says_nothing(store: Store, clock: HandClock) -> None:
    await subscribe(store)
    await accept(store, 1)
    (late,) = await store.claim(1, 1, 45)
    clock.advance(46)
    await store.claim(1, 1, 45)
    assert await store.settle([result(late, "retry", wait=1.0)]) is None
    assert await store.settle([result(late, "delivered")]) is None
    assert await since(store) is None


async def test_what_was_never_tried_says_nothing(store: Store) -> None:
    await subscribe(store)
    await accept(store, 1)
    assert await try_one(store, "released") is None
    assert await since(store) is None


async def test_a_changed_or_resumed_destination_begins_anew(store: Store) -> None:
    await subscribe(store)
    await accept(store, 1)
    await try_one(store, wait=0.0)
    (row,) = await store.destinations()
    assert row.failing_since is not None
    changed = await store.put_destination(replace(row, url="https://elsewhere.example"))
    assert changed.failing_since is None
    assert await since(store) is None


async def test_it_is_known_after_a_restart(data_dir: Path, clock: HandClock) -> None:
    store = await open_store(data_dir, clock)
    await subscribe(store)
    await accept(store, 1)
    first = await try_one(store, wait=0.0)
    await store.close()
    clock.advance(HOUR)
    store = await open_store(data_dir, clock)
    assert await since(store) == first
    assert await try_one(store, wait=0.0) == first
    await store.close()


# --- ends of the gateway -------------------------------------------------------------------------------------------


async def ended(data_dir: Path, clock: HandClock, limit: int) -> list[Claimed]:
    """Open, claim, and end without a word: what `close` does is the process's business, not the queue's."""
    store = await open_store(data_dir, clock)
    claimed = await store.claim(1, limit, LEASE)
    await store.close()
    if not store.alone:
        clock.advance(LEASE)  # on PostgreSQL another gateway may be trying it until then
    return claimed


async def test_what_was_tried_at_one_end_is_tried_again(data_dir: Path, clock: HandClock) -> None:
    await three(data_dir, clock)
    assert len(await ended(data_dir, clock, 3)) == 3
    assert [each.attempt for each in await ended(data_dir, clock, 3)] == [2, 2, 2]


async def test_what_was_tried_at_two_ends_in_a_row_is_tried_by_itself(data_dir: Path, clock: HandClock) -> None:
    await three(data_dir, clock)
    for _ in range(SUSPECTED):
        await ended(data_dir, clock, 3)
    store = await open_store(data_dir, clock)
    seen = set()
    for _ in range(3):
        (one,) = await store.claim(1, 3, LEASE)
        assert one.tries == SUSPECTED + 1
        assert await store.claim(1, 3, LEASE) == []
        seen.add(one.delivery)
        await store.settle([result(one)])
        clock.advance(APART_MS / 1000)
    assert len(seen) == 3
    await store.close()


async def test_it_is_tried_by_itself_whoever_else_is_to_get_something(data_dir: Path, clock: HandClock) -> None:
    store = await open_store(data_dir, clock)
    for name in ("dst_1", "dst_2"):
        await subscribe(store, name)
    await accept(store, 1)
    await store.close()
    for _ in range(SUSPECTED):
        store = await open_store(data_dir, clock)
        assert [len(await store.claim(number, 3, LEASE)) for number in (1, 2)] == [1, 1]
        await store.close()
        clock.advance(LEASE)
    store = await open_store(data_dir, clock)
    assert [len(await store.claim(number, 3, LEASE)) for number in (1, 2)] == [1, 0]
    assert (await store.due()).wait == APART_MS / 1000
    clock.advance(APART_MS / 1000)
    assert [len(await store.claim(number, 3, LEASE)) for number in (1, 2)] == [0, 1]
    await store.close()


async def test_what_ends_the_gateway_each_time_uses_up_its_own_tries_and_no_other_s(
    data_dir: Path, clock: HandClock
) -> None:
    """The first of three ends it before any other that is under way is answered; all others are answered in time."""
    await three(data_dir, clock)
    for _ in range(12):
        store, poisoned = await open_store(data_dir, clock), False
        for _ in range(40):
            claimed = await store.claim(1, 3, LEASE)
            poisoned = any(each.body == b'{"event":0}' for each in claimed)
            if poisoned:
                break
            await store.settle([result(each) for each in claimed])
            clock.advance(APART_MS / 1000)
        assert poisoned
        await store.close()
        clock.advance(LEASE)
    store = await open_store(data_dir, clock)
    shown = [(each.status, each.attempt) for each in await store.deliveries()]
    await store.close()
    assert shown == [("pending", 12), *[("delivered", SUSPECTED + 1)] * 2]


async def test_a_try_whose_end_was_written_down_is_no_sign_of_anything(data_dir: Path, clock: HandClock) -> None:
    await three(data_dir, clock)
    for _ in range(4):
        store = await open_store(data_dir, clock)
        claimed = await store.claim(1, 3, LEASE)
        assert len(claimed) == 3
        await store.settle([result(each, "retry", wait=0.0) for each in claimed])
        await store.close()


async def three(data_dir: Path, clock: HandClock) -> None:
    store = await open_store(data_dir, clock)
    await subscribe(store)
    for number in range(3):
        await accept(store, number)
    await store.close()

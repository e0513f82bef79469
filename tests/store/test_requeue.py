"""The queue, again: what is retried, replayed, paused, removed, or was left behind by a dead process."""

import asyncio
from pathlib import Path

import pytest

from gateway.store.store import Store
from tests.store.samples import HandClock, accept, open_store, result, subscribe

LEASE = 45.0


async def statuses(store: Store) -> list[str]:
    return [each.status for each in await store.deliveries()]


async def only_id(store: Store) -> str:
    (found,) = await store.deliveries()
    return found.id


async def test_a_dead_one_that_is_retried_goes_to_the_tail_with_a_whole_schedule(store: Store) -> None:
    await subscribe(store)
    for number in range(3):
        await accept(store, number, key="k")
    (dead,) = await store.claim(1, 1, LEASE)
    await store.settle([result(dead, "dead")])
    assert await store.retry(delivery=(await store.deliveries(status="dead"))[0].id) == 1

    order = []
    while claimed := await store.claim(1, 10, LEASE):
        order += [(each.body, each.attempt, each.tries) for each in claimed]
        await store.settle([result(each) for each in claimed])
    assert order == [(b'{"event":1}', 1, 1), (b'{"event":2}', 1, 1), (b'{"event":0}', 2, 1)]


async def test_retrying_chooses_by_destination_status_and_time(store: Store, clock: HandClock) -> None:
    await subscribe(store, "dst_1")
    await subscribe(store, "dst_2")
    for number in range(4):
        await accept(store, number)
        clock.advance(10)
    for destination in (1, 2):
        claimed = await store.claim(destination, 10, LEASE)
        await store.settle([result(each, "dead") for each in claimed])
    began = clock.at - 40_000

    assert await store.retry(destination="dst_1", since=began + 10_000, until=began + 30_000) == 2
    assert await store.retry(destination="dst_none") == 0
    assert await store.retry() == 6
    assert await store.retry(status="delivered") == 0
    assert await store.retry(delivery="dlv_nonsense") == 0
    assert await statuses(store) == ["pending"] * 8


async def test_a_large_retry_is_done_in_slices(store: Store) -> None:
    await subscribe(store)
    await asyncio.gather(*[accept(store, number) for number in range(1203)])
    while claimed := await store.claim(1, 400, LEASE):
        await store.settle([result(each, "dead") for each in claimed])

    assert await store.retry() == 1203
    assert (await store.counts()).deliveries[("dst_1", "pending")] == 1203


async def test_retrying_a_pending_one_makes_it_due_unless_it_is_being_tried(store: Store) -> None:
    await subscribe(store)
    await accept(store, 1)
    (claimed,) = await store.claim(1, 1, LEASE)
    name = await only_id(store)

    assert await store.retry(delivery=name, status="pending") == 0
    await store.settle([result(claimed, "retry", wait=1000.0)])
    assert await store.retry(delivery=name, status="pending") == 1
    (again,) = await store.claim(1, 1, LEASE)
    assert again.tries == 2


async def test_replay_delivers_the_same_bytes_again(store: Store) -> None:
    await subscribe(store)
    accepted = await accept(store, 1)
    (first,) = await store.claim(1, 1, LEASE)
    await store.settle([result(first)])
    replayed = await store.replay(accepted.events[0])

    assert replayed == [await only_id(store)]
    (again,) = await store.claim(1, 1, LEASE)
    assert (again.body, again.event_id, again.attempt, again.tries) == (first.body, first.event_id, 2, 1)


async def test_replay_goes_behind_what_waits(store: Store) -> None:
    await subscribe(store)
    accepted = await accept(store, 1, key="k")
    (first,) = await store.claim(1, 1, LEASE)
    await store.settle([result(first)])
    await accept(store, 2, key="k")
    await store.replay(accepted.events[0])

    (claimed,) = await store.claim(1, 10, LEASE)
    assert claimed.body == b'{"event":2}'


async def test_replay_of_what_is_pending_leaves_it_where_it_is(store: Store) -> None:
    await subscribe(store)
    accepted = await accept(store, 1, key="k")
    (claimed,) = await store.claim(1, 1, LEASE)
    await store.replay(accepted.events[0])

    assert await store.claim(1, 1, LEASE) == []
    await store.settle([result(claimed)])
    assert await statuses(store) == ["delivered"]


async def test_replay_reaches_new_destinations_and_those_named(store: Store) -> None:
    accepted = await accept(store, 1)
    await subscribe(store, "dst_1")
    await subscribe(store, "dst_2", types=("form.submitted",))
    event = accepted.events[0]

    assert len(await store.replay(event) or []) == 1
    assert len(await store.replay(event, ["dst_2", "dst_none"]) or []) == 1
    assert sorted(each.destination for each in await store.deliveries(event=event)) == ["dst_1", "dst_2"]
    assert await store.replay("evt_" + "a" * 32) is None
    assert await store.replay("evt_nonsense") is None


async def test_a_paused_destination_keeps_its_deliveries_and_claims_none(store: Store) -> None:
    destination = await subscribe(store)
    await accept(store, 1)
    paused = await subscribe(store, paused=True, version=destination.version)
    await accept(store, 2)

    assert await store.claim(1, 10, LEASE) == []
    assert (await store.due()).destinations == ()
    assert (await store.due()).wait is None
    assert await statuses(store) == ["pending", "pending"]
    await subscribe(store, paused=False, version=paused.version)
    assert len(await store.claim(1, 10, LEASE)) == 2


async def test_a_removed_destination_s_pending_deliveries_are_skipped(store: Store) -> None:
    await subscribe(store, "dst_1")
    await subscribe(store, "dst_2")
    for number in range(3):
        await accept(store, number)
    done, flying, *_ = await store.claim(1, 2, LEASE)
    await store.settle([result(done)])

    assert await store.remove_destination("dst_1")
    assert not await store.remove_destination("dst_1")
    await store.settle([result(flying)])
    counts = (await store.counts()).deliveries
    assert {key: amount for key, amount in counts.items() if amount} == {
        ("dst_1", "delivered"): 1,
        ("dst_1", "skipped"): 2,
        ("dst_2", "pending"): 3,
    }
    assert await store.retry(status="skipped") == 0
    await accept(store, 9)
    assert len(await store.deliveries(destination="dst_1")) == 3


@pytest.mark.embedded
async def test_what_a_dead_process_had_claimed_is_due_at_once(data_dir: Path, clock: HandClock) -> None:
    store = await open_store(data_dir, clock)
    await subscribe(store)
    for number in range(3):
        await accept(store, number)
    first, second, third = await store.claim(1, 3, LEASE)
    await store.settle([result(first, "retry", wait=100.0), result(second)])
    await store.close()

    store = await open_store(data_dir, clock)
    (again,) = await store.claim(1, 10, LEASE)
    assert (again.delivery, again.attempt) == (third.delivery, 2)
    assert (await store.due()).wait == LEASE
    await store.close()


@pytest.mark.embedded
@pytest.mark.parametrize("years", [-56, 14])
async def test_no_wait_grows_when_the_wall_clock_was_set_between_two_starts(
    data_dir: Path, clock: HandClock, years: int
) -> None:
    store = await open_store(data_dir, clock)
    await subscribe(store)
    await accept(store, 1)
    (claimed,) = await store.claim(1, 1, LEASE)
    await store.settle([result(claimed, "retry", wait=100.0)])
    clock.advance(40)
    await store.close()

    clock.advance(years * 365 * 86_400)
    store = await open_store(data_dir, clock)
    wait = (await store.due()).wait
    assert (await store.due()).destinations or (wait is not None and wait <= 100.0)
    await store.close()
    store = await open_store(data_dir, clock)
    assert (await store.due()).wait == wait
    await store.close()


async def test_deliveries_add_up_through_everything(store: Store) -> None:
    await subscribe(store)
    for number in range(10):
        await accept(store, number)
    claimed = await store.claim(1, 6, LEASE)
    await store.settle(
        [result(claimed[0]), result(claimed[1]), result(claimed[2], "dead"), result(claimed[3], "released")]
    )
    await store.retry()
    await store.replay(claimed[0].event_id)
    await store.settle([result(claimed[4], "retry", wait=9.0)])
    shown = await statuses(store)

    counts = (await store.counts()).deliveries
    assert {status: counts.get(("dst_1", status), 0) for status in ("pending", "delivered", "dead", "skipped")} == {
        status: shown.count(status) for status in ("pending", "delivered", "dead", "skipped")
    }

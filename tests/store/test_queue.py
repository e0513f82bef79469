"""The queue: due is the lease, attempt is the fence, only heads are claimed."""

from gateway.store.model import Claimed, Delivery
from gateway.store.store import Store
from tests.store.samples import HandClock, accept, bodies, result, subscribe

LEASE = 45.0


async def one(store: Store) -> Delivery:
    (found,) = await store.deliveries()
    return found


async def test_a_new_delivery_is_due_at_once_and_carries_the_event_s_bytes(store: Store) -> None:
    destination = await subscribe(store)
    accepted = await accept(store, 1)

    assert (await store.due()).destinations == (destination.number,)
    (claimed,) = await store.claim(destination.number, 10, LEASE)
    assert (claimed.event_id, claimed.event_type) == (accepted.events[0], "booking.scheduled")
    assert (claimed.body, claimed.attempt, claimed.tries) == (b'{"event":1}', 1, 1)


async def test_what_is_claimed_is_not_due_until_its_lease_ends(store: Store, clock: HandClock) -> None:
    await subscribe(store)
    await accept(store, 1)
    (first,) = await store.claim(1, 10, LEASE)

    assert await store.claim(1, 10, LEASE) == []
    assert (await store.due()) == (await store.due())
    assert (await store.due()).wait == LEASE
    clock.advance(LEASE)
    (second,) = await store.claim(1, 10, LEASE)
    assert (second.delivery, second.attempt) == (first.delivery, 2)


async def test_a_late_result_changes_nothing(store: Store, clock: HandClock) -> None:
    await subscribe(store)
    await accept(store, 1)
    (late,) = await store.claim(1, 10, LEASE)
    clock.advance(LEASE)
    (current,) = await store.claim(1, 10, LEASE)
    for outcome in ("delivered", "dead", "retry", "released"):
        await store.settle([result(late, outcome)])

    assert (await one(store)).status == "pending"
    assert (await store.due()).wait == LEASE
    await store.settle([result(current)])
    assert (await one(store)).status == "delivered"


async def test_a_delivered_one_is_finished_and_shows_its_tries(store: Store, clock: HandClock) -> None:
    await subscribe(store)
    await accept(store, 1)
    (first,) = await store.claim(1, 1, LEASE)
    await store.settle([result(first, "retry", wait=5.0)])
    clock.advance(5)
    (second,) = await store.claim(1, 1, LEASE)
    await store.settle([result(second)])

    found = await store.delivery((await one(store)).id)
    assert found is not None
    shown, attempts = found
    assert (shown.status, shown.attempt, shown.last_status, shown.last_error) == ("delivered", 2, 200, None)
    assert (shown.due_at, shown.finished_at) == (None, clock.at)
    assert [(each.number, each.status, each.error) for each in attempts] == [(1, 500, "answered 500"), (2, 200, None)]


async def test_a_retry_waits_as_long_as_it_was_told(store: Store, clock: HandClock) -> None:
    await subscribe(store)
    await accept(store, 1)
    (claimed,) = await store.claim(1, 1, LEASE)
    await store.settle([result(claimed, "retry", wait=30.0)])

    assert (await store.due()).wait == 30.0
    clock.advance(29.999)
    assert await store.claim(1, 1, LEASE) == []
    clock.advance(0.001)
    assert len(await store.claim(1, 1, LEASE)) == 1


async def test_a_released_one_is_due_at_once_and_its_try_is_taken_back(store: Store) -> None:
    await subscribe(store)
    await accept(store, 1)
    (claimed,) = await store.claim(1, 1, LEASE)
    await store.settle([result(claimed, "released")])

    (again,) = await store.claim(1, 1, LEASE)
    assert (again.attempt, again.tries) == (1, 1)
    found = await store.delivery((await one(store)).id)
    assert found is not None
    assert found[1] == []


async def test_events_of_one_booking_go_one_after_the_other(store: Store) -> None:
    await subscribe(store)
    for number in range(3):
        await accept(store, number, key="k")
    order = []
    while claimed := await store.claim(1, 10, LEASE):
        assert len(claimed) == 1
        order += bodies(claimed)
        await store.settle([result(claimed[0])])

    assert order == [b'{"event":0}', b'{"event":1}', b'{"event":2}']


async def test_bookings_and_events_without_one_do_not_wait_for_each_other(store: Store) -> None:
    await subscribe(store)
    for number, key in enumerate(["k", "k", "l", None, None]):
        await accept(store, number, key=key)

    claimed = await store.claim(1, 10, LEASE)
    assert bodies(claimed) == [b'{"event":%d}' % number for number in (0, 2, 3, 4)]


async def test_a_booking_s_order_is_each_destination_s_own(store: Store) -> None:
    await subscribe(store, "dst_1")
    await subscribe(store, "dst_2")
    await accept(store, 1, key="k")
    await accept(store, 2, key="k")
    (first,) = await store.claim(1, 10, LEASE)
    await store.settle([result(first)])

    assert bodies(await store.claim(1, 10, LEASE)) == [b'{"event":2}']
    assert bodies(await store.claim(2, 10, LEASE)) == [b'{"event":1}']


async def test_a_failing_event_holds_up_its_booking_until_it_is_dead(store: Store, clock: HandClock) -> None:
    await subscribe(store)
    await accept(store, 1, key="k")
    await accept(store, 2, key="k")
    (first,) = await store.claim(1, 10, LEASE)
    await store.settle([result(first, "retry", wait=100.0)])

    for _ in range(100):
        assert await store.claim(1, 10, LEASE) == []
        clock.advance(1)
    (first,) = await store.claim(1, 10, LEASE)
    assert first.body == b'{"event":1}'
    await store.settle([result(first, "dead")])
    assert bodies(await store.claim(1, 10, LEASE)) == [b'{"event":2}']


async def test_a_claim_never_takes_more_than_its_limit(store: Store) -> None:
    await subscribe(store)
    for number in range(10):
        await accept(store, number)

    assert len(await store.claim(1, 3, LEASE)) == 3
    assert len(await store.claim(1, 100, LEASE)) == 7


async def test_many_followers_due_at_once_hide_no_head_for_long(store: Store) -> None:
    await subscribe(store)
    for number in range(500):
        await accept(store, number, key="busy")
    (head,) = await store.claim(1, 1, LEASE)
    await accept(store, 1000, key="other")

    found: list[Claimed] = []
    while not found and (await store.due()).destinations:
        found = await store.claim(1, 1, LEASE)
    assert bodies(found) == [b'{"event":1000}']
    await store.settle([result(head)])
    assert bodies(await store.claim(1, 10, LEASE)) == [b'{"event":1}']

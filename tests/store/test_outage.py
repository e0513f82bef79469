"""A destination is down and bookings pile up: what a claim costs depends on its limit, not on the pile."""

import pytest

from gateway.store.model import Claimed
from gateway.store.queue import LEAST_LOOK, ROUNDS
from gateway.store.store import Store
from tests.store.inside import execute, with_writer
from tests.store.samples import HandClock, accept, result, subscribe

LEASE = 45.0
BOOKINGS = 100_000
STEPS_A_ROW = 150
"""What finding out about one row, and claiming or pushing it, may cost. Asking every due row would cost millions."""
STEP = 100
"""Operations of SQLite's machine between two looks at the count."""

PILE = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2 * :bookings)
INSERT INTO deliveries (number, destination, event, key_hash, position, status, due, attempt, earlier, created_at)
SELECT 1000 + i, 1, 1, i % :bookings, 1000 + i, 'pending', :now, 0, 0, :now FROM n
"""
FAIL_HEADS = "UPDATE deliveries SET due = :now + 3600000, attempt = 1 WHERE position <= 1000 + :bookings"


class Odometer:
    """Count what SQLite does for claims."""

    def __init__(self) -> None:
        self.steps = 0

    async def watch(self, store: Store) -> None:
        await with_writer(store, lambda db: db.set_progress_handler(self._tick, STEP))

    def _tick(self) -> bool:
        self.steps += STEP
        return False

    async def claim(self, store: Store, limit: int) -> tuple[list[Claimed], int]:
        before = self.steps
        claimed = await store.claim(1, limit, LEASE)
        return claimed, self.steps - before


async def pile_up(store: Store, clock: HandClock, bookings: int) -> None:
    """Let two events of each booking wait."""
    await subscribe(store)
    await accept(store, 1)
    await execute(store, PILE, bookings=bookings, now=clock.at)


@pytest.mark.embedded
async def test_a_claim_costs_the_same_behind_a_hundred_thousand_blocked_bookings(
    store: Store, clock: HandClock
) -> None:
    await pile_up(store, clock, BOOKINGS)
    odometer = Odometer()
    await odometer.watch(store)
    most_rows = ROUNDS * LEAST_LOOK

    for _ in range(60):  # everything is due at once, and everything fails
        claimed, cost = await odometer.claim(store, 16)
        assert len(claimed) == 16
        assert cost < most_rows * STEPS_A_ROW < BOOKINGS
        await store.settle([result(each, "retry", wait=5.0) for each in claimed])
        clock.advance(1)
    await execute(store, FAIL_HEADS, bookings=BOOKINGS, now=clock.at)
    for _ in range(60):  # only followers are due
        claimed, cost = await odometer.claim(store, 16)
        assert claimed == []
        assert cost < most_rows * STEPS_A_ROW < BOOKINGS


async def test_when_the_outage_ends_everything_arrives_in_order(store: Store, clock: HandClock) -> None:
    await pile_up(store, clock, 300)
    for _ in range(40):
        claimed = await store.claim(1, 16, LEASE)
        await store.settle([result(each, "retry", wait=5.0) for each in claimed])
        clock.advance(1)
    clock.advance(LEASE)
    arrived: dict[int, list[int]] = {}
    while (await store.due()).destinations:
        claimed = await store.claim(1, 64, LEASE)
        for each in claimed:
            if each.delivery == 1:
                continue  # the one that is about no booking
            arrived.setdefault(each.delivery % 300, []).append(each.delivery)
        await store.settle([result(each) for each in claimed])

    assert await store.deliveries(status="pending") == []
    assert sum(map(len, arrived.values())) == 600
    assert all(order == sorted(order) for order in arrived.values())

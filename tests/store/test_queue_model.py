"""The queue against a model that is simple enough to be right: whatever is asked, in whatever order."""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from gateway.store.model import Claimed
from gateway.store.queue import APART_MS, SUSPECTED
from tests import stores
from tests.store.samples import HandClock, accept, open_store, result, subscribe

KEYS = st.sampled_from(["a", "a", "b", None])
NAMES = ("dst_1", "dst_2")
WHICH = st.sampled_from([1, 2])
LEASE = 45.0


class Modelled:
    """One delivery. `due` is exact for heads; a follower is due whenever it becomes the head."""

    def __init__(self, destination: int, event: int, key: str | None, position: int, due: int) -> None:
        self.destination = destination
        self.event = event
        self.key = key
        self.position = position
        self.due = due
        self.status = "pending"
        self.attempt = 0
        self.tries = 0
        self.again = False
        self.earlier = 0
        self.written: set[int] = set()

    @property
    def lost(self) -> int:
        """How many tries went without a result, if the latest one did."""
        if self.attempt == 0 or self.attempt in self.written:
            return 0
        return self.attempt - self.earlier - len([number for number in self.written if number > self.earlier])


class QueueMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = HandClock()
        self.folder = tempfile.TemporaryDirectory()
        self.store = self.run(open_store(Path(self.folder.name), self.clock))
        self.events: list[str] = []
        self.position = 0
        self.model: list[Modelled] = []
        self.held: list[tuple[Claimed, Modelled]] = []
        self.paused: set[int] = set()
        self.delivered: list[Modelled] = []
        self.next_suspect = 0

    def run(self, coroutine: Any) -> Any:
        return self.runner.run(coroutine)

    @initialize()
    def subscribe(self) -> None:
        self.versions = {1: 1, 2: 1}
        for name in NAMES:
            self.run(subscribe(self.store, name))
        for key in ("a", "a", "a", "b", None):
            self.accept(key)

    def teardown(self) -> None:
        try:
            self.finish_everything()
        finally:
            self.run(self.store.close())
            self.runner.close()
            self.folder.cleanup()

    # --- what the model knows --------------------------------------------------------------------------------------

    def queue_of(self, one: Modelled) -> list[Modelled]:
        waiting = [m for m in self.model if m.destination == one.destination and m.status == "pending"]
        return sorted((m for m in waiting if m is one or (m.key == one.key is not None)), key=lambda m: m.position)

    def claimable(self, destination: int) -> list[Modelled]:
        if destination in self.paused:
            return []
        return [
            m
            for m in self.model
            if m.destination == destination
            and m.status == "pending"
            and m.due <= self.clock.at
            and self.queue_of(m)[0] is m
        ]

    def to_tail(self, m: Modelled) -> None:
        self.position += 1
        m.status, m.position, m.due, m.tries, m.again = "pending", self.position, self.clock.at, 0, True
        m.earlier = m.attempt

    # --- what may happen -------------------------------------------------------------------------------------------

    @rule(key=KEYS, amount=st.integers(1, 3))
    def accept_some(self, key: str | None, amount: int) -> None:
        for _ in range(amount):
            self.accept(key)

    def accept(self, key: str | None) -> None:
        number = len(self.events)
        self.events += self.run(accept(self.store, number, key=key)).events
        for destination in (1, 2):
            self.position += 1
            self.model.append(Modelled(destination, number, key, self.position, self.clock.at))

    @precondition(lambda self: self.claimable(1) or self.claimable(2))
    @rule(destination=WHICH, limit=st.integers(1, 4))
    def claim_some(self, destination: int, limit: int) -> None:
        self.claim(destination, limit, LEASE)

    def claim(self, destination: int, limit: int, lease: float) -> None:
        expected = self.claimable(destination)
        claimed = self.run(self.store.claim(destination, limit, lease))

        given = [(each, m) for each in claimed for m in expected if each.event_id == self.events[m.event]]
        assert len(given) == len(claimed)
        self.put_apart(expected, [m for _, m in given], limit)
        for each, m in given:
            m.attempt, m.tries = m.attempt + 1, m.tries + 1
            assert (each.attempt, each.tries) == (m.attempt, m.tries)
            m.due = self.clock.at + round(lease * 1000)
            self.held.append((each, m))

    def put_apart(self, expected: list[Modelled], taken: list[Modelled], limit: int) -> None:
        """Of those that were under way at two ends one is tried at a time; which, depends on the order of the rest."""
        suspects = [m for m in expected if m.lost >= SUSPECTED]
        free = self.next_suspect <= self.clock.at
        if any(m in suspects for m in taken):
            assert free
            self.next_suspect = self.clock.at + APART_MS
        assert len([m for m in taken if m in suspects]) <= 1
        if len(taken) < limit:
            assert len(taken) == len(expected) - len(suspects) + (free and bool(suspects))
        for m in suspects:
            shown = self.shown(m).due_at
            assert m in taken or shown in {m.due, self.next_suspect}
            m.due = shown or m.due

    def shown(self, m: Modelled) -> Any:
        return self.run(self.store.deliveries(event=self.events[m.event], destination=NAMES[m.destination - 1]))[0]

    @precondition(lambda self: self.claimable(1) or self.claimable(2))
    @rule(destination=WHICH)
    def stall_beyond_the_lease(self, destination: int) -> None:
        self.claim(destination, 2, 1.0)
        self.clock.advance(1)
        self.claim(destination, 4, LEASE)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), outcome=st.sampled_from(["delivered", "retry", "dead", "released"]))
    def settle_one(self, data: st.DataObject, outcome: Any) -> None:
        self.settle(data.draw(st.integers(0, len(self.held) - 1)), outcome)

    @precondition(lambda self: self.held)
    @rule(outcome=st.sampled_from(["delivered", "dead"]))
    def settle_all(self, outcome: Any) -> None:
        while self.held:
            self.settle(0, outcome)

    def settle(self, place: int, outcome: Any) -> None:
        claimed, m = self.held.pop(place)
        self.run(self.store.settle([result(claimed, outcome, wait=20.0)]))
        if m.status != "pending" or claimed.attempt != m.attempt:
            return
        if outcome != "released":
            m.written.add(m.attempt)
        if outcome == "retry":
            m.due = self.clock.at + 20_000
        elif outcome == "released":
            m.due, m.attempt, m.tries = self.clock.at, m.attempt - 1, m.tries - 1
        else:
            m.status = outcome
            self.delivered += [m] * (outcome == "delivered")

    @rule(seconds=st.sampled_from([1, 1, 20, 45]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @precondition(lambda self: any(m.status == "dead" for m in self.model))
    @rule()
    def retry_the_dead(self) -> None:
        dead = [m for m in self.model if m.status == "dead"]
        assert self.run(self.store.retry()) == len(dead)
        for m in dead:
            self.to_tail(m)

    @precondition(lambda self: any(m.status != "pending" for m in self.model))
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from([m.event for m in self.model if m.status != "pending"]))
        assert len(self.run(self.store.replay(self.events[number]))) == len(NAMES)
        for m in self.model:
            if m.event == number and m.status != "pending":
                self.to_tail(m)

    @rule(destination=WHICH)
    def pause_or_resume(self, destination: int) -> None:
        self.paused ^= {destination}
        rows = {each.number: each for each in self.run(self.store.destinations())}
        self.run(self.store.put_destination(replace(rows[destination], paused=destination in self.paused)))

    @precondition(lambda self: self.held)
    @rule()
    def restart(self) -> None:
        self.run(self.store.close())
        self.store = self.run(open_store(Path(self.folder.name), self.clock))
        if stores.chosen() == "sqlite":
            self.recover()
        self.next_suspect = 0
        self.held.clear()

    def recover(self) -> None:
        """What was being tried is due at once; on PostgreSQL another gateway may be trying it, until the lease ends."""
        for m in self.model:
            if m.status == "pending" and m.lost:
                m.due = min(m.due, self.clock.at)

    # --- what always holds -----------------------------------------------------------------------------------------

    @invariant()
    def one_of_a_booking_at_a_time(self) -> None:
        held = Counter(
            (m.destination, m.key)
            for claimed, m in self.held
            if m.key and m.status == "pending" and claimed.attempt == m.attempt and m.due > self.clock.at
        )
        assert all(amount == 1 for amount in held.values())

    @invariant()
    def everything_is_where_the_model_has_it(self) -> None:
        shown = self.run(self.store.deliveries(limit=500))
        assert [(each.status, each.attempt) for each in shown] == [
            (m.status, m.attempt) for m in sorted(self.model, key=lambda m: (m.event, m.destination))
        ]
        amounts = Counter((NAMES[m.destination - 1], m.status) for m in self.model)
        counted = self.run(self.store.counts()).deliveries
        assert {key: amount for key, amount in counted.items() if amount} == dict(amounts)

    @invariant()
    def whoever_has_something_due_is_named(self) -> None:
        work = self.run(self.store.due())
        due = {destination for destination in (1, 2) if self.claimable(destination)}
        assert due <= set(work.destinations)
        assert not self.paused & set(work.destinations)

    @invariant()
    def what_was_never_dead_nor_replayed_came_in_order(self) -> None:
        for destination in (1, 2):
            for key in ("a", "b"):
                order = [
                    m.event for m in self.delivered if (m.destination, m.key, m.again) == (destination, key, False)
                ]
                assert order == sorted(order)

    def finish_everything(self) -> None:
        for destination in sorted(self.paused):
            self.pause_or_resume(destination)
        self.clock.advance(LEASE)
        for _ in range(len(self.model) + 1):
            self.clock.advance(1)
            claimed = [each for number in (1, 2) for each in self.run(self.store.claim(number, 4, LEASE))]
            self.run(self.store.settle([result(each) for each in claimed]))
            if not (waiting := self.run(self.store.deliveries(status="pending"))):
                break
        assert not waiting


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)

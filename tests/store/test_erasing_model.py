"""The queue's model, with bookings erased beside everything else that happens: sums, order and ends hold as ever."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from gateway.store.erasing import Whom
from tests.store.test_queue_model import WHICH, Modelled, QueueMachine


class ErasingMachine(QueueMachine):
    def __init__(self) -> None:
        super().__init__()
        self.erased: set[int] = set()

    @rule(key=st.sampled_from(["a", "b"]))
    def erase(self, key: str) -> None:
        name = self.run(self.store.erasing.begin(Whom(booking=key)))
        while self.run(self.store.erasing.step(name)):
            pass
        for m in self.model:
            if m.key == key:
                self.erased.add(m.event)
                if m.status == "pending" and (m.attempt == 0 or m.attempt in m.written):
                    self.skip(m)

    def skip(self, m: Modelled) -> None:
        """It is over, and what waited behind it is due."""
        m.status = "skipped"
        for behind in self.queue_of(m)[:1]:
            behind.due = min(behind.due, self.clock.at)

    def claim(self, destination: int, limit: int, lease: float) -> None:
        """What has no body any more is not given out: it is skipped, and takes a place of the limit."""
        expected = self.claimable(destination)
        claimed = self.run(self.store.claim(destination, limit, lease))
        given = [(each, m) for each in claimed for m in expected if each.event_id == self.events[m.event]]
        skipped = [m for m in expected if m.event in self.erased and self.shown(m).status == "skipped"]

        assert len(given) == len(claimed)
        self.put_apart(expected, [m for _, m in given] + skipped, limit)
        assert not self.erased & {m.event for _, m in given}
        for m in skipped:
            m.attempt += 1
            self.skip(m)
        for each, m in given:
            m.attempt, m.tries, m.due = m.attempt + 1, m.tries + 1, self.clock.at + round(lease * 1000)
            assert (each.attempt, each.tries) == (m.attempt, m.tries)
            self.held.append((each, m))

    def settle(self, place: int, outcome: Any) -> None:
        claimed, m = self.held[place]
        super().settle(place, outcome)
        if m.event in self.erased and m.status == "pending" and claimed.attempt == m.attempt and outcome == "retry":
            m.due = self.clock.at

    @precondition(lambda self: any(m.status == "dead" for m in self.model))
    @rule()
    def retry_the_dead(self) -> None:
        dead = [m for m in self.model if m.status == "dead" and m.event not in self.erased]
        assert self.run(self.store.retry()) == len(dead)
        for m in dead:
            self.to_tail(m)

    @precondition(lambda self: any(m.status != "pending" for m in self.model))
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from([m.event for m in self.model if m.status != "pending"]))
        done = self.run(self.store.replay(self.events[number]))
        assert (done is None) == (number in self.erased)
        for m in self.model:
            if done is not None and m.event == number and m.status != "pending":
                self.to_tail(m)

    @precondition(lambda self: self.claimable(1) or self.claimable(2))
    @rule(destination=WHICH)
    def stall_beyond_the_lease(self, destination: int) -> None:
        self.claim(destination, 2, 1.0)
        self.clock.advance(1)
        self.claim(destination, 4, 45.0)


TestErasingMachine = ErasingMachine.TestCase
TestErasingMachine.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)

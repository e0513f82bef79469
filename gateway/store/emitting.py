"""Events about the gateway itself: no call brought them, but they are numbered and planned like all others."""

from collections.abc import Callable, Sequence

from gateway.contract.events import event_id
from gateway.sealing import KeyRing
from gateway.store.configuration import Changed
from gateway.store.engines.engine import A, Clock, Tx
from gateway.store.intake import draw_for, event_row, planned
from gateway.store.known import Known
from gateway.store.model import NewEvent
from gateway.store.queue import plan
from gateway.store.routes import Routes
from gateway.store.statements import load

_sql = load("receipts")

Change = Callable[[Tx, Sequence[A]], Sequence[Changed | Exception]]
Told = tuple[A, Sequence[NewEvent]]
"""A change, and the events that say so."""


class Emitter:
    """Jobs for the engine."""

    def __init__(self, keys: KeyRing, known: Known, routes: Routes, now: Clock) -> None:
        self._seal = keys.seal
        self._known = known
        self._routes = routes
        self._now = now

    def emit(self, tx: Tx, items: Sequence[Sequence[NewEvent]]) -> list[tuple[str, ...]]:
        """Keep and plan what is new; answer its ids. An event whose id is there already is not written again."""
        known = self._known.find(tx, [event.id for events in items for event in events])
        answers: list[tuple[str, ...]] = []
        new: dict[bytes, NewEvent] = {}
        for events in items:
            fresh = {event.id: event for event in events if event.id not in known and event.id not in new}
            new |= fresh
            answers.append(tuple([event_id(each) for each in fresh]))
        if new:
            self._write(tx, list(new.values()))
        return answers

    def telling(self, change: Change[A]) -> Change[Told[A]]:
        """Make a job that changes something and emits events about it, in one transaction: both or neither."""

        def job(tx: Tx, items: Sequence[Told[A]]) -> Sequence[Changed | Exception]:
            changed = change(tx, [item for item, _ in items])
            stood = [told for (_, told), answer in zip(items, changed, strict=True) if isinstance(answer, Changed)]
            if any(stood):
                self.emit(tx, stood)
            return changed

        return job

    def _write(self, tx: Tx, events: Sequence[NewEvent]) -> None:
        drawn, now = draw_for(tx, self._routes, events), self._now()
        rows = [event_row(seq, event, None, now) for seq, event in enumerate(events, drawn.seq + 1)]
        sealed = [
            (row[0], self._seal(event.body, b"bodies:" + event.id)) for row, event in zip(rows, events, strict=True)
        ]
        self._known.add(tx, [], [(row[2], row[0]) for row in rows])
        tx.many(_sql.insert_events, rows)
        tx.many(_sql.insert_bodies, sealed)
        if any(drawn.wanted):
            plan(tx, planned(events, drawn), drawn.delivery, now)

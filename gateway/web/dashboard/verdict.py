"""Is everything flowing? One sentence, and under it everything that wants a person."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from msgspec import Struct

from gateway.store.model import Counts, Destination
from gateway.store.overview import NextTry
from gateway.web.api.connections import ConnectionView
from gateway.web.api.pages import moment
from gateway.web.dashboard import words
from gateway.web.dashboard.words import counted, number, span

Level = Literal["good", "calm", "wait", "bad"]
LATE_MS = 60_000
"""A delivery that is due so long and was never tried says that the gateway itself does not get on."""
RECENT_REFUSALS = timedelta(hours=1)


class Concern(Struct, frozen=True):
    """One thing that wants a person, and the page where something can be done about it."""

    level: Literal["wait", "bad"]
    text: str
    page: str
    link: str


class Verdict(Struct, frozen=True):
    """The sentence, and what is behind it, the worst first. `named`: that one which the sentence tells already."""

    level: Level
    sentence: str
    concerns: tuple[Concern, ...]
    named: Concern | None = None

    @property
    def others(self) -> tuple[Concern, ...]:
        """Give what the sentence does not tell."""
        return tuple(each for each in self.concerns if each is not self.named)


class Sight(Struct, frozen=True, kw_only=True):
    """All that is looked at. `came`: how many calls came within `within`; `troubles`: of the gateway itself."""

    now: int
    counts: Counts
    came: int
    within: str
    next_try: Mapping[str, NextTry]
    connections: Sequence[ConnectionView]
    destinations: Sequence[Destination]
    troubles: Mapping[str, str]


def judge(sight: Sight) -> Verdict:
    """Judge how things are."""
    concerns = tuple(sorted(_concerns(sight), key=lambda each: each.level))  # `bad` before `wait`
    worst = [each for each in concerns if each.level == "bad"]
    if worst:
        return Verdict("bad", f"Not everything is flowing. {_told(worst, 'to deal with')}", concerns, _only(worst))
    if not sight.connections:
        return Verdict("calm", "Nothing is connected yet.", concerns)
    if not sight.destinations:
        return Verdict("wait", "Events are kept, but there is nowhere to send them.", concerns)
    if concerns:
        return Verdict("wait", f"Flowing. {_told(concerns, 'to look at')}", concerns, _only(concerns))
    return Verdict("good", f"Everything is flowing. {_praise(sight)}", concerns)


def _only(concerns: Sequence[Concern]) -> Concern | None:
    return concerns[0] if len(concerns) == 1 else None


def _told(concerns: Sequence[Concern], todo: str) -> str:
    """Say what it is when it is one thing, else how many."""
    return concerns[0].text if len(concerns) == 1 else f"{counted(len(concerns), 'thing')} {todo}."


def _praise(sight: Sight) -> str:
    waiting = sum(amount for (_, status), amount in sight.counts.deliveries.items() if status == "pending")
    if not sight.came:
        return f"No call came within the last {sight.within}."
    calls = f"{counted(sight.came, 'call')} came within the last {sight.within}"
    return f"{calls}, and {_waits(waiting)} to be delivered."


def _concerns(sight: Sight) -> Iterator[Concern]:
    for name, why in sight.troubles.items():
        yield Concern("bad", f"The gateway itself has trouble with its {name}: {why}.", "/", "Its log says more")
    for connection in sight.connections:
        yield from _of_connection(connection)
    for destination in sight.destinations:
        yield from _of_destination(sight, destination)
    yield from _left_over(sight)


def _of_connection(connection: ConnectionView) -> Iterator[Concern]:
    page = f"/connections/{connection.id}"
    if connection.status in ("broken", "needs_repair"):
        why = f": {connection.problem}" if connection.problem else "."
        yield Concern("bad", f"{connection.name} {_states[connection.status]}{why}", page, "Look and repair")
    elif connection.missed_since is not None and connection.cannot_catch_up is None:
        yield Concern("wait", f"{connection.name}: events may be missing.", page, "Catch up")
    if connection.silent:
        yield Concern("wait", f"{connection.name} has been silent for longer than is usual.", page, "Check it")
    if connection.last_rejected_at and datetime.now(UTC) - connection.last_rejected_at < RECENT_REFUSALS:
        told = (
            f"{connection.name}: calls are refused because nothing proves them ({connection.rejected} since the start)."
        )
        yield Concern("wait", told, page, "Look")


_states = {"broken": "is broken", "needs_repair": "needs repair"}


def _of_destination(sight: Sight, destination: Destination) -> Iterator[Concern]:
    page, waiting = f"/destinations/{destination.id}", sight.counts.deliveries.get((destination.id, "pending"), 0)
    if destination.paused:
        why = destination.paused_reason or "paused"
        yield Concern("wait", f"{destination.name} is paused ({why}): {_waits(waiting)}.", page, "Resume")
        return
    upcoming = sight.next_try.get(destination.id)
    if destination.failing_since is not None:
        dead = sight.counts.deliveries.get((destination.id, "dead"), 0)
        told = f"{destination.name} has taken nothing for {_length(sight.now - destination.failing_since)}"
        given_up = f" {_given_up(dead)}" if dead else ""
        todo = ("Look", page) if upcoming or not dead else ("Look and retry", _dead_of(destination.id))
        yield Concern("bad", f"{told}{_outlook(upcoming, waiting, sight.now)}{given_up}", todo[1], todo[0])
    elif upcoming is not None and not upcoming.attempt and sight.now - upcoming.due > LATE_MS:
        told = f"{destination.name}: deliveries are due for {_length(sight.now - upcoming.due)} and not tried."
        yield Concern("bad", told, page, "Look")


def _outlook(upcoming: NextTry | None, waiting: int, now: int) -> str:
    """Say what it answered last, and what happens next."""
    if upcoming is None:
        return "; nothing waits for it any more."
    said = f" ({upcoming.last_error})" if upcoming.last_error else ""
    return f"{said}: {_waits(waiting)}, {words.upcoming(upcoming.due, moment(now), trying=upcoming.trying)}."


def _waits(amount: int) -> str:
    return f"{number(amount)} {'waits' if amount == 1 else 'wait'}" if amount else "nothing waits"


def _given_up(amount: int, to: str = "") -> str:
    return f"{counted(amount, 'delivery', 'deliveries')}{to} {'is' if amount == 1 else 'are'} dead: given up."


def _dead_of(destination: str) -> str:
    return f"/deliveries?destination={destination}"


def _length(milliseconds: int) -> str:
    return span(milliseconds / 1000)


def _left_over(sight: Sight) -> Iterator[Concern]:
    names = {each.id: each.name for each in sight.destinations}
    told_of = {each.id for each in sight.destinations if each.failing_since is not None and not each.paused}
    for (destination, status), amount in sight.counts.deliveries.items():
        if status == "dead" and amount and destination not in told_of:
            to = names.get(destination, "a destination that was removed")
            yield Concern("wait", _given_up(amount, f" to {to}"), _dead_of(destination), "Look and retry")
    if sight.counts.quarantined:
        told = f"{counted(sight.counts.quarantined, 'call was', 'calls were')} not understood, and kept."
        yield Concern("wait", told, "/quarantine", "See why")

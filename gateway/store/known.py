"""What was ever seen: the unique index of receipts' digests and events' ids, written a little behind the rows.

These keys are random, so an index that took each with its row would write a page of its own for each: that was half of
what an accepted call cost the database. Here the newest keys are held in memory, exactly, and reach the table `known`
a 256th of the key space at a time: neighbours in the table, many to a page. The rows themselves carry the keys and are
committed as ever; `head` tells from which number on they are to be read again after a restart. So a key counts as seen
from the moment its row is written, in the same transaction.
"""

from collections.abc import Sequence
from typing import NamedTuple

from gateway.store.engines.engine import Tx
from gateway.store.statements import Statement, load

LANES = 256
"""Parts of the key space: keys are hashes, so their first byte divides them evenly."""
RECENT = 1 << 16
"""Keys held in memory: about 10 MiB."""
MOST_LANES = 8
"""Parts written in one transaction: after a restart there are more keys than usual, and nobody shall wait for all."""
_sql = load("known")


class Place(NamedTuple):
    """Where the writing behind has come to: `newest` numbers of receipt and event, and those when the lap began."""

    amount: int
    lane: int
    newest: tuple[int, int]
    lap: tuple[int, int]


Pair = tuple[bytes, int]
"""A key, and the number of its receipt or event."""


class Known:
    """Used by the writer, inside its transactions; `receipt` and `event` by readers too."""

    def __init__(self) -> None:
        self._recent: list[dict[bytes, int]] | None = None
        self._at = self._kept = Place(0, 0, (0, 0), (0, 0))
        self._added: list[bytes] = []
        self._written: list[tuple[int, dict[bytes, int]]] = []

    def keep(self) -> None:
        """What was added stands."""
        self._added, self._written, self._kept = [], [], self._at

    def undo(self) -> None:
        """Take back what was added since, and put back the lanes that were written."""
        recent = self._recent or []
        for lane, keys in self._written:
            recent[lane] |= keys  # not replaced: newer ones may be in it, and are taken out below
        for key in self._added:
            recent[key[0]].pop(key, None)
        self._at = self._kept
        self.keep()

    def forget(self) -> None:
        """Read the recent ones again next time: some of these may never have been committed."""
        self._recent = None
        self._added, self._written = [], []

    def find(self, tx: Tx, keys: Sequence[bytes]) -> dict[bytes, int]:
        """Tell which of these were seen, and their numbers."""
        recent = self._recent or self.load(tx)
        found: dict[bytes, int] = dict(tx.run(_sql.find, keys=keys))
        found |= {key: number for key in keys if (number := recent[key[0]].get(key)) is not None}
        return found

    def add(self, tx: Tx, receipts: Sequence[Pair], events: Sequence[Pair]) -> None:
        """Note what was just written, in order of its numbers; let go of older ones for it."""
        recent = self._recent or self.load(tx)
        for key, number in (*receipts, *events):
            recent[key[0]][key] = number
            self._added.append(key)
        receipt, event = self._at.newest
        newest = (receipts[-1][1] if receipts else receipt, events[-1][1] if events else event)
        self._at = self._at._replace(amount=self._at.amount + len(receipts) + len(events), newest=newest)
        for _ in range(MOST_LANES):
            if self._at.amount > RECENT:
                self._at = self._write_lane(tx, recent, self._at)

    def drop(self, tx: Tx, keys: Sequence[bytes]) -> None:
        """Let go of keys whose rows are deleted."""
        recent = self._recent or self.load(tx)
        if keys:
            tx.run(_sql.drop, keys=keys)
        for key in keys:
            if (number := recent[key[0]].pop(key, None)) is not None:
                self._written.append((key[0], {key: number}))
                self._at = self._at._replace(amount=self._at.amount - 1)

    def receipt(self, tx: Tx, digest: bytes) -> int | None:
        """Find a receipt's number."""
        return self._one(tx, digest, _sql.recent_receipt)

    def event(self, tx: Tx, event_id: bytes) -> int | None:
        """Find an event's number."""
        return self._one(tx, event_id, _sql.recent_event)

    def _one(self, tx: Tx, key: bytes, among_recent: Statement) -> int | None:
        if (recent := self._recent) and (number := recent[key[0]].get(key)):
            return number
        rows = tx.run(_sql.find, keys=[key])
        if rows:
            found: int = rows[0][1]
            return found
        rows = tx.run(among_recent, key=key)  # on its way from memory to the table just now, or nowhere
        return rows[0][0] if rows else None

    def load(self, tx: Tx) -> list[dict[bytes, int]]:
        """Read the recent ones."""
        recent: list[dict[bytes, int]] = [{} for _ in range(LANES)]
        for key, number in (*tx.run(_sql.recent_receipts), *tx.run(_sql.recent_events)):
            recent[key[0]][key] = number
        receipt, event = tx.run(_sql.newest)[0]
        self._at = Place(sum(map(len, recent)), 0, (receipt, event), (receipt, event))
        self._recent = recent
        self.keep()
        return recent

    def _write_lane(self, tx: Tx, recent: list[dict[bytes, int]], at: Place) -> Place:
        """Write the next part of the key space. After a lap all that was there at its begin is in the table."""
        keys, recent[at.lane] = recent[at.lane], {}
        tx.many(_sql.write, sorted(keys.items()))
        self._written.append((at.lane, keys))
        amount = at.amount - len(keys)
        if at.lane + 1 < LANES:
            return at._replace(amount=amount, lane=at.lane + 1)
        tx.run(_sql.mark, receipt=at.lap[0], event=at.lap[1])
        return Place(amount, 0, at.newest, at.newest)


class SharedKnown(Known):
    """The same for several processes: none knows what the others hold, so every key goes straight to the table."""

    def find(self, tx: Tx, keys: Sequence[bytes]) -> dict[bytes, int]:
        return dict(tx.run(_sql.find, keys=keys))

    def add(self, tx: Tx, receipts: Sequence[Pair], events: Sequence[Pair]) -> None:
        tx.many(_sql.write, sorted({**dict(receipts), **dict(events)}.items()))

    def drop(self, tx: Tx, keys: Sequence[bytes]) -> None:
        if keys:
            tx.run(_sql.drop, keys=keys)

    def load(self, tx: Tx) -> list[dict[bytes, int]]:
        """Hold nothing."""
        del tx
        return []

    def _one(self, tx: Tx, key: bytes, among_recent: Statement) -> int | None:
        del among_recent
        rows = tx.run(_sql.find, keys=[key])
        return rows[0][1] if rows else None

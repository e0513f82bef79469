"""The store: everything durable, behind one interface for every engine.

A write is one transaction, shares its commit with its neighbours, and returns after the fsync that holds it. Every
method raises StoreUnavailable when the database cannot do it now; times are epoch milliseconds (UTC).
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Self

from gateway.contract.errors import StoreUnavailable
from gateway.sealing import KeyRing, make_private_dir
from gateway.store import listing, queue
from gateway.store.audit import Audit
from gateway.store.clock import steady_clock
from gateway.store.configuration import Configuration, config_version
from gateway.store.emitting import Emitter
from gateway.store.engines.engine import Clock, Engine, Observer, Tx
from gateway.store.engines.sqlite import Sqlite
from gateway.store.engines.sqlite_file import FILE, refuse_if_held
from gateway.store.erasing import Erasing
from gateway.store.held import HeldCalls
from gateway.store.ids import delivery_number, event_bytes, receipt_digest
from gateway.store.intake import Intake
from gateway.store.known import Known, SharedKnown
from gateway.store.listing import Listing
from gateway.store.looks import Looks
from gateway.store.model import (
    Accepted,
    Attempt,
    Claimed,
    Counts,
    Delivery,
    DeliveryStatus,
    NewEvent,
    NewReceipt,
    ReceiptStatus,
    Result,
    StoredEvent,
    StoredReceipt,
    Work,
)
from gateway.store.overview import Overview
from gateway.store.queue import Claim, Queue, Replay, Retry, Settlement
from gateway.store.resealing import Resealing
from gateway.store.retention import Retention
from gateway.store.rhythms import Rhythms
from gateway.store.routes import Routes
from gateway.store.set_up import SLICE, SetUp
from gateway.store.sieve import Call, Item, Make


class Store(SetUp):
    """Make it with `Store.open`, in the event loop that uses it."""

    def __init__(self, engine: Engine, keys: KeyRing) -> None:
        configuration = Configuration(keys)
        routes = Routes(configuration.destinations)
        known = self._known = Known() if engine.alone else SharedKnown()
        engine.remind(routes)
        engine.remind(known)
        self._intake = Intake(keys, known, routes, engine.now, engine.roomy)
        self._emitter = Emitter(keys, known, routes, engine.now)
        super().__init__(engine, configuration, self._emitter, Queue(keys, known, routes, engine.instant))
        self._listing = Listing(keys, known)
        self.overview = Overview(engine.read)
        self.rhythms = Rhythms(engine.read)
        self.audit = Audit(engine)
        self.erasing = Erasing(engine, keys, known)
        self.retention = Retention(engine, known)
        self.resealing = Resealing(engine, keys)
        self.held = HeldCalls(engine, known)
        self.looks = Looks(engine, keys)

    @staticmethod
    def exists(data_dir: Path) -> bool:
        """Say whether a database was ever made in this directory."""
        return (data_dir / FILE).exists()

    @staticmethod
    def refuse_if_held(data_dir: Path) -> None:
        """Raise ConfigurationError when another process holds this directory."""
        refuse_if_held(data_dir)

    @classmethod
    async def open(
        cls,
        data_dir: Path,
        keys: KeyRing,
        *,
        url: str | None = None,
        clock: Clock | None = None,
        observe: Observer = lambda *_: None,
    ) -> Self:
        """Open the database at `url` (`postgresql://...`), by default the one in `data_dir`; made at first start.

        Raises ConfigurationError: another process holds it, another key sealed it, a newer gateway made it, or it is
        damaged. `clock` tells epoch milliseconds; `observe` is told of each commit.
        """
        make_private_dir(data_dir)
        store = cls(await _engine(data_dir, url, clock, observe), keys)
        try:
            await store._begin()
        except BaseException:
            await store.close()
            raise
        return store

    async def _begin(self) -> None:
        self._version = await self._engine.write(self._check, None)
        for number in await self._engine.read(listing.removed_destinations):
            await self._skip_all(number)

    def _check(self, tx: Tx, items: Sequence[None]) -> list[int]:
        self._configuration.check_keys(tx)
        self._configuration.recognise_copy(tx)
        if self._engine.alone:  # else what is claimed may be another process's, and is due when its lease ends
            queue.recover(tx, self.now())
        self._known.load(tx)
        version = config_version(tx)
        return [version for _ in items]

    async def close(self) -> None:
        """Finish what was submitted, then let go of the directory."""
        await self._engine.close()

    def now(self) -> int:
        """Tell the time by the steady clock."""
        return self._engine.now()

    async def changed(self, timeout: float) -> bool:  # noqa: ASYNC109 -- running out of time is an answer here
        """Wait until anyone committed; False after `timeout` seconds without."""
        return await self._engine.changed(timeout)

    @property
    def alone(self) -> bool:
        """Say whether no other process can change what is here."""
        return self._engine.alone

    async def lead(self, run: Callable[[], Awaitable[None]]) -> None:
        """Run what only one process may do, when and as long as it is this one's turn."""
        await self._engine.lead(run)

    def turn(self, name: str) -> AbstractAsyncContextManager[None]:
        """Keep other processes from what is called so while this runs. Raises StoreUnavailable."""
        return self._engine.turn(name)

    async def pulse(self) -> None:
        """Return when the writer had a turn. Raises StoreUnavailable when it cannot keep anything new now."""
        await self._engine.write(self._pulse, None)

    def _pulse(self, _tx: Tx, items: Sequence[None]) -> list[Exception | None]:
        full = None if self._engine.roomy() else StoreUnavailable("the disk is nearly full", retry_after=60)
        return [full for _ in items]

    # --- what comes in ---------------------------------------------------------------------------------------------

    async def accept(self, receipt: NewReceipt, events: Sequence[NewEvent]) -> Accepted:
        """Keep one call with what it means: numbered, planned for delivery, and on disk when this returns."""
        return await self._engine.write(self._intake.accept, Call(receipt.digest, receipt.connection, receipt, events))

    def take(self, make: Make[Item], item: Item) -> Awaitable[Accepted]:
        """Do the same for a call that `make` first turns into rows.

        It is called on the writer's thread, for all calls of a commit in one go: a translation that follows another
        one costs two thirds of what it costs between two requests, and the event loop is free meanwhile.
        """
        return self._engine.write(self._intake.take, (make, item))

    def take_then(self, make: Make[Item], item: Item, told: Callable[[Accepted | Exception], None]) -> None:
        """Do the same and call `told`, which raises nothing, in the event loop."""
        self._engine.write_then(self._intake.take, (make, item), told)

    async def resolve(self, receipt_id: str, connection: str, events: Sequence[NewEvent]) -> Accepted:
        """Turn a receipt that waited into events; "duplicate" when it waits no more."""
        digest = receipt_digest(receipt_id)
        if digest is None:
            return Accepted("duplicate", receipt_id)
        return await self._engine.write(self._intake.accept, Call(digest, connection, None, events))

    async def emit(self, *events: NewEvent) -> tuple[str, ...]:
        """Keep and plan events about the gateway itself; answer the ids of those that were not there already."""
        return await self._engine.write(self._emitter.emit, events) if events else ()

    async def fail_again(self, receipt_id: str, reason: str) -> bool:
        """Keep the newest reason of a quarantined receipt; False when it is not quarantined."""
        digest = receipt_digest(receipt_id)
        return digest is not None and await self._engine.write(self._intake.fail_again, (digest, reason))

    async def hold_again(self, receipt_id: str, connection: str, keys: Sequence[str]) -> bool:
        """Turn a quarantined receipt into a held one about these bookings; False when it is not quarantined."""
        return await self.held.hold_again(receipt_id, connection, keys)

    async def discard(self, receipt_id: str) -> bool:
        """Let go of a quarantined receipt's bytes; False when it is not quarantined. Later copies are duplicates."""
        digest = receipt_digest(receipt_id)
        return digest is not None and await self._engine.write(self._intake.discard, digest)

    # --- looking ---------------------------------------------------------------------------------------------------

    async def receipts(
        self, *, status: ReceiptStatus, connection: str | None = None, after: str | None = None, limit: int = 50
    ) -> list[StoredReceipt]:
        """List receipts without their bytes, oldest first."""
        return await self._engine.read(
            partial(self._listing.receipts, status=status, connection=connection, after=after, limit=limit)
        )

    async def receipt(self, receipt_id: str) -> StoredReceipt | None:
        """Read one receipt with its bytes."""
        return await self._engine.read(partial(self._listing.receipt, receipt_id=receipt_id))

    async def events(
        self,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 50,
        types: Sequence[str] = (),
        provider: str | None = None,
        connection: str | None = None,
        booking: str | None = None,
    ) -> list[StoredEvent]:
        """List events in order of their numbers, or backwards those `before` one.

        `types` are patterns as a destination has them, `booking` is a key.
        """
        return await self._engine.read(
            partial(
                self._listing.events,
                after=after,
                before=before,
                limit=limit,
                types=types,
                provider=provider,
                connection=connection,
                booking=booking,
            )
        )

    async def event(self, event_id: str) -> StoredEvent | None:
        """Read one event (`evt_...`) with its body; where its content is gone, `gone` says why."""
        return await self._engine.read(partial(self._listing.event, event_id=event_id))

    async def bounds(self) -> tuple[int, int]:
        """Tell the oldest and the newest event's number; (0, 0) when there is none."""
        return await self._engine.read(listing.bounds)

    async def deliveries(
        self,
        *,
        status: DeliveryStatus | None = None,
        destination: str | None = None,
        event: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> list[Delivery]:
        """List deliveries, oldest first; `destination` and `event` are public ids."""
        return await self._engine.read(
            partial(
                self._listing.deliveries, status=status, destination=destination, event=event, after=after, limit=limit
            )
        )

    async def delivery(self, delivery_id: str) -> tuple[Delivery, list[Attempt]] | None:
        """Read one delivery (`dlv_...`) and its tries, oldest first."""
        return await self._engine.read(partial(listing.delivery, delivery_id=delivery_id))

    async def counts(self) -> Counts:
        """Sum everything up, at one moment."""
        return await self._engine.read(listing.counts)

    # --- what goes out ---------------------------------------------------------------------------------------------

    async def due(self) -> Work:
        """Say which destinations have something due, and how long it is until the next."""
        return await self._engine.read(partial(queue.due, now=self.now()))

    async def claim(self, destination: int, limit: int, lease: float, rate: float | None = None) -> list[Claimed]:
        """Take up to `limit` due heads for `lease` seconds. None does not mean that nothing is due: see `due`.

        `rate`: where other processes claim too, no more are given a second to all of them, each with its time.
        """
        claim = Claim(destination, limit, round(lease * 1000), self.now(), rate)
        return await self._engine.write(self._queue.claim, claim)

    async def settle(self, results: Sequence[Result]) -> int | None:
        """Write down how tries of one destination went; a result whose lease somebody else took over changes nothing.

        Answers since when the destination takes nothing; None when it took something now, or when this says nothing.
        """
        if not results:
            return None
        return await self._engine.write(self._queue.settle, Settlement(results, self.now()))

    async def retry(
        self,
        *,
        delivery: str | None = None,
        destination: str | None = None,
        status: DeliveryStatus = "dead",
        since: int | None = None,
        until: int | None = None,
    ) -> int:
        """Put deliveries of this status at the tail, pending ones due at once; say how many.

        `since` and `until` are about when they were planned.
        """
        number = None if delivery is None else delivery_number(delivery)
        count, after = 0, 0 if delivery is None or number is not None else None
        while after is not None:
            item = Retry(status, number, destination, since, until, after, SLICE, self.now())
            some, after = await self._engine.write(self._queue.retry, item)
            count += some
        return count

    async def replay(self, event_id: str, destinations: Sequence[str] | None = None) -> list[str] | None:
        """Deliver an event again, by default to all that want it now; the deliveries' ids, None: no such event."""
        event = event_bytes(event_id)
        if event is None:
            return None
        return await self._engine.write(self._queue.replay, Replay(event, destinations, self.now()))


async def _engine(data_dir: Path, url: str | None, clock: Clock | None, observe: Observer) -> Engine:
    if url is None:
        return await Sqlite.open(data_dir, clock or steady_clock(), observe)
    from gateway.store.engines.postgres import Postgres  # noqa: PLC0415 -- loads a driver that few need

    return await Postgres.open(url, clock, observe)

"""PostgreSQL through psycopg: as many gateways as one likes on one database, and one of them writes at a time.

Every write transaction begins with the same advisory lock. It gives across processes what the single writer gives
within one: numbers in the order of commits, dedupe before insert, heads that nobody else claims, and no deadlock. A
commit rings a bell (NOTIFY) for the other processes; there is a poll behind it.
"""

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any, Literal, Self

import psycopg
import structlog
from psycopg.pq import TransactionStatus

from gateway.contract.errors import ConfigurationError, StoreUnavailable
from gateway.store.engines import postgres_limits as limits
from gateway.store.engines.engine import A, Clock, Job, Memory, Observer, R, Tx
from gateway.store.engines.group import Call, Group, Outcome, together
from gateway.store.engines.leadership import Leadership, turn
from gateway.store.engines.postgres_schema import bring_up, check
from gateway.store.engines.postgres_tx import PostgresTx, Types
from gateway.store.engines.postgres_words import said
from gateway.store.statements import Statement

Connection = psycopg.Connection[Any]
_log = structlog.get_logger(__name__)

READERS = 3
LEADER = 0x62776731_0003
"""The advisory lock of who does what only one may."""
PREPARE_AFTER = 5
"""Uses of a statement in a session after which the server is to keep its plan: psycopg's own."""
BELL = "gateway_committed"
LISTEN_SECONDS = 5.0
CLOCKS_APART = 5.0
"""Seconds between this machine's clock and the database's that are worth a line."""
_COMMIT = f"SELECT pg_notify('{BELL}', ''); COMMIT"
_TROUBLE = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError, psycopg.IntegrityError, OSError)
_INSTANT = Statement("instant", "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)")
_COLUMNS = """
SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = current_schema()
"""


class Postgres:
    """One database for any number of gateways. Make it with `Postgres.open`."""

    alone = False

    def __init__(self, url: str, clock: Clock | None, observe: Observer) -> None:
        self._url = url
        self._clock = clock
        self._ahead = 0
        self._observe = observe
        self._writer = ThreadPoolExecutor(1, "store-writer")
        self._readers = ThreadPoolExecutor(READERS, "store-reader")
        self._idle: SimpleQueue[Connection] = SimpleQueue()
        self._db: Connection | None = None
        self._own = 0
        self._has_turn = False
        self._types: Types = {}
        self._memories: list[Memory] = []
        self._closed = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._group = Group(self._writer, self._commit)
        self._leadership = Leadership(self._connect, LEADER, self._closed)
        self._listener = threading.Thread(target=self._listen, name="store-bell", daemon=True)

    @classmethod
    async def open(cls, url: str, clock: Clock | None, observe: Observer) -> Self:
        """Open, or make at first start. `clock`: None is the database's own.

        Raises ConfigurationError: not reached, too old, from a newer gateway, or not durable.
        """
        engine = cls(url, clock, observe)
        try:
            await engine._loop.run_in_executor(engine._writer, engine._open_first)
        except BaseException:
            engine._let_go()
            raise
        engine._listener.start()
        return engine

    def now(self) -> int:
        """Tell the database's time: as it was at the latest connection, gone on since by a steady clock."""
        return self._clock() if self._clock else self._ahead + _steady()

    def instant(self, tx: Tx) -> int:
        return self._clock() * 1000 if self._clock else int(tx.run(_INSTANT)[0][0])

    def roomy(self) -> bool:
        """The server itself refuses when it is full."""
        return True

    def write(self, job: Job[A, R], item: A) -> Awaitable[R]:
        return self._group.submit(job, item)

    def write_then(self, job: Job[A, R], item: A, told: Callable[[R | Exception], None]) -> None:
        self._group.submit_then(job, item, told)

    def remind(self, memory: Memory) -> None:
        self._memories.append(memory)

    async def read(self, query: Callable[[PostgresTx], R]) -> R:
        if self._closed.is_set():
            raise StoreUnavailable("the store is closed")
        return await self._loop.run_in_executor(self._readers, self._read, query)

    async def changed(self, timeout: float) -> bool:  # noqa: ASYNC109 -- running out of time is an answer here
        return await self._group.changed(timeout)

    async def lead(self, run: Callable[[], Awaitable[None]]) -> None:
        await self._leadership.lead(run)

    def turn(self, name: str) -> contextlib.AbstractAsyncContextManager[None]:
        return turn(self._url, name)

    async def settle_log(self) -> None:
        """Leave it to the server, whose log is its own."""

    async def close(self) -> None:
        self._closed.set()
        await self._group.drain()
        await self._loop.run_in_executor(self._writer, self._close_all)
        self._let_go()

    # --- the writer's thread ---------------------------------------------------------------------------------------

    def _commit(self, batch: Sequence[Call]) -> Sequence[Outcome]:
        try:
            return self._transaction(batch)
        except Exception as error:  # noqa: BLE001 -- whatever it was, it is everybody's answer
            self._drop()
            return [_answer(error) for _ in batch]

    def _transaction(self, batch: Sequence[Call]) -> Sequence[Outcome]:
        began = time.perf_counter()
        db = self._db or self._reopen()
        try:
            outcomes = self._piped(db, batch)
        except Exception as error:  # whatever it was: what follows finds out whose it was
            if db.closed or isinstance(error, psycopg.errors.QueryCanceled):
                raise
            if db.info.transaction_status == TransactionStatus.IDLE:
                db.execute(limits.begin())
            elif not self._has_turn:
                raise
            db.execute(limits.begin_again())
            self._tell("undo")
            held_up: Counter[Job[Any, Any]] = Counter()
            outcomes = [self._alone(db, call, held_up) for call in batch]
        worked = time.perf_counter()
        db.execute(_COMMIT)
        done = time.perf_counter()
        self._tell("keep")
        self._observe(len(batch), done - began, done - worked)
        return outcomes

    def _piped(self, db: Connection, batch: Sequence[Call]) -> Sequence[Outcome]:
        """Work without waiting for answers that nobody reads: that is half of the ways to the server and back."""
        self._has_turn = False
        with contextlib.ExitStack() as pipe:

            def begin() -> None:
                self._take_turn(db)
                pipe.enter_context(db.pipeline())

            tx = PostgresTx(db, self._types, begin)
            outcomes = together(tx, batch)
            tx.begin()  # also when nobody had a question: whoever asks whether it works is to know
        return outcomes

    def _take_turn(self, db: Connection) -> None:
        try:
            db.execute(limits.begin())
        except psycopg.errors.LockNotAvailable:
            with self._connect() as other:
                other.execute(limits.end_who_froze())
            db.execute("ROLLBACK")
            db.execute(limits.begin(limits.STRANGERS_LOCK))  # it is free now: we ended who froze, or another one did
        self._has_turn = True

    def _alone(self, db: Connection, call: Call, held_up: "Counter[Job[Any, Any]]") -> Outcome:
        if held_up[call.job] >= limits.MOST_HELD_UP:
            return StoreUnavailable("somebody else holds a lock on what it is about")
        db.execute("SAVEPOINT one")
        try:
            (outcome,) = call.job(PostgresTx(db, self._types), [call.item])
        except Exception as error:
            if db.closed or isinstance(error, psycopg.errors.QueryCanceled):  # this is not about the call
                raise
            held_up[call.job] += isinstance(error, psycopg.errors.LockNotAvailable)
            db.execute("ROLLBACK TO SAVEPOINT one")
            self._tell("undo")
            outcome = _answer(error)
        db.execute("RELEASE SAVEPOINT one")
        self._tell("keep")
        return outcome

    def _tell(self, fate: Literal["keep", "undo", "forget"]) -> None:
        for memory in self._memories:
            getattr(memory, fate)()

    def _drop(self) -> None:
        """Close after a failure: the next batch begins on a new connection."""
        self._tell("forget")
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def _reopen(self) -> Connection:
        db = self._connect()
        try:
            check(db)
            (now,) = db.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint").fetchone() or (0,)
            self._ahead = max(self._ahead, now - _steady())
            _compare_clocks(now / 1000 - time.time())
            rows = db.execute(_COLUMNS.encode()).fetchall()
            self._types = {(table, column): kind for table, column, kind in rows}
        except BaseException:
            db.close()
            raise
        self._db, self._own = db, db.info.backend_pid
        return db

    def _open_first(self) -> None:
        try:
            with self._connect() as db:
                bring_up(db)
            self._reopen()
        except psycopg.Error as error:
            raise ConfigurationError(f"GATEWAY_DATABASE_URL: {said(error)}") from None

    def _connect(self) -> Connection:
        db: Connection = psycopg.connect(
            limits.address(self._url),
            autocommit=True,
            application_name="booking-webhook-gateway",
            prepare_threshold=None,
        )
        if db.execute("SELECT pg_backend_pid()").fetchone() == (db.info.backend_pid,):
            db.prepare_threshold = PREPARE_AFTER  # not behind a pooler, where the next transaction may be elsewhere
        return db

    def _close_all(self) -> None:
        self._readers.shutdown()  # waits for those who are reading
        while (db := self._spare()) is not None:
            db.close()
        if self._db is not None:
            with contextlib.suppress(psycopg.Error):
                self._db.execute(f"NOTIFY {BELL}".encode())  # so that the one who listens sees that it is over
            self._db.close()

    # --- readers ---------------------------------------------------------------------------------------------------

    def _read(self, query: Callable[[PostgresTx], R]) -> R:
        db: Connection | None = None
        try:
            db = self._spare() or self._connect()
            db.execute(limits.begin_reading())
            answer = query(PostgresTx(db, self._types))
            db.execute("COMMIT")
        except psycopg.Error as error:  # the connection is let go: the next reader makes its own
            if db is not None:
                db.close()
            raise _answer(error) from None
        self._idle.put(db)
        return answer

    def _spare(self) -> Connection | None:
        try:
            return self._idle.get_nowait()
        except Empty:
            return None

    # --- the bell --------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Ring when another process committed. A connection of its own; without it the poll behind it must do."""
        while not self._closed.is_set():
            with contextlib.suppress(psycopg.Error), self._connect() as db:
                db.execute(f"LISTEN {BELL}".encode())
                while not self._closed.is_set():
                    for rung in db.notifies(timeout=LISTEN_SECONDS, stop_after=1):
                        if not self._closed.is_set() and rung.pid != self._own:  # our own commits ring by themselves
                            self._loop.call_soon_threadsafe(self._group.ring)
            self._closed.wait(1.0)

    def _let_go(self) -> None:
        self._closed.set()
        if self._listener.is_alive():
            self._listener.join()
        self._leadership.close()
        self._readers.shutdown()
        self._writer.shutdown()


def _compare_clocks(apart: float) -> None:
    """Say that one of two clocks is wrong: what is sent is signed with this machine's time."""
    if abs(apart) > CLOCKS_APART:
        reason = f"this machine's clock is {abs(apart):.0f} s {'behind' if apart > 0 else 'ahead of'} the database's"
        _log.warning("clocks_differ", reason=f"{reason}: consumers refuse signatures whose time is minutes off")


def _steady() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def _answer(error: Exception) -> Exception:
    """Tell the database's trouble from mistakes of ours."""
    return _unavailable(error) if isinstance(error, _TROUBLE) else error


def _unavailable(error: Exception) -> StoreUnavailable:
    return StoreUnavailable(f"the database cannot do it now: {said(error)}")

"""SQLite through apsw: one writer connection on its own thread, readers on theirs, all in WAL mode.

`synchronous=FULL`: a commit returns after the fsync that holds it. The writer thread does every checkpoint itself,
between commits, because one done inside a commit is what makes the slowest calls slow.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Literal, Self

import apsw

from gateway.contract.errors import ConfigurationError, StoreUnavailable
from gateway.store.engines.engine import A, Clock, Job, Memory, Observer, R, Tx
from gateway.store.engines.group import Call, Group, Outcome, together
from gateway.store.engines.sqlite_file import (
    BUSY_MS,
    FILE,
    connect,
    connect_reader,
    examine,
    lock,
    migrate,
    prepare,
    refuse_moved,
    room,
)
from gateway.store.engines.sqlite_tx import SqliteTx

READERS = 3
CHECKPOINT_EVERY = 0.05
"""Seconds between checkpoints while there is work."""
CHECKPOINT_SHARE = 10
"""A checkpoint is followed by at least so many times as long without one: on a slow disk commits come first."""
SETTLE_TRIES = 20
"""How often the log is tried to be emptied; what it still holds then, later calls write over."""
WAL_LIMIT = 64 << 20
LOOK_EVERY = 0.1
"""Seconds between two looks at how full the disk is."""
RESERVE = 16 << 20
"""Bytes of disk left to deliveries when calls are already refused; on a small disk a tenth of it."""


class Sqlite:
    """One database in one directory, held by this process alone. Make it with `Sqlite.open`."""

    alone = True

    def __init__(self, data_dir: Path, clock: Clock, observe: Observer) -> None:
        self.now = clock
        self._observe = observe
        self._path = data_dir / FILE
        self._lock = lock(data_dir)
        self._writer = ThreadPoolExecutor(1, "store-writer")
        self._readers = ThreadPoolExecutor(READERS, "store-reader")
        self._idle: SimpleQueue[apsw.Connection] = SimpleQueue()
        self._db: apsw.Connection | None = None
        self._memories: list[Memory] = []
        self._checkpointed = 0.0
        self._checkpoint_took = 0.0
        self._closed = False
        self._looked = 0.0
        self._roomy = True
        self._group = Group(self._writer, self._commit)

    @classmethod
    async def open(cls, data_dir: Path, clock: Clock, observe: Observer) -> Self:
        """Open, or make at first start. Raises ConfigurationError: in use, damaged, from a newer version."""
        engine = cls(data_dir, clock, observe)
        try:
            await asyncio.get_running_loop().run_in_executor(engine._writer, engine._open_first)
        except BaseException:
            engine._let_go()
            raise
        return engine

    def instant(self, tx: Tx) -> None:
        """Leave it to the process: there is no other."""

    def write(self, job: Job[A, R], item: A) -> Awaitable[R]:
        return self._group.submit(job, item)

    def write_then(self, job: Job[A, R], item: A, told: Callable[[R | Exception], None]) -> None:
        self._group.submit_then(job, item, told)

    def remind(self, memory: Memory) -> None:
        self._memories.append(memory)

    async def read(self, query: Callable[[SqliteTx], R]) -> R:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, query)

    async def changed(self, timeout: float) -> bool:  # noqa: ASYNC109 -- running out of time is an answer here
        return await self._group.changed(timeout)

    async def close(self) -> None:
        self._closed = True
        await self._group.drain()
        await asyncio.get_running_loop().run_in_executor(self._writer, self._close_all)
        self._let_go()

    async def lead(self, run: Callable[[], Awaitable[None]]) -> None:
        await run()

    def turn(self, name: str) -> AbstractAsyncContextManager[None]:
        del name  # there is no other process
        return nullcontext()

    async def settle_log(self) -> None:
        for _ in range(SETTLE_TRIES):
            if await asyncio.get_running_loop().run_in_executor(self._writer, self._checkpoint_whole):
                return
            await asyncio.sleep(CHECKPOINT_EVERY)

    def roomy(self) -> bool:
        if time.monotonic() - self._looked >= LOOK_EVERY:
            disk = os.statvfs(self._path)
            self._roomy = disk.f_bavail * disk.f_frsize > min(RESERVE, disk.f_blocks * disk.f_frsize // 10)
            self._looked = time.monotonic()
        return self._roomy

    # --- the writer's thread ---------------------------------------------------------------------------------------

    def _commit(self, batch: Sequence[Call]) -> Sequence[Outcome]:
        try:
            outcomes = self._transaction(batch)
        except Exception as error:  # noqa: BLE001 -- whatever it was, it is everybody's answer
            self._drop()
            return [_answer(error) for _ in batch]
        self._writer.submit(self._checkpoint_when_due)
        return outcomes

    def _transaction(self, batch: Sequence[Call]) -> Sequence[Outcome]:
        began = time.perf_counter()
        db = self._db or self._reopen()
        db.execute("BEGIN IMMEDIATE")
        try:
            outcomes = together(SqliteTx(db), batch)
        except Exception:  # noqa: BLE001 -- whatever it was: what follows finds out whose it was
            if not db.get_autocommit():
                db.execute("ROLLBACK")
            self._tell("undo")
            db.execute("BEGIN IMMEDIATE")
            outcomes = [self._alone(db, call) for call in batch]
        worked = time.perf_counter()
        db.execute("COMMIT")
        done = time.perf_counter()
        self._tell("keep")
        self._observe(len(batch), done - began, done - worked)
        return outcomes

    def _alone(self, db: apsw.Connection, call: Call) -> Outcome:
        db.execute("SAVEPOINT one")
        try:
            (outcome,) = call.job(SqliteTx(db), [call.item])
        except Exception as error:
            if db.get_autocommit():  # SQLite undid everything: this is about the database, not about the call
                raise
            db.execute("ROLLBACK TO one")
            self._tell("undo")
            outcome = _answer(error)
        db.execute("RELEASE one")
        self._tell("keep")
        return outcome

    def _tell(self, fate: Literal["keep", "undo", "forget"]) -> None:
        for memory in self._memories:
            getattr(memory, fate)()

    def _drop(self) -> None:
        """Close after a failure: what a failed fsync left behind in memory is not to be believed."""
        self._tell("forget")
        db, self._db = self._db, None
        if db is not None:
            db.close(force=True)

    def _reopen(self) -> apsw.Connection:
        """Open, and bring everything that is in the log into the database by fsyncs of its own."""
        db = connect(self._path)
        try:
            db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except BaseException:
            db.close(force=True)
            raise
        self._db = db
        return db

    def _open_first(self) -> None:
        refuse_moved(self._path.parent)
        try:
            prepare(self._path)
            db = self._reopen()
            examine(db, self._path)
            migrate(db)
        except (apsw.CorruptError, apsw.NotADBError) as error:
            raise ConfigurationError(f"{self._path} is damaged: {error}. Restore it from a backup") from error
        except (apsw.Error, OSError) as error:
            raise ConfigurationError(f"{self._path} cannot be opened: {error}{room(self._path.parent)}") from error

    def _checkpoint_when_due(self) -> None:
        began = time.monotonic()
        rest = max(CHECKPOINT_EVERY, CHECKPOINT_SHARE * self._checkpoint_took)
        if self._db is None or began - self._checkpointed < rest:
            return
        try:
            _checkpoint(self._db)
        except (apsw.BusyError, apsw.FullError):
            pass  # a reader holds it, or there is no room: next time. The log has it all
        except apsw.Error:
            self._drop()  # an fsync that failed here is no better than one in a commit
        self._checkpointed = time.monotonic()
        self._checkpoint_took = self._checkpointed - began

    def _checkpoint_whole(self) -> bool:
        """Write the log into the database and cut it to nothing; False when a reader holds it: nobody waits for it."""
        if self._db is None:
            return True
        try:
            self._db.set_busy_timeout(0)
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            self._db.set_busy_timeout(BUSY_MS)
        except (apsw.BusyError, apsw.FullError):
            self._db.set_busy_timeout(BUSY_MS)
            return False
        except apsw.Error:
            self._drop()
        return True

    def _close_all(self) -> None:
        self._readers.shutdown()  # waits for those who are reading
        while (db := self._spare()) is not None:
            db.close()
        if self._db is not None:
            self._db.close()  # the last one out writes the log into the database

    # --- readers ---------------------------------------------------------------------------------------------------

    def _read(self, query: Callable[[SqliteTx], R]) -> R:
        try:
            db = self._spare() or connect_reader(self._path)
            with db:
                answer = query(SqliteTx(db))
        except apsw.Error as error:  # the connection is let go: the next reader makes its own
            raise _unavailable(error) from error
        self._idle.put(db)
        return answer

    def _spare(self) -> apsw.Connection | None:
        try:
            return self._idle.get_nowait()
        except Empty:
            return None

    def _let_go(self) -> None:
        self._readers.shutdown()
        self._writer.shutdown()
        os.close(self._lock)


def _checkpoint(db: apsw.Connection) -> None:
    frames, _ = db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    if frames * db.pragma("page_size") > WAL_LIMIT:
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)


def _answer(error: Exception) -> Exception:
    """Tell the database's trouble from mistakes of ours."""
    return _unavailable(error) if isinstance(error, apsw.Error | OSError) else error


def _unavailable(error: Exception) -> StoreUnavailable:
    return StoreUnavailable(f"the database cannot do it now: {error}")

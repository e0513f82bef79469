"""SQLite through apsw: one writer connection on its own thread, readers on theirs, all in WAL mode.

`synchronous=FULL`: a commit returns after the fsync that holds it. The writer thread does every checkpoint itself,
because one done inside a commit is what makes the slowest calls slow.
"""

import asyncio
import fcntl
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import chain, groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Self

import apsw

from gateway.contract.errors import ConfigurationError, StoreUnavailable
from gateway.store.engines.engine import A, Clock, Job, R, Row, Value
from gateway.store.engines.group import Call, Group, Outcome
from gateway.store.statements import Statement, migrations

FILE = "gateway.db"
LOCK = "gateway.lock"
READERS = 3
APPLICATION = 0x62776731
"""Written into the file's header ("bwg1"): tells our database from somebody else's."""
CHECKPOINT_EVERY = 0.075
WAL_LIMIT = 64 << 20
CHUNK = 64
_PLACE = re.compile(r":(\w+)(\*?)")


# --- transactions --------------------------------------------------------------------------------------------------


class SqliteTx:
    """Statements on one connection. Each step of SQLite gives up the interpreter, and getting it back from a busy event
    loop is what costs: so many rows are written by one statement with many VALUES, not by many statements."""

    def __init__(self, db: apsw.Connection) -> None:
        self.db = db

    def run(self, statement: Statement, **values: Value | Sequence[Value]) -> list[Row]:
        bound: list[Value] = []
        sizes: list[int] = []
        for name, is_list in _places(statement):
            value: Any = values[name]
            if is_list:
                sizes.append(_padded(len(value)))
                bound.extend(_pad(value))
            else:
                bound.append(value)
        return self.db.execute(_text(statement, tuple(sizes)), bound).fetchall()

    def many(self, statement: Statement, rows: Sequence[Row]) -> None:
        if not _inserts(statement):
            self.db.executemany(_text(statement, ()), rows)
            return
        for start, size in _chunks(len(rows)):
            values = list(chain.from_iterable(rows[start : start + size]))
            self.db.execute(_multiplied(statement, size), values)


@cache
def _places(statement: Statement) -> tuple[tuple[str, bool], ...]:
    return tuple((name, bool(star)) for name, star in _PLACE.findall(statement.text))


@cache
def _text(statement: Statement, sizes: tuple[int, ...]) -> str:
    left = iter(sizes)
    return _PLACE.sub(lambda place: ",".join("?" * next(left)) if place[2] else "?", statement.text)


def _padded(size: int) -> int:
    """Round up to a power of two, so that few different texts have to be prepared."""
    return 1 << (size - 1).bit_length()


def _pad(values: Sequence[Value]) -> list[Value]:
    return [*values, *([values[-1]] * (_padded(len(values)) - len(values)))]


def _inserts(statement: Statement) -> bool:
    return statement.text.startswith("INSERT")


def _chunks(size: int) -> Iterator[tuple[int, int]]:
    """Cut a number of rows into powers of two, for the same reason."""
    start = 0
    while size:
        part = min(CHUNK, 1 << (size.bit_length() - 1))
        yield start, part
        start, size = start + part, size - part


@cache
def _multiplied(statement: Statement, times: int) -> str:
    head, row, tail = re.split(r"VALUES (\([^()]*\))", _text(statement, ()))
    return f"{head}VALUES {','.join([row] * times)}{tail}"


# --- the engine ----------------------------------------------------------------------------------------------------


class Sqlite:
    """One database in one directory, held by this process alone. Make it with `Sqlite.open`."""

    def __init__(self, data_dir: Path, clock: Clock) -> None:
        self.now = clock
        self._path = data_dir / FILE
        self._lock = _lock(data_dir)
        self._writer = ThreadPoolExecutor(1, "store-writer")
        self._readers = ThreadPoolExecutor(READERS, "store-reader")
        self._idle: list[apsw.Connection] = []
        self._guard = threading.Lock()
        self._db: apsw.Connection | None = None
        self._checkpointed = 0.0
        self._group = Group(self._writer, self._commit)

    @classmethod
    async def open(cls, data_dir: Path, clock: Clock) -> Self:
        """Open, or make at first start. Raises ConfigurationError: in use, damaged, from a newer version."""
        engine = cls(data_dir, clock)
        try:
            await asyncio.get_running_loop().run_in_executor(engine._writer, engine._open_first)
        except BaseException:
            engine._let_go()
            raise
        return engine

    async def write(self, job: Job[A, R], item: A) -> R:
        answer: R = await self._group.submit(job, item)
        return answer

    async def changed(self, timeout: float) -> bool:
        return await self._group.changed(timeout)

    async def read(self, query: Callable[[SqliteTx], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, query)

    async def close(self) -> None:
        await self._group.drain()
        await asyncio.get_running_loop().run_in_executor(self._writer, self._close_writer)
        self._let_go()

    # --- the writer's thread ---------------------------------------------------------------------------------------

    def _commit(self, batch: Sequence[Call]) -> Sequence[Outcome]:
        try:
            outcomes = self._transaction(batch)
        except (apsw.Error, OSError) as error:
            self._drop()
            return [StoreUnavailable(f"the database could not store: {error}")] * len(batch)
        self._writer.submit(self._checkpoint_when_due)
        return outcomes

    def _transaction(self, batch: Sequence[Call]) -> Sequence[Outcome]:
        db = self._db or self._reopen()
        db.execute("BEGIN IMMEDIATE")
        try:
            outcomes = _together(SqliteTx(db), batch)
        except Exception:  # noqa: BLE001 -- whatever it was: the next line finds out whose it was
            _undo(db, "ROLLBACK")
            db.execute("BEGIN IMMEDIATE")
            outcomes = [_alone(db, call) for call in batch]
        db.execute("COMMIT")
        return outcomes

    def _drop(self) -> None:
        """Close after a failed commit: what a failed fsync left behind is not to be believed."""
        db, self._db = self._db, None
        if db is not None:
            db.close(force=True)

    def _reopen(self) -> apsw.Connection:
        """Open again and bring everything that is in the WAL into the database by fsyncs of its own."""
        db = _connect(self._path)
        try:
            _checkpoint(db, apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except BaseException:
            db.close(force=True)
            raise
        self._db = db
        return db

    def _open_first(self) -> None:
        try:
            if not self._path.exists():
                _create(self._path)
            db = self._reopen()
            _examine(db, self._path)
            _migrate(db)
        except (apsw.Error, OSError) as error:
            raise ConfigurationError(f"{self._path} cannot be opened: {error}") from error

    def _checkpoint_when_due(self) -> None:
        if self._db is None or time.monotonic() - self._checkpointed < CHECKPOINT_EVERY:
            return
        large = self._path.with_name(FILE + "-wal").stat().st_size > WAL_LIMIT
        try:
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART if large else apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.BusyError:
            pass  # a reader holds it: next time
        except apsw.Error:
            self._drop()  # an fsync that failed here is no better than one in a commit
        self._checkpointed = time.monotonic()

    def _close_writer(self) -> None:
        if self._db is not None:
            self._db.close()

    # --- readers ---------------------------------------------------------------------------------------------------

    def _read(self, query: Callable[[SqliteTx], R]) -> R:
        try:
            db = self._borrow()
            with db:
                answer = query(SqliteTx(db))
        except apsw.Error as error:
            raise StoreUnavailable(f"the database could not be read: {error}") from error
        with self._guard:
            self._idle.append(db)
        return answer

    def _borrow(self) -> apsw.Connection:
        with self._guard:
            if self._idle:
                return self._idle.pop()
        db = _connect(self._path)
        db.pragma("query_only", True)
        return db

    def _let_go(self) -> None:
        self._readers.shutdown()
        self._writer.shutdown()
        for db in self._idle:
            db.close()
        os.close(self._lock)


def _together(tx: SqliteTx, batch: Sequence[Call]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for job, calls in groupby(batch, attrgetter("job")):
        outcomes += job(tx, [call.item for call in calls])
    return outcomes


def _alone(db: apsw.Connection, call: Call) -> Outcome:
    db.execute("SAVEPOINT one")
    try:
        (outcome,) = call.job(SqliteTx(db), [call.item])
    except Exception as error:
        if db.get_autocommit():  # SQLite itself undid everything: this is about the database, not about the call
            raise
        db.execute("ROLLBACK TO one")
        outcome = StoreUnavailable(f"the database could not store: {error}") if isinstance(error, apsw.Error) else error
    db.execute("RELEASE one")
    return outcome


def _undo(db: apsw.Connection, how: str) -> None:
    if not db.get_autocommit():
        db.execute(how)


# --- files ---------------------------------------------------------------------------------------------------------


def _lock(data_dir: Path) -> int:
    """Hold the directory for this process. The lock is the kernel's: a dead process holds nothing."""
    try:
        handle = os.open(data_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(f"GATEWAY_DATA_DIR: {data_dir} cannot be written: {error}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise ConfigurationError(f"GATEWAY_DATA_DIR: {data_dir} is in use by another gateway process") from error
    return handle


def _connect(path: Path) -> apsw.Connection:
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    db.set_busy_timeout(5000)
    db.pragma("journal_mode", "wal")
    db.pragma("synchronous", "full")
    db.pragma("temp_store", "memory")
    db.wal_autocheckpoint(0)
    return db


def _create(path: Path) -> None:
    """Make the database under another name first, so that under its own it is either whole or not there."""
    if path.with_name(FILE + "-wal").exists():
        raise ConfigurationError(
            f"{path} is missing but its write-ahead log is there: restore it, or move the log away"
        )
    draft = path.with_name(FILE + ".new")
    for leftover in (draft, draft.with_name(draft.name + "-wal"), draft.with_name(draft.name + "-shm")):
        leftover.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    db = _connect(draft)
    db.pragma("application_id", APPLICATION)
    _migrate(db)
    db.close()
    draft.rename(path)
    _sync_dir(path.parent)


def _sync_dir(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _examine(db: apsw.Connection, path: Path) -> None:
    """Refuse what is not ours or not whole. The WAL is already in the file, so its size must be what it says."""
    if db.pragma("application_id") != APPLICATION:
        raise ConfigurationError(f"{path} is not a database of the gateway's")
    if path.stat().st_size < db.pragma("page_count") * db.pragma("page_size"):
        raise ConfigurationError(f"{path} is damaged: it is shorter than it says. Restore it from a backup")
    if (found := db.pragma("quick_check", 1)) != "ok":
        raise ConfigurationError(f"{path} is damaged: {found}. Restore it from a backup")


def _migrate(db: apsw.Connection) -> None:
    known = migrations()
    version = db.pragma("user_version")
    if version > len(known):
        raise ConfigurationError(
            f"the database has schema {version}, this gateway knows {len(known)}: start the newer gateway"
        )
    for number in range(version, len(known)):
        with db:
            db.execute(known[number])
            db.pragma("user_version", number + 1)


def _checkpoint(db: apsw.Connection, mode: int) -> None:
    db.wal_checkpoint(mode=mode)

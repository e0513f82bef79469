"""The database file: held by one process, made whole, looked at before it is trusted."""

import fcntl
import os
from pathlib import Path

import apsw

from gateway.contract.errors import ConfigurationError
from gateway.sealing import sync_dir
from gateway.store.statements import migrations

FILE = "gateway.db"
LOCK = "gateway.lock"
MOVED = "moved-to-postgresql"
"""A file beside it says that its gateway goes on elsewhere."""
APPLICATION = 0x62776731
"""Written into the file's header ("bwg1"): tells our database from somebody else's."""
CACHE_KIB = 16_384
BUSY_MS = 100
PREPARED = 512
"""Statements the writer keeps: an insert has a text for each number of rows."""
LEAST_ROOM = 1 << 20
"""Bytes without which a database cannot even be opened."""
THOROUGH = 256 << 20
"""Bytes up to which the whole file is checked at start; of a larger one only what everything else depends on."""
VITAL = ("head", "connections", "destinations", "keys", "tokens", "tally")
_MAGIC = b"SQLite format 3\0"
_HEADER = 100
_APPLICATION_AT = 68
_JOURNAL = slice(18, 20)
_NO_LOG = b"\1\1"


def lock(data_dir: Path) -> int:
    """Hold the directory for this process. The lock is the kernel's: a dead process holds nothing."""
    try:
        handle = os.open(data_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(f"GATEWAY_DATA_DIR: {data_dir} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise ConfigurationError(f"GATEWAY_DATA_DIR: {data_dir} is in use by another gateway process") from error
    return handle


def refuse_if_held(data_dir: Path) -> None:
    """Raise ConfigurationError when another process holds this directory."""
    if (data_dir / LOCK).exists():
        os.close(lock(data_dir))


def mark_moved(data_dir: Path) -> None:
    """Let no gateway start here from now on."""
    handle = os.open(data_dir / MOVED, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.close(handle)
    sync_dir(data_dir)


def refuse_moved(data_dir: Path) -> None:
    """Raise ConfigurationError when all that is here was moved: what waits would be sent from there and from here."""
    mark = data_dir / MOVED
    if mark.exists():
        raise ConfigurationError(
            f"GATEWAY_DATABASE_URL is not set, and {data_dir} was moved to PostgreSQL: what waited there would be sent"
            f" twice. Set it, or remove {mark} if this one is to go on after all"
        )


def room(data_dir: Path) -> str:
    """Say that the disk is full if it is, for SQLite calls that an I/O error too; otherwise nothing."""
    disk = os.statvfs(data_dir)
    return "; the disk is full" if disk.f_bavail * disk.f_frsize < LEAST_ROOM else ""


def connect(path: Path) -> apsw.Connection:
    """Connect to a file that exists."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, statementcachesize=PREPARED)
    db.set_busy_timeout(BUSY_MS)  # there is one writer, so only a checkpoint ever waits, and it comes again
    db.pragma("journal_mode", "wal")
    db.pragma("synchronous", "full")
    db.pragma("temp_store", "memory")
    # What is deleted is written over, and so is what moves from page to page: who was erased is nowhere in the file. It
    # has to be on all the time; calls cost the same with it, deliveries some 7 us more.
    db.pragma("secure_delete", "on")
    db.pragma("cache_size", -CACHE_KIB)
    db.wal_autocheckpoint(0)
    return db


def connect_reader(path: Path) -> apsw.Connection:
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    db.set_busy_timeout(1000)
    db.pragma("query_only", True)
    return db


def prepare(path: Path) -> None:
    """Make the database at first start, or refuse one that is not ours. Touches nothing that it refuses."""
    if not path.exists():
        _create(path)
    header = check_header(path)
    if header[_JOURNAL] == _NO_LOG:
        _part_from_log(path)


def check_header(path: Path) -> bytes:
    """Refuse what is no database of ours; answer its first bytes."""
    with path.open("rb") as file:
        header = file.read(_HEADER)
    if not header.startswith(_MAGIC) or len(header) < _HEADER:
        raise ConfigurationError(f"{path} is damaged, or not a database. Restore it from a backup")
    if int.from_bytes(header[_APPLICATION_AT : _APPLICATION_AT + 4], "big") != APPLICATION:
        raise ConfigurationError(f"{path} is not a database of this gateway's")
    return header


def _part_from_log(path: Path) -> None:
    """Put aside a log that belongs to the database that lay here before a backup was put in its place.

    Ours are in WAL mode from the first moment on; a backup is not, so a log beside it is another's. SQLite would write
    it into this one.
    """
    log = path.with_name(f"{FILE}-wal")
    if log.exists():
        log.rename(log.with_name(f"{FILE}-wal.replaced"))
    path.with_name(f"{FILE}-shm").unlink(missing_ok=True)
    sync_dir(path.parent)


def _create(path: Path) -> None:
    """Make it under another name first, so that under its own it is either whole or not there."""
    if path.with_name(f"{FILE}-wal").exists():
        raise ConfigurationError(f"{path} is missing, but its log {FILE}-wal is there: restore it, or move that away")
    draft = path.with_name(f"{FILE}.new")
    for ending in ("", "-wal", "-shm"):
        path.with_name(draft.name + ending).unlink(missing_ok=True)
    os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    db = connect(draft)
    db.pragma("application_id", APPLICATION)
    migrate(db)
    db.close()
    draft.rename(path)
    sync_dir(path.parent)


def examine(db: apsw.Connection, path: Path) -> None:
    """Refuse a damaged file. Its log is already in it, so its size must be what it says."""
    size = path.stat().st_size
    if size < db.pragma("page_count") * db.pragma("page_size"):
        raise ConfigurationError(f"{path} is damaged: it is shorter than it says. Restore it from a backup")
    for what in (1,) if size <= THOROUGH else VITAL:
        found = db.pragma("quick_check", what)
        if found != "ok":
            raise ConfigurationError(f"{path} is damaged: {found}. Restore it from a backup")


def migrate(db: apsw.Connection) -> None:
    """Bring the schema to what this version knows, each step in its own transaction."""
    known = migrations()
    version = db.pragma("user_version")
    if version > len(known):
        raise ConfigurationError(
            f"{db.filename} has schema {version}, this gateway knows {len(known)}: start the newer gateway"
        )
    for number in range(version, len(known)):
        with db:
            db.execute(known[number])
            db.pragma("user_version", number + 1)

"""A copy of the database while it is in use: by a process of its own, which only reads.

`VACUUM INTO` copies what one moment's readers see, without the pages of deleted rows. The gateway goes on writing; its
log cannot be cut meanwhile. The copy is marked, so that whoever starts it later knows it for one.

It goes to the disk a little at a time: all of it at once at the end is what the gateway's own fsyncs would wait behind.
"""

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from gateway.contract.errors import ConfigurationError
from gateway.sealing import sync_dir
from gateway.store.engines.sqlite_file import FILE, check_header
from gateway.store.statements import migrations

STEP = 2 << 20
"""Bytes that go to the disk at a time."""
REST = 2.0
"""How many times as long as such a step took the disk is then left to the gateway."""
OPERATIONS = 25
"""So often, in SQLite's own steps, is looked how much there is to write: a row takes some ten, and may be large."""


def backup(data_dir: Path, target: Path) -> int:
    """Write a whole copy to `target`, 0600 and on disk when this returns; its size in bytes.

    Raises ConfigurationError: there is no database, it is damaged or of another version, the target is there already
    or cannot be written. Then there is no target, nor a part of one.
    """
    source = data_dir / FILE
    _check(source, target)
    before = os.umask(0o077)
    draft = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        with _told(source, target):
            _copy(source, draft)
            _mark(draft)
            _sync(draft)
            size = draft.stat().st_size
            os.link(draft, target)
            sync_dir(target.parent)
        return size
    finally:
        os.umask(before)
        draft.unlink(missing_ok=True)


def _check(source: Path, target: Path) -> None:
    if not source.exists():
        raise ConfigurationError(f"there is no database in {source.parent}: GATEWAY_DATA_DIR says where it is")
    check_header(source)
    if target.exists() or target.is_symlink():
        raise ConfigurationError(f"{target} exists: name a file that does not")


@contextmanager
def _told(source: Path, target: Path) -> Iterator[None]:
    """Say in one line what went wrong, and with which of the two."""
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise ConfigurationError(f"{source} is damaged, so no copy was made: {error}") from error
    except FileExistsError:
        raise ConfigurationError(f"{target} exists: name a file that does not") from None
    except (apsw.Error, OSError) as error:
        raise ConfigurationError(f"{target} cannot be written: {error}") from error


def _copy(source: Path, draft: Path) -> None:
    db = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READWRITE)  # it writes nothing but the readers' marks
    db.set_busy_timeout(1000)
    try:
        version = db.pragma("user_version")
        if version != len(migrations()):
            raise ConfigurationError(
                f"{source} has schema {version}, this gateway knows {len(migrations())}: use the gateway that serves it"
            )
        with _in_steps(db, draft):
            db.execute("VACUUM INTO ?", (str(draft),))
    finally:
        db.close()


@contextmanager
def _in_steps(db: apsw.Connection, draft: Path) -> Iterator[None]:
    """Bring to the disk what was copied while more is copied."""
    handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        db.set_progress_handler(_stepping(handle), OPERATIONS)
        yield
    finally:
        os.close(handle)


def _stepping(handle: int) -> Callable[[], bool]:
    written = 0

    def step() -> bool:
        nonlocal written
        size = os.fstat(handle).st_size
        if size - written >= STEP:
            written, began = size, time.monotonic()
            os.fdatasync(handle)
            time.sleep(REST * (time.monotonic() - began))
        return False  # go on

    return step


def _mark(draft: Path) -> None:
    """Look the copy over, and mark it as one."""
    db = apsw.Connection(str(draft), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        db.pragma("journal_mode", "off")
        found = db.pragma("quick_check", 1)
        if found != "ok":
            raise apsw.CorruptError(str(found))
        db.execute("UPDATE head SET copied = 1")
    finally:
        db.close()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDWR)
    try:
        os.fchmod(handle, 0o600)
        os.fsync(handle)
    finally:
        os.close(handle)

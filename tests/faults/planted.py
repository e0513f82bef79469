"""The program with a bug planted in it, to see that the suite can fail: `python -m tests.faults.planted BUG serve`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

from gateway.cli.main import main
from gateway.store.engines import sqlite
from gateway.store.engines.sqlite_file import connect


def lazy_fsync(path: Path) -> apsw.Connection:
    """Commit without waiting for the disk: survives every kill, and no power cut."""
    db = connect(path)
    db.pragma("synchronous", "normal")
    return db


class Early(apsw.Connection):
    """Puts the commit of calls off until the next transaction begins: what is answered is not kept yet."""

    _calls = _late = False

    def execute(self, statements: str, *rest: Any, **more: Any) -> apsw.Cursor:
        self._calls |= statements.startswith("INSERT INTO receipts")
        if statements == "COMMIT" and self._calls:
            self._calls, self._late = False, True
            return super().execute("SELECT 1")
        if statements.startswith("BEGIN") and self._late:
            self._late = False
            super().execute("COMMIT")
        return super().execute(statements, *rest, **more)


def early_answer(path: Path) -> apsw.Connection:
    db = Early(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    db.pragma("journal_mode", "wal")
    db.pragma("synchronous", "full")
    db.wal_autocheckpoint(0)
    return db


BUGS: dict[str, Callable[[Path], apsw.Connection]] = {"lazy-fsync": lazy_fsync, "early-answer": early_answer}
if __name__ == "__main__":
    vars(sqlite)["connect"] = BUGS[sys.argv.pop(1)]
    main()

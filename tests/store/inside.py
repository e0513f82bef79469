"""A look inside the store: its writer's connection, and the files below it."""

import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import apsw

from gateway.store.engines.engine import Tx
from gateway.store.engines.sqlite_tx import SqliteTx
from gateway.store.statements import Statement
from gateway.store.store import Store


async def with_writer(store: Store, use: Callable[[apsw.Connection], Any]) -> Any:
    """Use the writer's connection on its thread, inside a transaction."""

    def job(tx: Tx, items: Sequence[None]) -> list[Any]:
        assert isinstance(tx, SqliteTx)
        return [use(tx._db) for _ in items]

    return await store._engine.write(job, None)


async def pragma(store: Store, name: str, *value: int) -> Any:
    return await with_writer(store, lambda db: db.pragma(name, *value))


async def execute(store: Store, text: str, **values: int) -> None:
    """Run a statement on whatever database it is."""

    def job(tx: Tx, items: Sequence[None]) -> list[None]:
        tx.run(Statement("a look inside", " ".join(text.split())), **values)
        return [None for _ in items]

    await store._engine.write(job, None)


async def damage(store: Store, table: str, which: str = "1 = 1") -> None:
    """Put the seal of another row in the place of these rows' own: they cannot be opened any more."""
    text = f"UPDATE {table} SET sealed = (SELECT sealed FROM seals LIMIT 1) WHERE {which}"  # noqa: S608 -- our own words
    await execute(store, text)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.iterdir()]}


class Disk(apsw.VFS):
    """The operating system's files. `synced` is what a power cut leaves of them at worst; `broken` makes fsync fail."""

    def __init__(self) -> None:
        super().__init__("watched", "unix", makedefault=True)
        self.log: list[str] = []
        self.synced: dict[str, bytes] = {}
        self.broken = False

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 -- apsw's name
        return _Watched(self, name, flags)


class _Watched(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk
        self._path = Path(name.filename() if isinstance(name, apsw.URIFilename) else str(name))
        self._is_log = self._path.name.endswith("-wal")

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 -- apsw's name
        super().xWrite(data, offset)
        if self._is_log:
            self._disk.log.append("write")

    def xSync(self, flags: int) -> None:  # noqa: N802 -- apsw's name
        if self._disk.broken:
            raise apsw.IOError("the disk does not do it")
        super().xSync(flags)
        if self._path.exists():
            name = self._path.name
            self._disk.synced["gateway.db" if name == "gateway.db.new" else name] = self._path.read_bytes()
        if self._is_log:
            self._disk.log.append("sync")

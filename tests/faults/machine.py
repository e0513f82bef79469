"""The machine below a gateway: a library put between it and its files and clocks, told what to do while it runs."""

import functools
import mmap
import os
import struct
import subprocess
import tempfile
from pathlib import Path

from tests.lacking import ADVICE, compiler

SOURCE = Path(__file__).with_name("shim.c")
_FIELDS = (
    "wall_ns",  # added to the wall clock
    "passed_ns",  # added to all clocks: time that went by while the process could not run
    "sync_us",  # what each fsync takes at least
    "sync_fails",  # how many fsyncs fail with EIO; -1: all
    "full",  # 1: no file can grow
    "looks_full",  # 1: nothing is left, as one asks
    "syncs",  # counted: fsyncs that held
    "failed",  # counted: fsyncs that failed
    "refused",  # counted: writes that found no room
    "lies",  # 1: fsync does nothing and says that it did
)


@functools.cache
def shim() -> Path:
    """Compile the library, once; raises RuntimeError that says what is missing."""
    found = compiler()
    if found is None:
        raise RuntimeError(ADVICE["machine"])
    library = Path(tempfile.mkdtemp(prefix="faults-")) / "shim.so"
    built = subprocess.run(
        [found, "-shared", "-fPIC", "-O2", "-Wall", "-o", library, SOURCE, "-ldl", "-lpthread"],
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        raise RuntimeError(f"{found} cannot build {SOURCE.name}:\n{built.stderr}")
    return library


class Machine:
    """What a gateway whose data lies under `folder` is made to meet. With `traced` nothing is fsynced for real: the
    trace is the disk."""

    def __init__(self, folder: Path, *, traced: bool = False) -> None:
        self.folder = folder.resolve()
        self._control = self.folder.with_suffix(".control")
        self._control.write_bytes(bytes(8 * len(_FIELDS)))
        with self._control.open("r+b") as file:
            self._numbers = mmap.mmap(file.fileno(), 8 * len(_FIELDS))
        self.trace = self.folder.with_suffix(".trace") if traced else None

    @property
    def environment(self) -> dict[str, str]:
        """What to start a gateway with."""
        names = {
            "LD_PRELOAD": str(shim()),
            "FAULTS_CONTROL": str(self._control),
            "FAULTS_DIR": str(self.folder),
        }
        return names | ({"FAULTS_TRACE": str(self.trace)} if self.trace else {})

    def set(self, **numbers: int) -> None:
        """Change what happens from now on."""
        for name, number in numbers.items():
            struct.pack_into("<q", self._numbers, 8 * _FIELDS.index(name), number)

    def count(self, name: str) -> int:
        """Read one of the numbers."""
        number: int = struct.unpack_from("<q", self._numbers, 8 * _FIELDS.index(name))[0]
        return number

    def moment(self) -> int:
        """Say how much has happened on the disk."""
        return os.stat(self.trace).st_size if self.trace and self.trace.exists() else 0  # noqa: PTH116 -- a call's hot path

"""Files that are not right: refused in one line and left alone, never replaced by a new empty database."""

import random
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import apsw

from tests.e2e.running import Gateway
from tests.faults.world import World

PAGE = 4096
LONGEST_START = 30.0


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut_in_half(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def cut_in_the_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


def garbage(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(path.stat().st_size))  # noqa: S311 -- the same for every run


def garbage_behind_the_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100] + random.Random(1).randbytes(path.stat().st_size - 100))  # noqa: S311 -- as above


def overwritten_pages(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:PAGE] + bytes(8 * PAGE) + whole[9 * PAGE :])


def a_page_of_ff(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: 2 * PAGE] + b"\xff" * PAGE + whole[3 * PAGE :])


def somebody_elses(path: Path) -> None:
    path.unlink()
    db = apsw.Connection(str(path))
    db.execute("CREATE TABLE things (name); INSERT INTO things VALUES ('a thing')")
    db.close()


def from_a_newer_version(path: Path) -> None:
    db = apsw.Connection(str(path))
    db.pragma("user_version", 999)
    db.close()


def gone_but_for_its_log(path: Path) -> None:
    path.rename(path.with_name("gateway.db-wal"))


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: tuple[Callable[[Path], None], ...] = (
    emptied,
    cut_in_half,
    cut_in_the_header,
    garbage,
    garbage_behind_the_header,
    overwritten_pages,
    a_page_of_ff,
    somebody_elses,
    from_a_newer_version,
    gone_but_for_its_log,
    a_directory,
)


async def made(folder: Path, calls: int = 60) -> Path:
    """Make a good database of a gateway that was stopped, and name its directory."""
    async with World(folder) as world:
        world.provider.start()
        await world.provider.until(calls)
        await world.provider.stop()
        await world.drained()
        assert await world.kill(signal.SIGTERM) == 0
    return world.gateway.directory


def refused(directory: Path, **environment: str) -> str:
    """Start on it and expect it to end with 1, one line and nothing changed; the line."""
    before = contents(directory)
    gateway = Gateway(directory, {"GATEWAY_PORT": "0"} | environment)
    gateway.log.unlink(missing_ok=True)
    process = gateway.launch()
    try:
        out, _ = process.communicate(timeout=LONGEST_START)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise AssertionError("it neither started nor ended") from None
    (line,) = gateway.log.read_text().splitlines()
    assert (process.returncode, out) == (1, ""), (process.returncode, out, line)
    assert contents(directory) == before, "it changed what it refused"
    return line


def contents(directory: Path) -> dict[str, bytes]:
    """What lies there, but for the shared memory, which is nobody's."""
    return {
        path.name: path.read_bytes() if path.is_file() else b""
        for path in directory.iterdir()
        if not path.name.endswith("-shm")
    }

"""The recorded disk: an fsync makes bytes last, one of the directory makes names last, a failed one nothing."""

import random
from pathlib import Path

import pytest

from tests.faults.trace import CREATE, FAILED, RENAME, SYNC, TRUNCATE, UNLINK, WRITE, Disk, Record

pytestmark = pytest.mark.faults
FILE = 1


class Played:
    """A disk to which things are done, one byte of trace each."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.disk = Disk(root)
        self.at = 0

    def do(self, op: int, inode: int = FILE, offset: int | None = None, data: bytes = b"") -> None:
        self.disk.play(Record(self.at, self.at + 1, op, inode, self.at if offset is None else offset, data))
        self.at += 1

    def name(self, op: int, *names: str) -> None:
        both = [str(self.root / name) for name in names] + ["/"]
        self.do(op, data=b"".join(name.encode() + b"\0" for name in both[:2]))

    def sync_names(self) -> None:
        self.do(SYNC, inode=self.root.stat().st_ino)

    def left(self, luck: int | None = None) -> dict[str, bytes]:
        to = self.root.with_name("left")
        self.disk.leave(to, None if luck is None else random.Random(luck))  # noqa: S311 -- repeatable
        return {path.name: path.read_bytes() for path in to.iterdir()}


@pytest.fixture
def played(tmp_path: Path) -> Played:
    root = tmp_path / "disk"
    root.mkdir()
    made = Played(root)
    made.name(CREATE, "a")
    made.sync_names()
    return made


def test_bytes_are_left_when_they_were_fsynced(played: Played) -> None:
    played.do(WRITE, offset=0, data=b"first")
    played.do(SYNC)
    played.do(WRITE, offset=5, data=b" second")

    assert played.left() == {"a": b"first"}
    assert {played.left(luck)["a"] for luck in range(20)} >= {b"first", b"first second"}


def test_a_name_is_left_when_its_directory_was_fsynced(played: Played) -> None:
    played.do(WRITE, offset=0, data=b"x")
    played.do(SYNC)
    played.name(RENAME, "a", "b")
    assert played.left() == {"a": b"x"}

    played.sync_names()
    played.name(UNLINK, "b")
    assert played.left() == {"b": b"x"}


def test_what_was_written_after_an_fsync_began_is_not_left(played: Played) -> None:
    played.do(WRITE, offset=0, data=b"x")
    began = played.at
    played.do(WRITE, offset=1, data=b"y")
    played.do(SYNC, offset=began)

    assert played.left() == {"a": b"x"}


def test_what_an_fsync_failed_to_bring_is_brought_by_no_later_one(played: Played) -> None:
    played.do(WRITE, offset=0, data=b"lost")
    played.do(FAILED)
    played.do(WRITE, offset=4, data=b"kept")
    played.do(SYNC)

    assert played.left() == {"a": b"\0\0\0\0kept"}


def test_what_was_written_over_never_comes_back(played: Played) -> None:
    played.do(WRITE, offset=0, data=b"oldold")
    played.do(FAILED)
    played.do(WRITE, offset=2, data=b"new")
    played.do(SYNC)

    assert {played.left(luck)["a"] for luck in range(40)} <= {b"\0\0new", b"olnewd", b"\0\0newd", b"olnew"}


def test_a_cut_that_was_not_fsynced_is_undone(played: Played) -> None:
    played.do(WRITE, offset=0, data=b"whole")
    played.do(SYNC)
    played.do(TRUNCATE, offset=0)

    assert played.left() == {"a": b"whole"}

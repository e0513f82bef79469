"""What a power cut leaves: the trace of everything done to the files, played up to a moment.

At worst only what was fsynced is there: bytes by an fsync of their file, names by one of their directory. With luck
more is: any part of what was on its way, in any order, torn at sectors; names in the order in which they were given.
What was on its way when an fsync failed is brought to the disk by no later one: the kernel takes it for written.
"""

import os
import random
import shutil
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

WRITE, TRUNCATE, SYNC, CREATE, RENAME, LINK, UNLINK, MKDIR, FAILED = range(1, 10)
SECTOR = 512
_HEAD = struct.Struct("<IIQq")


@dataclass
class Record:
    """One thing that happened; `at` and `end`: how long the trace was before and after."""

    at: int
    end: int
    op: int
    inode: int
    offset: int
    data: bytes

    @property
    def names(self) -> tuple[Path, Path]:
        first, second = self.data.split(b"\0")[:2]
        return Path(os.fsdecode(first)), Path(os.fsdecode(second))


def read(trace: Path) -> Iterator[Record]:
    """Read a trace from its begin; a last record that is cut off is left out."""
    with trace.open("rb") as file:
        at = 0
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            op, length, inode, offset = _HEAD.unpack(head)
            data = file.read(length)
            if len(data) < length:
                return
            end = at + _HEAD.size + length
            yield Record(at, end, op, inode, offset, data)
            at = end


@dataclass
class File:
    """What is on the disk for sure, and what is on its way."""

    content: bytearray = field(default_factory=bytearray)
    pending: list[Record] = field(default_factory=list)
    forgotten: set[int] = field(default_factory=set)
    """Of these, by place in the trace: what an fsync failed to bring."""

    def sync(self, began: int) -> None:
        """All that was written before this fsync began is on the disk."""
        done = [each for each in self.pending if each.at < began and each.at not in self.forgotten]
        late = [each for each in self.pending if each.at >= began]
        doubtful = [each for each in self.pending if each.at in self.forgotten]
        for each in done:
            _apply(self.content, each)
            doubtful = [piece for one in doubtful for piece in _beside(one, each)]
        self.pending = doubtful + late

    def fail(self, began: int) -> None:
        """What was written before this fsync began may never be there."""
        self.forgotten |= {each.at for each in self.pending if each.at < began}


@dataclass
class Disk:
    """The files below `root`, as far as the trace was played."""

    root: Path
    live: dict[int, File] = field(default_factory=dict)
    """By inode."""
    folders: dict[int, Path] = field(default_factory=dict)
    names: dict[Path, File | None] = field(default_factory=dict)
    """What has a name for sure; None: a directory."""
    pending: list[Record] = field(default_factory=list)
    given: dict[int, File | None] = field(default_factory=dict)
    """What each naming on its way names, by its place in the trace: inodes are used again."""

    def __post_init__(self) -> None:
        for folder in (self.root, *self.root.parents):
            self.folders[folder.stat().st_ino] = folder
            self.names[folder] = None

    def play(self, record: Record) -> None:
        """Let one thing happen."""
        if record.op in (WRITE, TRUNCATE):
            self.live.setdefault(record.inode, File()).pending.append(record)
        elif record.op == SYNC:
            self._sync(record)
        elif record.op == FAILED:
            if record.inode in self.live:
                self.live[record.inode].fail(record.offset)
        else:
            self._name(record)

    def _sync(self, record: Record) -> None:
        folder = self.folders.get(record.inode)
        if folder is None:
            self.live.setdefault(record.inode, File()).sync(record.offset)
            return
        done = [each for each in self.pending if each.at < record.offset and each.names[0].parent == folder]
        self.pending = [each for each in self.pending if each not in done]
        for each in done:
            _rename(self.names, each, self.given.pop(each.at))

    def _name(self, record: Record) -> None:
        if record.op == CREATE:
            self.live[record.inode] = File()
        if record.op == MKDIR:
            self.folders[record.inode] = record.names[0]
        self.given[record.at] = None if record.op == MKDIR else self.live.setdefault(record.inode, File())
        self.pending.append(record)

    def leave(self, folder: Path, luck: random.Random | None) -> None:
        """Write what is left into `folder`, in the place of `root`; without `luck` nothing of what was on its way."""
        names = dict(self.names)
        for record in self.pending[: luck.randint(0, len(self.pending)) if luck else 0]:
            _rename(names, record, self.given[record.at])
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in sorted(names):
            if self.root in name.parents and name.parent in names:
                self._leave_one(folder / name.relative_to(self.root), names[name], luck)

    def _leave_one(self, path: Path, file: File | None, luck: random.Random | None) -> None:
        if file is None:
            path.mkdir(mode=0o700)
            return
        content = bytearray(file.content)
        if luck:
            for record in file.pending:
                if luck.random() < 0.5:
                    _apply(content, record, luck if luck.random() < 0.25 else None)
            if path.name.endswith("-shm"):  # memory, never fsynced: anything may be there
                content = bytearray(luck.randbytes(len(content)))
        path.touch(mode=0o600)
        path.write_bytes(content)


def _rename(names: dict[Path, File | None], record: Record, file: File | None) -> None:
    first, second = record.names
    if record.op in (UNLINK, RENAME):
        names.pop(first, None)
    if record.op == RENAME:
        names[second] = file
    elif record.op != UNLINK:
        names[first] = file


def _beside(older: Record, newer: Record) -> list[Record]:
    """What the newer one, which is on the disk, leaves of the older one, which may still come."""
    if older.at > newer.at:
        return [older]
    if TRUNCATE in (older.op, newer.op):
        return []
    end, newer_end = older.offset + len(older.data), newer.offset + len(newer.data)
    before = replace(older, data=older.data[: max(0, newer.offset - older.offset)])
    after = replace(older, offset=max(older.offset, newer_end), data=older.data[max(0, newer_end - older.offset) :])
    return [piece for piece in (before, after) if piece.data and piece.offset < end]


def _apply(content: bytearray, record: Record, torn: random.Random | None = None) -> None:
    if record.op == TRUNCATE:
        del content[record.offset :]
        content.extend(bytes(record.offset - len(content)))
        return
    for start, piece in _pieces(record, torn):
        content.extend(bytes(max(0, start + len(piece) - len(content))))
        content[start : start + len(piece)] = piece


def _pieces(record: Record, torn: random.Random | None) -> Sequence[tuple[int, bytes]]:
    if torn is None:
        return [(record.offset, record.data)]
    cuts = range(0, len(record.data), SECTOR)
    return [(record.offset + cut, record.data[cut : cut + SECTOR]) for cut in cuts if torn.random() < 0.5]

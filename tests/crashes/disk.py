"""A disk on which the power goes: what may be left after a log of calls, by the letter of POSIX.

The model of ALICE and CrashMonkey. A file keeps its bytes as of its last fsync or
fdatasync; of each write and each change of size since then, all, nothing or some may
be there, and of a write some sectors. A folder keeps its entries as of *its* last
fsync; of those that came or went since, each may or may not have. Flushing a file
does not flush its name, nor a name what it stands for; a rename is two changes. Real
file systems promise more, and which ones do differs.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from tests.crashes.recording import SYNCS, Record

SECTOR: Final = 512


class Write(NamedTuple):
    """Bytes at an offset."""

    place: int
    data: bytes


class Resize(NamedTuple):
    """A new size; `grow` alone never makes a file shorter."""

    size: int
    grow: bool


class Entry(NamedTuple):
    """A name in a folder now stands for `node`; None: for nothing."""

    name: str
    node: File | Folder | None


Change = Write | Resize | Entry


@dataclass
class File:
    kept: bytes = b""
    waiting: list[Change] = field(default_factory=list)

    def after(self, changes: list[Change]) -> bytes:
        if not changes:
            return self.kept
        data = bytearray(self.kept)
        for change in changes:
            if isinstance(change, Write):
                data.extend(bytes(max(0, change.place - len(data))))
                data[change.place : change.place + len(change.data)] = change.data
            elif isinstance(change, Resize):
                if not change.grow:
                    del data[change.size :]
                data.extend(bytes(max(0, change.size - len(data))))
        return bytes(data)

    def flush(self) -> None:
        self.kept, self.waiting = self.after(self.waiting), []


@dataclass
class Folder:
    kept: dict[str, File | Folder] = field(default_factory=dict)
    waiting: list[Change] = field(default_factory=list)

    def after(self, changes: list[Change]) -> dict[str, File | Folder]:
        entries = dict(self.kept)
        for change in changes:
            if isinstance(change, Entry):
                entries.pop(change.name, None)
                if change.node is not None:
                    entries[change.name] = change.node
        return entries

    def flush(self) -> None:
        self.kept, self.waiting = self.after(self.waiting), []


Survivors = Callable[[File | Folder], list[Change]]
"""Which of the changes that wait in a file or folder outlive the loss of power."""


def nothing(_node: File | Folder) -> list[Change]:
    """All that was not flushed is lost."""
    return []


def names(node: File | Folder) -> list[Change]:
    """Entries are there before the bytes that they stand for, as journals of metadata have it."""
    return node.waiting if isinstance(node, Folder) else []


def contents(node: File | Folder) -> list[Change]:
    """Bytes are there, the entries that lead to them are not."""
    return node.waiting if isinstance(node, File) else []


def everything(node: File | Folder) -> list[Change]:
    """As if the process alone had ended."""
    return node.waiting


def some(seed: int) -> Survivors:
    """A subset by chance, of writes sometimes a few sectors only."""
    chance = random.Random(seed)
    share = chance.choice([0.1, 0.5, 0.9])

    def survivors(node: File | Folder) -> list[Change]:
        return [_torn(change, chance) for change in node.waiting if chance.random() < share]

    return survivors


def _torn(change: Change, chance: random.Random) -> Change:
    if not isinstance(change, Write) or chance.random() < 0.7:
        return change
    first, last = sorted(chance.randrange(len(change.data) // SECTOR + 1) * SECTOR for _ in range(2))
    return Write(change.place + first, change.data[first:last])


class Disk:
    """What lies under one folder, as the calls of a log leave it."""

    def __init__(self, root: Path) -> None:  # what lies there now is there for good
        self._nodes: dict[int, File | Folder] = {}
        self.root = self._known(root)

    def apply(self, record: Record) -> None:
        """One more call."""
        node = self._nodes.get(record.node)
        if record.kind in SYNCS:
            assert node is not None
            node.flush()
        elif record.kind == "w":
            self._file(record.node).waiting.append(Write(record.place, record.data))
        elif record.kind in "ta":
            self._file(record.node).waiting.append(Resize(record.place, grow=record.kind == "a"))
        elif record.kind in "cm":
            self._nodes[record.node] = made = File() if record.kind == "c" else Folder()
            self._enter(record.folder, record.name, made)
        elif record.kind == "u":
            self._enter(record.folder, record.name, None)
        elif record.kind == "r":
            before, _, after = record.name.partition("/")
            self._enter(record.place, after, self._nodes[record.node])
            self._enter(record.folder, before, None)

    def _known(self, path: Path) -> File | Folder:
        if path.is_dir():
            node: File | Folder = Folder({each.name: self._known(each) for each in path.iterdir()})
        else:
            node = File(path.read_bytes())
        self._nodes[path.stat().st_ino] = node
        return node

    def _file(self, node: int) -> File:
        found = self._nodes[node]
        assert isinstance(found, File)
        return found

    def _enter(self, folder: int, name: str, node: File | Folder | None) -> None:
        found = self._nodes[folder]
        assert isinstance(found, Folder)
        found.waiting.append(Entry(name, node))

    def restore(self, into: Path, survivors: Survivors) -> None:
        """Lay out in a new folder what is left if the power goes now."""
        _lay_out(self.root, into, survivors)


def _lay_out(node: File | Folder, into: Path, survivors: Survivors) -> None:
    if isinstance(node, Folder):
        into.mkdir(mode=0o700)
        for name, inner in node.after(survivors(node)).items():
            _lay_out(inner, into / name, survivors)
    else:
        into.write_bytes(node.after(survivors(node)))
        into.chmod(0o600)

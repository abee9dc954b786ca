"""What a disk holds after the power went, out of the trace that faults.c wrote: at any instant.

Two disks. The lazy one has of a file what a flush that succeeded covered, and nothing else. The
eager one has each write at once. On both, a flush that failed loses its writes for ever: the
kernel marks the pages clean, so that the page cache goes on showing bytes that no later flush
brings to the disk (Linux does so; known as fsyncgate). Names are taken as durable; that they
are is for tests/server/test_stores.py to show.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

Change = tuple[int, bytes | None]  # bytes at an offset; None: cut there


@dataclass
class OnDisk:
    """One file: what is durable, and what waits for a flush."""

    durable: bytearray = field(default_factory=bytearray)
    waiting: list[Change] = field(default_factory=list)

    def flush(self, *, succeeded: bool) -> None:
        if succeeded:
            self.durable = self.contents(eager=True)
        self.waiting.clear()

    def contents(self, *, eager: bool) -> bytearray:
        """What the power cut leaves; on the eager disk also what was not flushed yet."""
        left = bytearray(self.durable)
        for offset, data in self.waiting if eager else ():
            if data is None:
                del left[offset:]
            else:
                left.extend(bytes(max(0, offset - len(left))))
                left[offset : offset + len(data)] = data
        return left


class Disk:
    """All files that a trace speaks of, as of one instant."""

    def __init__(self) -> None:
        self._files: dict[Path, OnDisk] = {}

    def take(self, what: str, number: int, path: Path, data: bytes) -> None:
        """One record of the trace happens."""
        if what == "W":
            self._file(path).waiting.append((number, data))
        elif what == "T":
            self._file(path).waiting.append((number, None))
        elif what == "S" and path in self._files:  # else a folder
            self._files[path].flush(succeeded=number == 1)
        elif what == "R" and path in self._files:
            self._files[Path(data.decode())] = self._files.pop(path)
        elif what == "U":
            self._files.pop(path, None)

    def leave(self, below: Path, into: Path, *, eager: bool, only: str = "") -> None:
        """Write what the power cut leaves of the files below a folder into another."""
        for path, file in self._files.items():
            # -shm is shared memory, which lives in a file by chance.
            if path.name.startswith(only) and not path.name.endswith("-shm"):
                target = into / path.relative_to(below)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.contents(eager=eager))

    def _file(self, path: Path) -> OnDisk:
        return self._files.setdefault(path, OnDisk())


def instants(trace: Path, since: int = 0) -> Iterator[tuple[int, Disk]]:
    """The disk after each record that ends beyond byte `since` of the trace, and where that record ends."""
    data, disk, at = trace.read_bytes(), Disk(), 0
    while at < len(data):
        head, _, _ = data[at : at + 8192].partition(b"\n")
        what, number, count, path = head.decode().split(" ", 3)
        begins = at + len(head) + 1
        at = begins + int(count)
        disk.take(what, int(number), Path(path), data[begins:at])
        if at > since:
            yield at, disk

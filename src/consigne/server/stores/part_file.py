"""One part on its way to the disk: written past the page cache, durable when flushed.

O_DIRECT writes straight out of the aligned receive buffers: no copy, no pages to
allocate and to write back later, so the flush that ends a part finds little left.
Measured: docs/decisions/0021.
Pieces that are not aligned (the end of an object), and file systems without
O_DIRECT, take the ordinary way; both may meet in one file.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from consigne.server.folders import sync_folder
from consigne.server.stores.quiet import folder_to_the_day, to_the_day

if TYPE_CHECKING:
    from pathlib import Path

ALIGNMENT: Final = 4096
WRITING: Final = os.O_WRONLY | os.O_CLOEXEC


class PartFile:
    """An object's file, open for one part. Its methods block: call them in a thread, one at a time."""

    def __init__(self, path: Path, *, settled: bool) -> None:
        self._path = path
        self._settled = settled  # its folder entry is known to be durable
        self._plain = -1
        self._direct = -1

    def write(self, piece: bytes | memoryview, offset: int, last: bool) -> None:  # noqa: FBT001  called in a thread
        """Write a piece; the `last` one makes all of them durable."""
        if self._plain < 0:
            self._open()
        left = memoryview(piece)
        while left:
            count = self._write_some(left, offset)
            left, offset = left[count:], offset + count
        if last:
            self._flush()

    def close(self) -> None:
        """Let go of the file; what was not flushed may or may not be there after a crash."""
        try:
            if self._plain >= 0:  # broken off or not, it tells no hour
                to_the_day(self._plain)
                if not self._settled:
                    folder_to_the_day(self._path.parent)
        finally:
            for file in (self._plain, self._direct):
                if file >= 0:
                    os.close(file)
            self._plain = self._direct = -1

    def _open(self) -> None:
        self._plain = os.open(self._path, WRITING | os.O_CREAT, 0o600)
        try:
            self._direct = os.open(self._path, WRITING | os.O_DIRECT)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise

    def _write_some(self, left: memoryview, offset: int) -> int:
        whole = len(left) - len(left) % ALIGNMENT
        if self._direct >= 0 and whole and offset % ALIGNMENT == 0:
            try:
                return os.pwrite(self._direct, left[:whole], offset)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                os.close(self._direct)  # the buffer is not aligned, or this disk wants more
                self._direct = -1
        return os.pwrite(self._plain, left, offset)

    def _flush(self) -> None:
        to_the_day(self._plain)
        os.fdatasync(self._plain)
        if not self._settled:
            sync_folder(self._path.parent)

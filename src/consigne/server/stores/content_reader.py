"""Reading a range of one object's file: from the page cache at once, or ahead from the disk.

What the page cache has is copied without a thread. What it lacks is read in threads,
a few pieces ahead of whoever takes them, the first time round past the page cache:
most objects are fetched once, and pages for a gibibyte cost up to 2.5 s of CPU
where 0.2 s read it directly. From the second time on it goes through the page cache,
so that what many people fetch is read from the disk once.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from consigne.protocol import MIB
from consigne.server.stores import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine
    from pathlib import Path

    from consigne.server.buffers import Buffers

    Work = Callable[..., Coroutine[None, None, None]]

AHEAD: Final = 2
ALIGNMENT: Final = 4096


class File:
    """An object's file, open for reading in both ways."""

    def __init__(self, path: Path, served: int) -> None:
        self.plain = _open(path, 0)
        self._direct = -1
        # Until all of it was served once, this is the first time round.
        if served < os.fstat(self.plain).st_size:
            with contextlib.suppress(OSError):  # a file system without O_DIRECT
                self._direct = _open(path, os.O_DIRECT)

    def close(self) -> None:
        """Let go of it."""
        for file in (self.plain, self._direct):
            if file >= 0:
                os.close(file)

    def read_cached(self, room: memoryview, offset: int) -> bool:
        """Fill `room` if the page cache can do it at once."""
        try:
            return os.preadv(self.plain, [room], offset, os.RWF_NOWAIT) == len(room)
        except OSError:  # nothing is cached (EAGAIN), or the file system cannot tell
            return False

    def read(self, buffer: memoryview, count: int, offset: int) -> None:
        """Put `count` bytes at the start of `buffer`. Raises FileNotFoundError where they are missing."""
        done = self._read_direct(buffer, count, offset)
        while done < count:
            got = os.preadv(self.plain, [buffer[done:count]], offset + done)
            if got == 0:
                raise FileNotFoundError
            done += got

    def _read_direct(self, buffer: memoryview, count: int, offset: int) -> int:
        whole = -(-count // ALIGNMENT) * ALIGNMENT
        if self._direct < 0 or offset % ALIGNMENT or whole > len(buffer):
            return 0
        try:
            return min(count, os.preadv(self._direct, [buffer[:whole]], offset))
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return 0  # the buffer is not aligned, or this disk wants more


class _Piece(NamedTuple):
    buffer: memoryview
    room: memoryview
    coming: asyncio.Task[None] | None  # None: it is there


async def read(
    file: File, start: int, stop: int, buffers: Buffers, work: Work
) -> AsyncGenerator[memoryview, None]:
    """Bytes [start, stop) in pieces, each valid until the next is asked for; `work` runs a call in a thread."""
    ahead: deque[_Piece] = deque()
    try:
        while start < stop or ahead:
            while start < stop and len(ahead) <= AHEAD:
                piece = _begin(file, start, stop, buffers, work)
                ahead.append(piece)
                start += len(piece.room)
                if piece.coming is None:
                    break
            if ahead[0].coming is not None:
                await ahead[0].coming
            yield ahead[0].room
            buffers.give(ahead.popleft().buffer)
    finally:
        for piece in ahead:
            if piece.coming is not None:
                with contextlib.suppress(StoreError):
                    await piece.coming
            buffers.give(piece.buffer)


def _begin(file: File, start: int, stop: int, buffers: Buffers, work: Work) -> _Piece:
    buffer = buffers.take(min(stop - start, MIB))
    # The first piece ends at a whole MiB of the file: then all others are aligned.
    room = buffer[: min(len(buffer), MIB - start % MIB, stop - start)]
    if file.read_cached(room, start):
        return _Piece(buffer, room, None)
    return _Piece(buffer, room, asyncio.ensure_future(work(file.read, buffer, len(room), start)))


def _open(path: Path, how: int) -> int:
    flags = os.O_RDONLY | os.O_CLOEXEC | how
    try:
        return os.open(path, flags | os.O_NOATIME)  # when it was fetched is nobody's business
    except PermissionError:
        return os.open(path, flags)

"""Reading a range of one object's file: from the page cache at once, or ahead from the disk.

What the page cache has is copied without a thread. What it lacks is read in threads,
a few pieces ahead of whoever takes them, so that the disk and the peer work at once.
A very large object is read past the page cache until it was served to its end once:
it would push out what others fetch, and where memory is virtual its pages cost up to
2 s of CPU a gibibyte.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
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
VERY_LARGE: Final = 2048 * MIB


class File(NamedTuple):
    """An object's file, open; `past_cache`: its reads go straight to the disk."""

    descriptor: int
    size: int
    past_cache: bool


def open_to_read(path: Path, start: int, *, first: bool) -> File:
    """A file for `read` from `start` on; `first`: nobody was served all of it yet. Blocks."""
    flags = os.O_RDONLY | os.O_CLOEXEC
    try:
        file = os.open(path, flags | os.O_NOATIME)  # when it was fetched is nobody's business
    except PermissionError:
        file = os.open(path, flags)
    size = os.fstat(file).st_size
    if first and size >= VERY_LARGE and start % ALIGNMENT == 0 and _direct(file, on=True):
        return File(file, size, past_cache=True)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    return File(file, size, past_cache=False)


def _direct(file: int, *, on: bool) -> bool:
    """Turn O_DIRECT on or off; whether the file system can. The descriptor is one reader's alone."""
    flags = fcntl.fcntl(file, fcntl.F_GETFL) & ~os.O_DIRECT
    try:
        fcntl.fcntl(file, fcntl.F_SETFL, flags | os.O_DIRECT if on else flags)
    except OSError:
        return False
    return True


class _Piece(NamedTuple):
    buffer: memoryview
    room: memoryview
    coming: asyncio.Task[None] | None  # None: it is there


async def read(
    file: File, start: int, stop: int, buffers: Buffers, work: Work
) -> AsyncGenerator[memoryview, None]:
    """Bytes [start, stop), each piece valid until the next is asked for; `work` runs a call in a thread."""
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
    room = buffer[: stop - start]
    if file.past_cache:
        return _Piece(
            buffer, room, asyncio.ensure_future(work(_read_past_cache, file, buffer, len(room), start))
        )
    if _read_cached(file.descriptor, room, start):
        return _Piece(buffer, room, None)
    return _Piece(buffer, room, asyncio.ensure_future(work(_read_all, file.descriptor, room, start)))


def _read_cached(file: int, room: memoryview, offset: int) -> bool:
    """Fill `room` if the page cache can do it at once."""
    try:
        return os.preadv(file, [room], offset, os.RWF_NOWAIT) == len(room)
    except OSError:  # nothing is cached (EAGAIN), or the file system cannot tell
        return False


def _read_past_cache(file: File, buffer: memoryview, count: int, offset: int) -> None:
    """Put `count` bytes at the start of `buffer`. Raises FileNotFoundError where they are missing."""
    whole = -(-count // ALIGNMENT) * ALIGNMENT
    done = 0
    if whole <= len(buffer):
        try:
            done = min(count, os.preadv(file.descriptor, [buffer[:whole]], offset))
        except OSError as error:
            if error.errno != errno.EINVAL:  # else the buffer is not aligned, or this disk wants more
                raise
    if done < count:
        _direct(file.descriptor, on=False)  # whatever is left goes the ordinary way, for good
        _read_all(file.descriptor, buffer[done:count], offset + done)


def _read_all(file: int, room: memoryview, offset: int) -> None:
    """Fill `room`. Raises FileNotFoundError where bytes are missing."""
    while room:
        count = os.preadv(file, [room], offset)
        if count == 0:
            raise FileNotFoundError
        room, offset = room[count:], offset + count

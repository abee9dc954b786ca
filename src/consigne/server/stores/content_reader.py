"""Reading a range of one object's file: from the page cache at once, or ahead from the disk.

What the page cache has is copied without a thread. What it lacks is read in threads,
a few pieces ahead of whoever takes them, so that the disk and the peer work at once.
"""

from __future__ import annotations

import asyncio
import contextlib
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


def open_to_read(path: Path) -> int:
    """A descriptor for `read`. Blocks."""
    flags = os.O_RDONLY | os.O_CLOEXEC
    try:
        file = os.open(path, flags | os.O_NOATIME)  # when it was fetched is nobody's business
    except PermissionError:
        file = os.open(path, flags)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    return file


class _Piece(NamedTuple):
    buffer: memoryview
    room: memoryview
    coming: asyncio.Task[None] | None  # None: it is there


async def read(
    file: int, start: int, stop: int, buffers: Buffers, work: Work
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


def _begin(file: int, start: int, stop: int, buffers: Buffers, work: Work) -> _Piece:
    buffer = buffers.take(min(stop - start, MIB))
    room = buffer[: stop - start]
    if _read_cached(file, room, start):
        return _Piece(buffer, room, None)
    return _Piece(buffer, room, asyncio.ensure_future(work(_read_all, file, room, start)))


def _read_cached(file: int, room: memoryview, offset: int) -> bool:
    """Fill `room` if the page cache can do it at once."""
    try:
        return os.preadv(file, [room], offset, os.RWF_NOWAIT) == len(room)
    except OSError:  # nothing is cached (EAGAIN), or the file system cannot tell
        return False


def _read_all(file: int, room: memoryview, offset: int) -> None:
    """Fill `room`. Raises FileNotFoundError where bytes are missing."""
    while room:
        count = os.preadv(file, [room], offset)
        if count == 0:
            raise FileNotFoundError
        room, offset = room[count:], offset + count

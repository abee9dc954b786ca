"""The disk store: one object is one file, written at offsets.

    objects/<2 characters>/<id in base64url>      capsules/<2 characters>/<name>
    temporary/<random>                            capsules on their way in

All disk work happens in threads; a call that is cancelled waits for its thread
before it lets go of the buffers. Reading goes through the page cache, so what many
people fetch is read from the disk once; how parts are written says `part_file`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from consigne.protocol import DAY, b64u
from consigne.server.buffers import Buffers
from consigne.server.stores import ShortBody, StoreDamaged, StoredName, StoreFailed, StoreFull, TooLong
from consigne.server.stores.content_reader import open_to_read, read
from consigne.server.stores.part_file import PartFile, sync_folder, to_the_day

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
    from pathlib import Path

_P = ParamSpec("_P")
_T = TypeVar("_T")

OBJECTS, CAPSULES, TEMPORARY = "objects", "capsules", "temporary"
THREADS: Final = 16
BATCH: Final = 256
REMEMBERED: Final = 4096
SAFE_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,119}")
FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class DiskStore:
    """Keeps the contract of consigne.server.stores in one folder of a local file system."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="disk")
        self._buffers = Buffers()
        # Objects whose folder entry is durable, so that not every part flushes the folder.
        self._settled: dict[bytes, None] = {}

    async def open(self) -> None:
        """Make the folders; what a crash left in `temporary` goes, since one process has this store."""
        await self._work(self._make_folders)

    async def close(self) -> None:
        """Wait for disk work under way."""
        await asyncio.to_thread(self._threads.shutdown)

    async def write_part(
        self,
        object_id: bytes,
        part: int,
        part_size: int,
        length: int,
        body: AsyncIterator[bytes | memoryview],
    ) -> None:
        """Write `length` bytes at `part * part_size`; durable on return. Raises as the contract says."""
        file = PartFile(self._object(object_id), settled=object_id in self._settled)
        offset, written = part * part_size, 0
        try:
            async for piece in body:
                if written + len(piece) > length:
                    raise TooLong
                last = written + len(piece) == length
                await self._work(file.write, piece, offset + written, last)
                written += len(piece)
            if written < length:
                raise ShortBody
        finally:
            await self._work(file.close)
        self._settled[object_id] = None
        if len(self._settled) > REMEMBERED:
            del self._settled[next(iter(self._settled))]

    async def read(
        self, object_id: bytes, part_size: int, start: int, stop: int
    ) -> AsyncGenerator[memoryview, None]:
        """Bytes [start, stop), each piece valid until the next is asked for. Raises StoreError."""
        del part_size  # here one object is one file
        file = await self._work(open_to_read, self._object(object_id))
        pieces = read(file, start, stop, self._buffers, self._work)
        try:
            async for piece in pieces:
                yield piece
        finally:
            await pieces.aclose()
            os.close(file)

    async def put_capsule(self, name: str, data: bytes) -> None:
        """Keep a capsule under `name`, replacing what was there; durable on return."""
        await self._work(self._put, self._capsule(name), data)

    async def get_capsule(self, name: str) -> bytes:
        """A capsule's bytes. Raises StoreDamaged where there is none."""
        return await self._work(self._capsule(name).read_bytes)

    async def delete_capsule(self, name: str) -> None:
        """Remove a capsule; fine where there is none."""
        await self._work(_remove, self._capsule(name))

    async def delete_object(self, object_id: bytes) -> None:
        """Remove an object's file; fine where there is none."""
        self._settled.pop(object_id, None)
        await self._work(_remove, self._object(object_id))

    async def delete_temporary(self, name: str) -> None:
        """Remove what `names` listed as temporary."""
        await self._work(_remove, self._root / TEMPORARY / _safe(name))

    async def names(self) -> AsyncIterator[StoredName]:
        """All that lies here, batch by batch; what comes or goes meanwhile may be listed or not."""
        entries = self._entries()
        while batch := await self._work(_next_batch, entries):
            for entry in batch:
                yield entry

    async def free(self) -> int:
        """Bytes that this process may still write."""
        found = await self._work(os.statvfs, self._root)
        return found.f_bavail * found.f_frsize

    # ---------------------------------------------------------------- names

    def _object(self, object_id: bytes) -> Path:
        name = b64u(object_id)
        return self._root / OBJECTS / name[:2] / name

    def _capsule(self, name: str) -> Path:
        return self._root / CAPSULES / _safe(name)[:2] / name

    def _entries(self) -> Iterator[StoredName]:
        for kind, folder in (("object", OBJECTS), ("capsule", CAPSULES)):
            for shard in sorted(entry.name for entry in os.scandir(self._root / folder)):
                yield from _entries_of(kind, self._root / folder / shard)
        yield from _entries_of("temporary", self._root / TEMPORARY)

    # ---------------------------------------------------------------- in threads

    async def _work(self, do: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run `do` in a thread; a disk's error becomes a store's, without its path."""
        call = asyncio.get_running_loop().run_in_executor(self._threads, lambda: do(*args, **kwargs))
        try:
            return await asyncio.shield(call)
        except asyncio.CancelledError:
            with contextlib.suppress(OSError):
                await call
            raise
        except FileNotFoundError:
            raise StoreDamaged("what must be in the store is not there") from None
        except OSError as error:
            kind = StoreFull if error.errno in FULL else StoreFailed
            raise kind(errno.errorcode.get(error.errno or 0, "unknown")) from None

    def _make_folders(self) -> None:
        for folder in (self._root, *(self._root / name for name in (OBJECTS, CAPSULES, TEMPORARY))):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_folder(self._root)
        for left in os.scandir(self._root / TEMPORARY):
            os.unlink(left.path)  # noqa: PTH108  an entry of scandir, not a Path

    def _put(self, path: Path, data: bytes) -> None:
        temporary = self._root / TEMPORARY / secrets.token_hex(16)
        try:
            file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                left = memoryview(data)
                while left:
                    left = left[os.write(file, left) :]
                to_the_day(file)
                os.fsync(file)
            finally:
                os.close(file)
            if not path.parent.exists():
                path.parent.mkdir(mode=0o700, exist_ok=True)
                sync_folder(path.parent.parent)
            temporary.rename(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def _safe(name: str) -> str:
    if not SAFE_NAME.fullmatch(name):
        raise ValueError("not a name that a store takes")
    return name


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except FileNotFoundError:
        return
    sync_folder(path.parent)


def _entries_of(kind: str, folder: Path) -> Iterator[StoredName]:
    for entry in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):
            yield StoredName(kind, entry.name, int(entry.stat().st_mtime) // DAY)


def _next_batch(entries: Iterator[StoredName]) -> list[StoredName]:
    return list(islice(entries, BATCH))

"""The disk store: one object is one file, written at offsets.

    objects/<2 characters>/<id in base64url>      capsules/<2 characters>/<name>
    temporary/<random>                            capsules on their way in
    lock, identity                                whose it is now, which catalog speaks of it

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

from consigne.protocol import DAY, b64u, unb64u
from consigne.server.buffers import Buffers
from consigne.server.folders import lock, make_durable_folder, make_durable_subfolder, sync_folder
from consigne.server.stores import (
    Draft,
    ShortBody,
    StoreDamaged,
    StoredName,
    StoreFailed,
    StoreFull,
    StoreInUse,
    TooLong,
)
from consigne.server.stores.capsule_draft import CapsuleDraft
from consigne.server.stores.content_reader import File, open_to_read, read
from consigne.server.stores.part_file import PartFile
from consigne.server.stores.quiet import folder_to_the_day
from consigne.server.stores.warming import Warmer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
    from pathlib import Path

_P = ParamSpec("_P")
_T = TypeVar("_T")

OBJECTS, CAPSULES, TEMPORARY = "objects", "capsules", "temporary"
LOCK, IDENTITY = "lock", "identity"
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
        self._warmer = Warmer()
        # Objects whose folder entry is durable, so that not every part flushes the folder.
        self._settled: dict[bytes, None] = {}
        # Objects that were served to their end: who comes next finds them in the page cache.
        self._served: dict[bytes, None] = {}
        self._durable: set[Path] = set()  # folders whose own entry is
        self._lock = -1

    async def open(self) -> None:
        """Make the folders; what a crash left in `temporary` goes, since one process has this store.

        Raises StoreInUse, StoreError.
        """
        try:
            await self._work(self._begin)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Wait for disk work under way. Idempotent."""
        await asyncio.to_thread(self._warmer.close)
        await asyncio.to_thread(self._threads.shutdown)
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = -1

    async def identity(self) -> bytes | None:
        """Which store this is; None before `identify`."""
        return await self._work(self._identity)

    async def identify(self, identity: bytes) -> None:
        """Say which store this is, once; durable on return."""
        await self._work(self._identify, identity)

    async def write_part(
        self,
        object_id: bytes,
        part: int,
        part_size: int,
        length: int,
        body: AsyncIterator[bytes | memoryview],
    ) -> None:
        """Write `length` bytes at `part * part_size`; durable on return. Raises as the contract says."""
        path = self._object(object_id)
        if path.parent not in self._durable:
            await self._work(self._shard, path.parent)
        file = PartFile(path, settled=object_id in self._settled)
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

    def warm(self, object_id: bytes) -> None:
        """Its readers may come soon: have it in the page cache, if there is room."""
        self._warmer.warm(self._object(object_id))

    async def read(
        self, object_id: bytes, part_size: int, start: int, stop: int
    ) -> AsyncGenerator[memoryview, None]:
        """Bytes [start, stop), each piece valid until the next is asked for. Raises StoreError."""
        del part_size  # here one object is one file
        first = object_id not in self._served
        file = await self._open(self._object(object_id), start, first=first)
        pieces = self._pieces(file, start, stop)
        try:
            await anext(pieces)
            async for piece in pieces:
                yield piece
            if stop == file.size:
                self._remember_served(object_id)
        finally:
            await pieces.aclose()

    async def draft_capsule(self, length: int, body: AsyncIterator[bytes | memoryview]) -> Draft:
        """Take a capsule of `length` bytes in; durable but for its name. Raises as the contract says."""
        name = secrets.token_hex(16)
        path, written = self._root / TEMPORARY / name, 0
        try:
            draft = await self._work(CapsuleDraft, path)
            try:
                async for piece in body:
                    written += len(piece)
                    if written > length:
                        raise TooLong
                    await self._work(draft.write, piece)
                if written < length:
                    raise ShortBody
                return Draft(name, await self._work(draft.finish))
            finally:
                await self._work(draft.close)
        except BaseException:
            await self.delete_temporary(name)
            raise

    async def put_capsule(self, name: str, draft: Draft) -> None:
        """Keep a draft under `name`, replacing what was there; durable on return."""
        await self._work(self._put, self._capsule(name), self._root / TEMPORARY / _safe(draft.name))

    async def get_capsule(self, name: str) -> tuple[int, AsyncGenerator[memoryview, None]]:
        """A capsule's length and its bytes as `read` gives them, to be closed. Raises StoreDamaged."""
        file = await self._open(self._capsule(name), 0, first=False)
        pieces = self._pieces(file, 0, file.size)
        await anext(pieces)  # now closing it closes the file, whether or not anybody reads
        return file.size, pieces

    async def delete_capsule(self, name: str) -> None:
        """Remove a capsule; fine where there is none."""
        await self._work(_remove, self._capsule(name))

    async def delete_object(self, object_id: bytes) -> None:
        """Remove an object's file; fine where there is none."""
        self._settled.pop(object_id, None)
        self._served.pop(object_id, None)
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
            with os.scandir(self._root / folder) as found:
                shards = sorted(entry.name for entry in found if entry.is_dir(follow_symlinks=False))
            for shard in shards:
                yield from _entries_of(kind, self._root / folder / shard)
        yield from _entries_of("temporary", self._root / TEMPORARY)

    # ---------------------------------------------------------------- reading

    def _remember_served(self, object_id: bytes) -> None:
        self._served[object_id] = None
        if len(self._served) > REMEMBERED:
            del self._served[next(iter(self._served))]

    async def _open(self, path: Path, start: int, *, first: bool) -> File:
        """A file to read from, which nobody loses on the way."""
        opening = asyncio.ensure_future(self._work(open_to_read, path, start, first=first))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            with contextlib.suppress(StoreFailed, StoreDamaged):
                os.close((await opening).descriptor)
            raise

    async def _pieces(self, file: File, start: int, stop: int) -> AsyncGenerator[memoryview, None]:
        """An empty piece, then bytes [start, stop). Closes the file, in a thread: bytes may go with it."""
        pieces = read(file, start, stop, self._buffers, self._work)
        try:
            yield memoryview(b"")
            async for piece in pieces:
                yield piece
        finally:
            await pieces.aclose()
            await self._work(os.close, file.descriptor)

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

    def _begin(self) -> None:
        make_durable_folder(self._root)
        try:
            self._lock = lock(self._root / LOCK)
        except BlockingIOError:
            raise StoreInUse("another process has this store") from None
        for name in (OBJECTS, CAPSULES, TEMPORARY):
            make_durable_folder(self._root / name)
        with os.scandir(self._root / TEMPORARY) as lefts:
            for left in lefts:
                if not left.is_dir(follow_symlinks=False):
                    os.unlink(left.path)  # noqa: PTH108  an entry of scandir, not a Path

    def _identity(self) -> bytes | None:
        try:
            return unb64u((self._root / IDENTITY).read_text("ascii").strip())
        except FileNotFoundError:
            return None
        except ValueError:
            raise StoreDamaged("the identity of the store is not one") from None

    def _identify(self, identity: bytes) -> None:
        temporary = self._root / TEMPORARY / IDENTITY
        private = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(private, "w", encoding="ascii") as file:
            file.write(b64u(identity) + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(self._root / IDENTITY)
        sync_folder(self._root)

    def _shard(self, folder: Path) -> None:
        """A folder of files, durable in the folder above it before anybody relies on what it holds."""
        if folder not in self._durable:
            make_durable_subfolder(folder)
            folder_to_the_day(folder.parent)
            self._durable.add(folder)

    def _put(self, path: Path, draft: Path) -> None:
        self._shard(path.parent)
        draft.rename(path)
        folder_to_the_day(path.parent)
        folder_to_the_day(draft.parent)
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
    folder_to_the_day(path.parent)
    sync_folder(path.parent)


def _entries_of(kind: str, folder: Path) -> Iterator[StoredName]:
    with os.scandir(folder) as found:
        for entry in found:
            with contextlib.suppress(FileNotFoundError):
                day = int(entry.stat(follow_symlinks=False).st_mtime) // DAY
                yield StoredName(kind, entry.name, day)


def _next_batch(entries: Iterator[StoredName]) -> list[StoredName]:
    return list(islice(entries, BATCH))

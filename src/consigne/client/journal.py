"""The memory of an unfinished transfer: a private file, one holder at a time.

A JSON line of what must be the same again, then records appended as the work goes
on, each with a checksum: a torn one counts as absent, and so does all behind it.
`append` returns when its record is durable; threads that wait together share one
flush. The two journals differ only in what their records say:

    put: u32 part ‖ 16-byte tag of each of its segments
    get: u32 first segment ‖ u32 last segment of a range that is flushed to disk
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

from consigne.client import locking
from consigne.client.places import flush_folder, journals_folder, private_opener
from consigne.errors import LocalError
from consigne.protocol import DAY, unb64u

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHECK_SIZE: Final = 8
MAX_RECORD: Final = 1 << 16
MAX_HEAD: Final = 1 << 20
FORGOTTEN_AFTER: Final = 90 * DAY
_flush = getattr(os, "fdatasync", os.fsync)


class Journal:
    """An open, locked journal. `head` is None when there is nothing to go on with."""

    def __init__(self, path: Path, handle: int) -> None:
        self._path = path
        self._handle = handle
        self._lock = threading.Lock()
        self._flush_lock = threading.Lock()
        self._appended = self._flushed = 0
        self._broken = False
        self.head: dict[str, Any] | None = None
        self.records: list[bytes] = []
        self._load()

    @staticmethod
    def name_for(description: str) -> str:
        """The file name of a transfer's journal: a hash, which tells nothing."""
        return hashlib.sha256(description.encode("utf-8", "surrogateescape")).hexdigest()[:32]

    @classmethod
    def open(cls, name: str) -> Self:
        """The journal of the transfer that `name` describes.

        Raises LocalError `journal-busy` when another command holds it.
        """
        path = journals_folder() / cls.name_for(name)
        while True:
            handle = private_opener(str(path), os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0))
            if not locking.try_lock(handle):
                os.close(handle)
                raise busy()
            if _is_at(path, handle):
                try:
                    return cls(path, handle)
                except BaseException:
                    os.close(handle)
                    raise
            os.close(handle)  # discarded by its holder between opening and locking

    def start(self, head: dict[str, Any]) -> None:
        """Begin anew with `head`; durable, the file's name included, when this returns."""
        line = json.dumps(head).encode("ascii") + b"\n"
        os.ftruncate(self._handle, 0)
        os.lseek(self._handle, 0, os.SEEK_SET)
        _write(self._handle, _check(line) + line)
        os.fsync(self._handle)
        flush_folder(self._path.parent)
        _forget_old(self._path.parent)
        self.head = head
        self.records = []

    def restart(self, head: dict[str, Any]) -> None:
        """Another `head`, the same records."""
        records = self.records
        self.start(head)
        for record in records:
            self.append(record)

    def append(self, record: bytes) -> None:
        """Add a record; durable when this returns. From any thread.

        Raises LocalError `journal-failed` when the disk fails, and from then on for
        ever: a record behind a torn one would not be read again.
        """
        try:
            with self._lock:
                self._refuse_if_broken()
                _write(self._handle, len(record).to_bytes(4, "big") + _check(record) + record)
                self._appended += 1
                mine = self._appended
            with self._flush_lock:
                self._refuse_if_broken()
                if self._flushed < mine:
                    reached = self._appended
                    _flush(self._handle)
                    self._flushed = reached
        except OSError as error:
            self._broken = True
            raise _failed(error) from None

    def discard(self) -> None:
        """The transfer has ended, or must start over: forget it. The lock stays until `close`."""
        os.ftruncate(self._handle, 0)
        self.head = None

    def close(self) -> None:
        """Let go of the lock. A journal that holds nothing leaves no file."""
        with self._lock:
            self._broken = True  # for a thread that lingers: its part must not go out unrecorded
            empty = self.head is None and _is_at(self._path, self._handle)
            if empty and os.name != "nt":  # as long as the lock is ours
                self._path.unlink()
            with self._flush_lock:
                os.close(self._handle)
            if empty and os.name == "nt":  # open files cannot be unlinked there
                with suppress(OSError):
                    self._path.unlink()

    def _refuse_if_broken(self) -> None:
        if self._broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _load(self) -> None:
        """Read what is whole; cut off what is torn, so that records follow each other."""
        data = _read(self._handle)
        line_end = data.find(b"\n", CHECK_SIZE, MAX_HEAD)
        line = data[CHECK_SIZE : line_end + 1]
        if line_end < 0 or data[:CHECK_SIZE] != _check(line):
            return
        self.head = _head_of(line)
        if self.head is None:
            return
        end = line_end + 1
        for record, record_end in _records(data, end):
            self.records.append(record)
            end = record_end
        os.ftruncate(self._handle, end)
        os.lseek(self._handle, end, os.SEEK_SET)


def secrets_of(head: dict[str, Any], *names: str) -> list[bytes] | None:
    """32 bytes for each name in a head; None where it lacks one, as a head of another version may."""
    try:
        return [unb64u(str(head[name])) for name in names]
    except (KeyError, ValueError):
        return None


def _head_of(line: bytes) -> dict[str, Any] | None:
    """What a head says; None where nothing of ours wrote it."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _records(data: bytes, at: int) -> Iterator[tuple[bytes, int]]:
    """Whole records from `at` on, each with where it ends."""
    while at + 4 + CHECK_SIZE <= len(data):
        start = at + 4 + CHECK_SIZE
        size = int.from_bytes(data[at : at + 4], "big")
        record = data[start : start + size]
        if size > MAX_RECORD or len(record) < size or data[at + 4 : start] != _check(record):
            return
        at = start + size
        yield record, at


def _check(record: bytes) -> bytes:
    return hashlib.sha256(record).digest()[:CHECK_SIZE]


def _write(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _read(handle: int) -> bytes:
    """All of it, through the very handle that holds the lock: Windows lets no other read."""
    os.lseek(handle, 0, os.SEEK_SET)
    pieces = []
    while piece := os.read(handle, 1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


def busy() -> LocalError:
    """Somebody else is at it."""
    return LocalError(
        "journal-busy",
        "Another command is at this very transfer.",
        hint="Wait for it to end, or stop it; then give this command again.",
    )


def _failed(error: OSError) -> LocalError:
    return LocalError(
        "journal-failed",
        f"The journal of this transfer cannot be written: {error.strerror}.",
        hint="Make room where XDG_STATE_HOME is; then give this command again.",
    )


def _is_at(path: Path, handle: int) -> bool:
    """Whether the locked file is still the one that the name leads to."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except FileNotFoundError:
        return False


def _forget_old(folder: Path) -> None:
    """Transfers that nobody went on with for so long that what they name has expired."""
    for path in folder.iterdir():
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > FORGOTTEN_AFTER:
                path.unlink()

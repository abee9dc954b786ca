"""What is put: files found, judged, and read as one plaintext.

The content of a share is its files one after the other, then zero bytes. `collect`
walks and judges before anything is sent; `PlainReader` fills buffers with any
range of that plaintext, one open file at a time; `Collection.changed` says whether
the files are still what they were.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from mimetypes import MimeTypes
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from consigne.errors import LocalError
from consigne.format import paths as path_rules
from consigne.format.manifest import MAX_FILES, FileEntry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# A link or a pipe that took a file's place is not followed, not waited for.
_READING: Final = (
    os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)
_YEAR_10000: Final = 253_402_300_800  # in seconds since 1970
Identity = tuple[int, int, int, int]
_TYPES: Final = MimeTypes()  # Python's own table: the same on every machine
_KINDS: Final = (
    (stat.S_ISLNK, "symbolic link"),
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISBLK, "device"),
    (stat.S_ISCHR, "device"),
)


class SourceFile(NamedTuple):
    """A file here, and what it is called there. `identity`: size, mtime, ctime, inode."""

    local: str
    entry: FileEntry
    identity: Identity


@dataclass
class Collection:
    """All that one put gives. `roots`: what was named; `skipped`, `refused`: (path, reason)."""

    roots: list[str] = field(default_factory=list)
    files: list[SourceFile] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Bytes before padding."""
        return sum(file.entry.size for file in self.files)

    @property
    def entries(self) -> tuple[FileEntry, ...]:
        """The files as the manifest lists them."""
        return tuple(file.entry for file in self.files)

    def fingerprint(self) -> str:
        """SHA-256 over every file's identity and what a manifest says of it: equal while nothing changed."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(repr((file.local, *file.entry, file.identity)).encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def changed(self) -> str | None:
        """The first file that is not what it was when it was found, or None."""
        for file in self.files:
            try:
                same = file.entry.is_folder or identity_of(os.lstat(file.local)) == file.identity
            except OSError:
                same = False
            if not same:
                return file.local
        return None


def identity_of(status: os.stat_result) -> Identity:
    """What changes when a file's content does."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def collect(arguments: Sequence[str | os.PathLike[str]], *, skip_refused: bool = False) -> Collection:
    """Find every file that `arguments` name, folders with their tree, in a stable order.

    Symbolic links inside folders, devices, pipes and sockets are skipped and named.
    Raises LocalError: `file-missing`, `file-unreadable`, `nothing-to-put`,
    `path-refused` (all refused paths listed) unless `skip_refused`.
    """
    found = Collection()
    for argument in arguments:
        _collect_argument(os.fspath(argument), found)
    if found.refused and not skip_refused:
        listing = "\n".join(f"  {show(path)}: {reason}" for path, reason in found.refused)
        raise LocalError(
            "path-refused",
            f"These paths cannot be given:\n{listing}",
            hint="Rename them, or go on without them with --skip-refused.",
        )
    found.skipped.extend(found.refused)
    _judge_together(found)
    return found


def show(path: str) -> str:
    """A path that a terminal can print: nothing in it moves the cursor or fails to encode."""
    text = path.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _judge_together(found: Collection) -> None:
    if not found.files:
        raise LocalError(
            "nothing-to-put", "There is nothing to put.", hint="Name at least one file or folder."
        )
    if len(found.files) > MAX_FILES:
        raise LocalError(
            "path-refused", f"More than {MAX_FILES} files.", hint="Give them in several uploads."
        )
    clash = path_rules.conflict(file.entry.path for file in found.files)
    if clash is not None:
        raise LocalError(
            "path-refused",
            f"Two of the files would have the same path: {show(clash)}",
            hint="Put them in separate commands, or rename one.",
        )


def _collect_argument(argument: str, found: Collection) -> None:
    """One path of the command line. A symbolic link that was named is followed."""
    local = os.path.realpath(argument)
    name = Path(argument).name
    if name in ("", "..") or argument.endswith((os.sep + ".", "/.")):
        name = Path(local).name
    found.roots.append(local)
    try:
        status = os.stat(local)
    except OSError as error:
        raise LocalError("file-missing", f"{show(argument)}: {error.strerror}.") from None
    if stat.S_ISDIR(status.st_mode):
        _collect_folder(local, name, found)
    else:
        _add(local, name, status, found)


def _collect_folder(top: str, top_name: str, found: Collection) -> None:
    waiting = [(top, top_name)]
    while waiting:
        folder, name = waiting.pop()
        try:
            with os.scandir(folder) as scan:
                children = sorted(scan, key=lambda child: child.name)
        except OSError as error:
            raise LocalError("file-unreadable", f"{show(folder)}: {error.strerror}.") from None
        if not children:
            _add_if_allowed(folder, FileEntry(name + "/", 0), (0, 0, 0, 0), found)
        inner = []
        for child in children:
            child_name = f"{name}/{child.name}"
            if child.is_dir(follow_symlinks=False):
                inner.append((child.path, child_name))
            else:
                _add(child.path, child_name, _lstat(child), found)
        waiting.extend(reversed(inner))


def _lstat(child: os.DirEntry[str]) -> os.stat_result:
    try:
        return child.stat(follow_symlinks=False)
    except OSError as error:
        raise LocalError("file-unreadable", f"{show(child.path)}: {error.strerror}.") from None


def _add(local: str, name: str, status: os.stat_result, found: Collection) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = next((kind for test, kind in _KINDS if test(status.st_mode)), "special file")
        found.skipped.append((local, kind))
        return
    media_type = _type_of(os.path.splitext(name)[1].lower())
    entry = FileEntry(name, status.st_size, media_type, _instant(status.st_mtime_ns // 10**9))
    _add_if_allowed(local, entry, identity_of(status), found)


def _add_if_allowed(local: str, entry: FileEntry, identity: Identity, found: Collection) -> None:
    reason = path_rules.refusal(entry.path)
    if reason is None:
        found.files.append(SourceFile(local, entry, identity))
    else:
        found.refused.append((local, reason))


@lru_cache(maxsize=1024)  # what was written together has the same second
def _instant(seconds: int) -> str | None:
    """As a manifest writes it; None from the year 10000 on, which it cannot write."""
    if seconds >= _YEAR_10000:
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(max(0, seconds)))


@lru_cache(maxsize=1024)
def _type_of(suffix: str) -> str | None:
    return _TYPES.guess_type("a" + suffix)[0]


class PlainReader:
    """Fills buffers with ranges of a share's plaintext. One per thread: it holds an open file."""

    def __init__(self, files: Sequence[SourceFile]) -> None:
        self._files = [file for file in files if file.entry.size]
        self._starts = list(accumulate((file.entry.size for file in self._files), initial=0))
        self._index = self._open = -1
        self._at = 0

    def close(self) -> None:
        """Let go of the open file."""
        if self._open >= 0:
            os.close(self._open)
            self._index = self._open = -1

    def fill(self, offset: int, view: memoryview) -> None:
        """Plaintext [offset, offset + len(view)) into `view`; zero bytes after the last file.

        Raises LocalError `file-changed` when a file is shorter than it was found or another
        has taken its place, `file-unreadable` when it cannot be read.
        """
        done = 0
        for index, start, count in self._extents(offset, len(view)):
            self._read(index, start, view[done : done + count])
            done += count
        view[done:] = bytes(len(view) - done)

    def _extents(self, offset: int, count: int) -> Iterator[tuple[int, int, int]]:
        """(file, offset in it, bytes) of every file that the range touches."""
        index = bisect_right(self._starts, offset) - 1
        while count and index < len(self._files):
            start = offset - self._starts[index]
            here = min(count, self._files[index].entry.size - start)
            yield index, start, here
            offset, count, index = offset + here, count - here, index + 1

    def _read(self, index: int, start: int, view: memoryview) -> None:
        file = self._files[index]
        try:
            handle = self._handle(index)
            if start != self._at:
                os.lseek(handle, start, os.SEEK_SET)
            self._at = start + len(view)
            while view:
                got = _read_into(handle, view)
                if not got:
                    raise file_changed(file.local)
                view = view[got:]
        except OSError as error:
            raise LocalError("file-unreadable", f"{show(file.local)}: {error.strerror}.") from None

    def _handle(self, index: int) -> int:
        if self._index != index:
            self.close()
            file = self._files[index]
            self._open = os.open(file.local, _READING)
            self._index, self._at = index, 0
            # Before a byte is sent: a folder on the way may lead to somebody else's file by now.
            if identity_of(os.fstat(self._open)) != file.identity:
                raise file_changed(file.local)
        return self._open


if hasattr(os, "readv"):

    def _read_into(handle: int, view: memoryview) -> int:
        return os.readv(handle, [view])

else:

    def _read_into(handle: int, view: memoryview) -> int:
        data = os.read(handle, len(view))
        view[: len(data)] = data
        return len(data)


def file_changed(local: str) -> LocalError:
    """A file is not what it was when the put began."""
    return LocalError(
        "file-changed",
        f"{show(local)} changed while it was put.",
        hint="Give the same command again: it starts over with the file as it is now.",
    )

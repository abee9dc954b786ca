"""Where a get writes: beside the final names first, under them only when all is authentic.

Everything goes into a folder `.consigne-….partial` next to where it will stand;
`finish` moves it into place. Nothing that stands there is overwritten without
`force`, not even what came to stand there meanwhile.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import sys
from bisect import bisect_right
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from consigne.client.journal import busy
from consigne.client.landing import LARGE, LargeFile, SmallFile, aligned_buffer
from consigne.client.locking import try_lock
from consigne.client.moving import in_the_way, make_folders, move_exclusively, set_modified, size_of
from consigne.client.naming import folding, local_names
from consigne.client.places import private_opener
from consigne.client.source import show
from consigne.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consigne.client.choosing import Placed
    from consigne.client.segments import SegmentSet
    from consigne.format.content import Layout

OURS: Final = ".consigne-"  # what is called so in a target folder belongs to a get under way
PLACE: Final = "place\x85"  # no path of a share holds this character: never one of its files


class Destination:
    """A folder to fill, by way of a partial one beside the final names."""

    def __init__(self, folder: Path, name: str, placed: Sequence[Placed], *, force: bool) -> None:
        self._folder = folder
        self._partial = folder / f"{OURS}{name}.partial"
        self._force = force
        self._placed = placed
        self._names: dict[str, str] | None = None
        self._folder_is_new = not folder.exists()
        self._handle = -1
        self._is_ours = False

    @property
    def renamed(self) -> list[tuple[str, str]]:
        """(path, what it is called here) of every file whose name could not stay."""
        paths = (placed.entry.path.removesuffix("/") for placed in self._placed)
        return [(path, self._local(path)) for path in paths if self._local(path) != path]

    @property
    def exists(self) -> bool:
        """Whether an earlier get left its partial folder."""
        return self._partial.is_dir() and not self._partial.is_symlink()

    @property
    def place(self) -> str | None:
        """What this very partial folder is called in the journal of the get that fills it."""
        try:
            return (self._partial / PLACE).read_text("ascii")
        except (OSError, ValueError):
            return None

    def prepare(self, *, resume: bool) -> None:
        """Make the partial folder, the folders in it and the empty files.

        Raises LocalError `file-exists` when something stands where a file goes.
        """
        self._name_files()
        if not resume:
            self._empty()
            with open(self._partial / PLACE, "x", encoding="ascii", opener=private_opener) as file:
                file.write(secrets.token_hex(16))
        self._refuse_existing()
        self._make_folders()
        for placed in self._placed:
            if not placed.entry.size and not placed.entry.is_folder:
                Path(self.path_of(placed)).touch(mode=0o666)

    def is_whole(self, place: str | None) -> bool:
        """Whether every file is here in its full size, in the partial folder or moved already.

        With force, what stands where a file belongs may be the one to be replaced: that does not count.
        """
        self._name_files()
        if self.place not in (None, place):
            return False
        return all(self._is_here(placed) for placed in self._placed)

    def holds(self, layout: Layout, done: SegmentSet, place: str | None) -> bool:
        """Whether the files are there that the segments in `done` were written to.

        `place` is what the journal calls the partial folder that it speaks of.
        """
        if not self.exists or place is None or self.place != place:
            return False
        self._name_files()
        for placed in self._placed:
            if placed.entry.size:
                first, last = layout.segment_at(placed.start), layout.segment_at(placed.stop - 1)
                untouched = done.missing([(first, last)]) == [(first, last)]
                if not untouched and size_of(self.path_of(placed)) is None:
                    return False
        return True

    @contextmanager
    def held(self) -> Iterator[None]:
        """The partial folder for one get alone, whoever gets: other users and machines share folders."""
        self._handle = -1
        try:
            yield
        finally:
            if self._handle >= 0:
                os.close(self._handle)

    def _empty(self) -> None:
        """Whatever an earlier get left and cannot be gone on with."""
        with os.scandir(self._partial) as scan:
            children = list(scan)
        for child in children:
            if child.is_dir(follow_symlinks=False):
                shutil.rmtree(child.path)
            else:
                os.unlink(child.path)

    def _make_partial(self) -> None:
        """Raises LocalError `folder-unsafe`, `journal-busy`."""
        self._is_ours = False
        self._partial.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = os.lstat(self._partial)
        if not stat.S_ISDIR(status.st_mode) or (hasattr(os, "geteuid") and status.st_uid != os.geteuid()):
            raise LocalError(
                "folder-unsafe",
                f"{show(str(self._partial))} is in the way, and it is not ours.",
                hint="Remove it, or choose another folder with -o.",
            )
        if os.name != "nt":  # folders cannot be opened there
            self._lock_partial()
        self._is_ours = True

    def _lock_partial(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
        self._handle = os.open(self._partial, os.O_RDONLY | os.O_CLOEXEC)
        if not try_lock(self._handle):
            raise busy()

    def _is_here(self, placed: Placed) -> bool:
        if placed.entry.is_folder:
            return True
        name = self._local(placed.entry.path)
        places = [self._partial / name] if self._force else [self._partial / name, self._folder / name]
        return any(size_of(str(place)) == placed.entry.size for place in places)

    def _name_files(self) -> None:
        self._make_partial()
        self._names = local_names(
            (placed.entry.path for placed in self._placed),
            fold=folding(self._partial),
            windows=sys.platform == "win32",
        )

    def path_of(self, placed: Placed) -> str:
        """Where a file is written to until the end."""
        return f"{self._partial}/{self._local(placed.entry.path)}"

    def _local(self, path: str) -> str:
        name = path.removesuffix("/")
        return name if self._names is None else self._names[name]

    def writer(self) -> PlainWriter:
        """A thread's own writer."""
        return PlainWriter(self, [placed for placed in self._placed if placed.entry.size])

    def flush(self) -> None:
        """Make durable what was written so far."""
        files = [self.path_of(placed) for placed in self._placed if placed.entry.size]
        if len(files) > 16 and hasattr(os, "sync"):
            os.sync()
            return
        for path in files:
            if os.path.exists(path):
                with open(path, "rb+") as file:
                    os.fsync(file)

    def finish(self) -> list[Path]:
        """Give everything its final name; the top level's paths. Raises LocalError `file-exists`."""
        for placed in self._placed:
            set_modified(self.path_of(placed), placed.entry)
        for name in self._tops():
            if os.path.lexists(self._partial / name):
                self._move(self._partial / name, self._folder / name)
        shutil.rmtree(self._partial, ignore_errors=True)
        return [self._folder / name for name in self._tops()]

    def abandon(self) -> None:
        """Delete what was written: it cannot be used. What another get holds is left alone."""
        if self._is_ours and self.exists:
            shutil.rmtree(self._partial, ignore_errors=True)
        if self._folder_is_new:
            with suppress(OSError):
                self._folder.rmdir()

    def _make_folders(self) -> None:
        folders = set()
        for placed in self._placed:
            name = self._local(placed.entry.path)
            folders.add(name if placed.entry.is_folder else name.rpartition("/")[0])
        for name in sorted(folders):
            make_folders(f"{self._partial}/{name}")

    def _refuse_existing(self) -> None:
        """With force too where a share would write into what a get keeps here, its own or another's."""
        for top in self._tops():
            stays = not self._force or top.casefold().startswith(OURS)
            if stays and os.path.lexists(self._folder / top):
                raise in_the_way(self._folder / top)

    def _tops(self) -> list[str]:
        return sorted({self._local(placed.entry.path).split("/", 1)[0] for placed in self._placed})

    def _move(self, source: Path, final: Path) -> None:
        """Rename; with force into an existing folder, file by file."""
        if final.is_dir() and not final.is_symlink() and source.is_dir() and self._force:
            for child in os.listdir(source):
                self._move(source / child, final / child)
            source.rmdir()
        elif self._force and source.is_dir() == (final.is_dir() and not final.is_symlink()):
            os.replace(source, final)
        else:
            move_exclusively(source, final)


class PlainWriter:
    """Writes ranges of the content's plaintext into its files. One per thread: it holds an open file."""

    def __init__(self, destination: Destination, placed: Sequence[Placed]) -> None:
        self._destination = destination
        self._placed = placed
        self._starts = [item.start for item in placed]
        self._index = -1
        self._open: SmallFile | LargeFile | None = None
        self._buffer: memoryview | None = None
        self._reached = 0

    @property
    def settled(self) -> int:
        """Up to this offset of the content, what was handed over in a row is written."""
        if self._open is not None and self._open.waiting:
            return self._placed[self._index].start + self._open.written
        return self._reached

    def write(self, offset: int, plain: memoryview) -> None:
        """Plaintext at `offset` of the content; what belongs to no chosen file is dropped.

        Raises LocalError `file-unwritable`.
        """
        for index, start, stop in self._extents(offset, offset + len(plain)):
            placed = self._placed[index]
            try:
                self._file(index).write(start - placed.start, plain[start - offset : stop - offset])
            except OSError as error:
                raise unwritable(placed.entry.path, error) from None
        self._reached = offset + len(plain)

    def flush(self) -> None:
        """Write what is waiting. Raises LocalError `file-unwritable`."""
        if isinstance(self._open, LargeFile):
            try:
                self._open.flush()
            except OSError as error:
                raise unwritable(self._placed[self._index].entry.path, error) from None

    def close(self) -> None:
        """Let go of the open file."""
        if self._open is not None:
            self._open.close()
            self._open = None
            self._index = -1

    def _extents(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        index = max(0, bisect_right(self._starts, start) - 1)
        while index < len(self._placed) and self._placed[index].start < stop:
            placed = self._placed[index]
            if placed.stop > start:
                yield index, max(start, placed.start), min(stop, placed.stop)
            index += 1

    def _file(self, index: int) -> SmallFile | LargeFile:
        if self._open is None or self._index != index:
            self.flush()
            self.close()
            path, size = self._destination.path_of(self._placed[index]), self._placed[index].entry.size
            if size < LARGE:
                self._open = SmallFile(path)
            else:
                self._buffer = self._buffer or aligned_buffer()
                self._open = LargeFile(path, size, self._buffer)
            self._index = index
        return self._open


def unwritable(path: str, error: OSError) -> LocalError:
    """The disk does not take it."""
    return LocalError(
        "file-unwritable",
        f"{show(path)}: {error.strerror}.",
        hint="Make room or choose another folder; the same command goes on where this one ended.",
    )

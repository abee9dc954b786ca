"""Steps on this machine's file system that a get ends with: nothing is replaced that nobody gave up."""

from __future__ import annotations

import os
import stat
from datetime import datetime
from typing import TYPE_CHECKING

from consigne.client.source import show
from consigne.errors import LocalError

if TYPE_CHECKING:
    from pathlib import Path

    from consigne.format.manifest import FileEntry


def make_folders(path: str) -> None:
    """A folder and all on the way to it; without recursion, since a share may go hundreds deep."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        os.mkdir(folder)


def size_of(path: str) -> int | None:
    """Bytes of a regular file, None for anything else."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def move_exclusively(source: Path, final: Path) -> None:
    """Rename without replacing. A hard link fails where something stands; a bare rename would not."""
    if source.is_dir():
        if os.path.lexists(final):
            raise in_the_way(final)
        os.rename(source, final)
        return
    try:
        os.link(source, final)
    except FileExistsError:
        raise in_the_way(final) from None
    except OSError:  # a file system without hard links
        if os.path.lexists(final):
            raise in_the_way(final) from None
        os.rename(source, final)
    else:
        source.unlink()


def set_modified(path: str, entry: FileEntry) -> None:
    """The time that the share gives; one that this system cannot hold is left out."""
    if entry.modified is None or entry.is_folder:
        return
    try:
        seconds = datetime.fromisoformat(entry.modified[:19] + "+00:00").timestamp()
        os.utime(path, (seconds, seconds))
    except (ValueError, OverflowError, OSError):
        return


def in_the_way(path: Path) -> LocalError:
    """Something stands where a file belongs."""
    return LocalError(
        "file-exists",
        f"{show(str(path))} is there already.",
        hint="Choose another folder with -o, or overwrite with --force.",
    )

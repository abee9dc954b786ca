"""Folders made durable: the one place that flushes a folder's entries, or holds one for this process.

A file is as durable as the names that lead to it: each folder's entry is flushed in
the folder above before anybody relies on what lies in it.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make the entries of a folder durable. Raises OSError."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def make_durable_folder(folder: Path) -> None:
    """Make a private folder, and those above it that are missing, each durable. Raises OSError.

    One that is there is flushed too: whoever made it may have crashed before doing so.
    """
    there = folder.is_dir()
    if not there:
        if not folder.parent.exists():
            make_durable_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
    try:
        sync_folder(folder.parent)
    except PermissionError:  # given to us by somebody whose own folder we may not open
        if not there:
            raise


def make_durable_subfolder(folder: Path) -> None:
    """Make a private folder in one that is there, durable. Raises OSError.

    Where the one above is missing its disk is, and nothing may be taken into the folder beneath.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def lock(file: Path) -> int:
    """Hold a lock file until the descriptor is closed. Raises BlockingIOError if another does."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor

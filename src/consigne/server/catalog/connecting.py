"""Opening connections to a SQLite catalog, with everything that durability and silence need.

WAL and synchronous=FULL: a commit that returned survives a power cut. secure_delete:
what is deleted is overwritten, not merely unlinked. Files are for their owner only.

The log that another process left is written again before it is believed: see `secure_log`.
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Final

from consigne.server.folders import make_durable_folder, sync_folder

if TYPE_CHECKING:
    from pathlib import Path

PIECE: Final = 2**20
BUSY_TIMEOUT: Final = 5.0  # seconds that one process waits for another's transaction
UNORDERED: Final = "WITHOUT ROWID"  # what {unordered} stands for on SQLite


def create_private(file: Path) -> None:
    """Make sure that `file` exists, durable in its folder, and is its owner's only (0600).

    SQLite gives the files beside it (-wal, -shm) the same mode.
    """
    make_durable_folder(file.parent)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
    sync_folder(file.parent)


def connect_writer(file: Path) -> sqlite3.Connection:
    """The connection that writes. Transactions are begun and ended by hand."""
    connection = _connect(file)
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # has effect before the first table only
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA secure_delete=ON")
    connection.execute("PRAGMA foreign_keys=ON")
    return connection


def connect_reader(file: Path) -> sqlite3.Connection:
    """A connection that can only read."""
    connection = _connect(file)
    connection.execute("PRAGMA query_only=ON")
    return connection


def secure_log(connection: sqlite3.Connection, file: Path) -> None:
    """Bring what is in the write-ahead log to the disk, whoever wrote it. Raises sqlite3.Error, OSError.

    A process that was killed before its flush, or whose flush failed, leaves commits that the page
    cache shows and the disk may never have had; after a failed flush no later one brings them there.
    Whatever is built on them would go with them when the power goes. Writing the same bytes again
    makes them the disk's. The transaction keeps other programs from writing meanwhile.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        log = os.open(f"{file}-wal", os.O_RDWR | os.O_CLOEXEC)
        try:
            offset = 0
            while piece := os.pread(log, PIECE, offset):
                offset += os.pwrite(log, piece, offset)
            os.fsync(log)
        finally:
            os.close(log)
    finally:
        connection.execute("ROLLBACK")


def _connect(file: Path) -> sqlite3.Connection:
    # One thread at a time uses a connection, though not always the one that made it.
    return sqlite3.connect(file, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)

"""Opening connections to a SQLite catalog, with everything that durability and silence need.

WAL and synchronous=FULL: a commit that returned survives a power cut. secure_delete:
what is deleted is overwritten, not merely unlinked. Files are for their owner only.
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Final

from consigne.server.folders import make_durable_folder, sync_folder

if TYPE_CHECKING:
    from pathlib import Path

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


def _connect(file: Path) -> sqlite3.Connection:
    # One thread at a time uses a connection, though not always the one that made it.
    return sqlite3.connect(file, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)

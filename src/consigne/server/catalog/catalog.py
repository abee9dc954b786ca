"""The door to the catalog: functions of a transaction go in, their outcomes come out.

`write` runs on the one writer, in order, exact and durable when it returns. `read`
runs on a small pool of connections that see the last commit and cannot write.
"""

from __future__ import annotations

import asyncio
import errno
import os
import queue
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from consigne.errors import LocalError
from consigne.server.catalog import CatalogFailed, CatalogFull, connecting
from consigne.server.catalog.migrating import drop_backups, known_migrations, migrate
from consigne.server.catalog.reserve import Reserve
from consigne.server.catalog.transaction import Transaction, typed
from consigne.server.catalog.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

READERS: Final = 2
FREE_PAGES_WORTH_RETURNING: Final = 64

T = TypeVar("T")


class Catalog:
    """A SQLite catalog at `file`. Open it on the event loop that uses it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._reserve = Reserve(file)
        self._writer: Writer | None = None
        self._writing: sqlite3.Connection | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()

    async def open(self) -> None:
        """Create or migrate the catalog, then begin to serve.

        Raises UsageError `catalog-newer`, LocalError `catalog-failed`.
        """
        self._writing = await asyncio.to_thread(self._prepare)
        for _ in range(READERS):
            self._idle.put(connecting.connect_reader(self._file))
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="catalog-reader")
        self._writer = Writer(self._writing, asyncio.get_running_loop())

    async def close(self) -> None:
        """Finish what waits, empty the write-ahead log, close. Idempotent."""
        writer, pool, writing = self._writer, self._pool, self._writing
        self._writer = self._pool = self._writing = None
        if writer is not None and pool is not None and writing is not None:
            await asyncio.to_thread(self._shut, writer, pool, writing)

    async def write(self, operation: Callable[[Transaction], T]) -> T:
        """Run `operation` in a transaction; durable when it returns.

        An exception that it raises undoes it and comes out here. Raises CatalogError,
        in which case nothing was kept. An operation runs even if its caller is
        cancelled meanwhile.
        """
        if self._writer is None:
            raise CatalogFailed("the catalog is closed")
        outcome: T = await self._writer.submit(operation)
        return outcome

    async def read(self, operation: Callable[[Transaction], T]) -> T:
        """Run `operation` on one consistent view of what is committed. Raises CatalogError."""
        if self._pool is None:
            raise CatalogFailed("the catalog is closed")
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._view, operation)

    async def tidy(self) -> None:
        """Give free pages back and empty the write-ahead log, so that what went is not on disk."""
        if self._writer is None:
            raise CatalogFailed("the catalog is closed")
        await self._writer.submit_upkeep(_tidy)

    async def drop_backups(self, last_day: int) -> None:
        """Delete copies that were made before migrations on `last_day` (days since 1970) or earlier."""
        await asyncio.to_thread(drop_backups, self._file, last_day)

    async def free(self) -> int:
        """Bytes that this process may still write where the catalog lies. Raises CatalogFailed."""
        try:
            found = await asyncio.to_thread(os.statvfs, self._file.parent)
        except OSError:
            raise CatalogFailed("the disk beneath the catalog does not answer") from None
        return found.f_bavail * found.f_frsize

    async def release_reserve(self) -> None:
        """Give up the room that is kept for removing, because there is no other."""
        await asyncio.to_thread(self._reserve.release)

    async def keep_reserve(self) -> None:
        """Keep room for removing again, if there is any."""
        await asyncio.to_thread(self._reserve.keep)

    def _prepare(self) -> sqlite3.Connection:
        try:
            try:
                connection = self._begin()
            except (sqlite3.Error, OSError) as error:
                if not _is_full(error):
                    raise
                self._reserve.release()  # the log needs room, and whoever starts here wants to remove
                connection = self._begin()
            self._reserve.keep()
        except (sqlite3.Error, OSError) as error:
            raise LocalError(
                "catalog-failed",
                f"The catalog cannot be opened: {error}",
                hint="Check the file that `catalog` names, its rights, and the room on its disk.",
            ) from None
        return connection

    def _begin(self) -> sqlite3.Connection:
        connecting.create_private(self._file)
        connection = connecting.connect_writer(self._file)
        try:
            connecting.secure_log(connection, self._file)
            migrate(connection, self._file, known_migrations())
        except BaseException:
            connection.close()
            raise
        return connection

    def _view(self, operation: Callable[[Transaction], T]) -> T:
        connection = self._idle.get()
        try:
            connection.execute("BEGIN")
            return operation(Transaction(connection))
        except sqlite3.Error as error:
            raise typed(error) from None
        finally:
            try:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            finally:
                self._idle.put(connection)

    def _shut(self, writer: Writer, pool: ThreadPoolExecutor, writing: sqlite3.Connection) -> None:
        writer.close()
        pool.shutdown(wait=True)
        for _ in range(READERS):
            self._idle.get().close()
        try:
            writing.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error:  # what is in the log is durable; the next start reads it
            return
        finally:
            writing.close()


def _is_full(error: sqlite3.Error | OSError) -> bool:
    if isinstance(error, sqlite3.Error):
        return isinstance(typed(error), CatalogFull)
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def _tidy(connection: sqlite3.Connection) -> None:
    free = connection.execute("PRAGMA freelist_count").fetchone()[0]
    if free >= FREE_PAGES_WORTH_RETURNING:
        # A page for each step, and `execute` takes one step only.
        connection.executescript("PRAGMA incremental_vacuum")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

"""Statements within one transaction: the only thing that SQL modules see of a database.

A second kind of database brings its own class of this shape; the SQL stays.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from consigne.server.catalog import CatalogBusy, CatalogError, CatalogFailed, CatalogFull

if TYPE_CHECKING:
    from collections.abc import Iterator

Value = bytes | int | str | None
Row = tuple[Any, ...]


class Transaction:
    """An open transaction on one connection. Parameters are named, `:name`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, statement: str, **values: Value) -> int:
        """Run a statement; the number of rows it changed."""
        return self._connection.execute(statement, values).rowcount

    def row(self, statement: str, **values: Value) -> Row | None:
        """The first row of an answer, or None."""
        found: Row | None = self._connection.execute(statement, values).fetchone()
        return found

    def rows(self, statement: str, **values: Value) -> Iterator[Row]:
        """The rows of an answer, one after the other; to be used within the transaction."""
        return self._connection.execute(statement, values)


def typed(error: sqlite3.Error) -> CatalogError:
    """The catalog's own error for one of SQLite's, told apart by its code."""
    known = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    code = known & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return CatalogBusy("the catalog is held by another process")
    if code == sqlite3.SQLITE_FULL or known == sqlite3.SQLITE_IOERR_SHMSIZE:
        return CatalogFull("no room left for the catalog")
    return CatalogFailed(f"the catalog failed (SQLite code {code})")

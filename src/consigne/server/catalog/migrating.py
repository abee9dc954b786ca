"""Numbered migrations: each applied once, in a transaction, after a backup.

`migrations/000N_name.sql` are applied in order and noted in `applied`. Before a
catalog that holds something is changed, it is copied to `<catalog>.before-000N`.
The copy holds what is removed from then on, so it does not stay (docs/decisions/0033).
A catalog that a newer version wrote is refused by name, never guessed at.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from importlib import resources
from typing import TYPE_CHECKING, Final, NamedTuple

from consigne.errors import UsageError
from consigne.protocol import DAY
from consigne.server.catalog import connecting, gone
from consigne.server.catalog.transaction import Transaction
from consigne.server.folders import sync_folder

if TYPE_CHECKING:
    from pathlib import Path

BACKUP: Final = ".before-"
APPLIED: Final = "CREATE TABLE IF NOT EXISTS applied (version BIGINT NOT NULL PRIMARY KEY) {unordered}"


class Migration(NamedTuple):
    """One step of the schema."""

    version: int
    statements: tuple[str, ...]


def known_migrations() -> list[Migration]:
    """The migrations that come with this version, in order."""
    folder = resources.files("consigne.server.catalog") / "migrations"
    files = sorted((each for each in folder.iterdir() if each.name.endswith(".sql")), key=lambda f: f.name)
    return [Migration(int(file.name[:4]), split(file.read_text(encoding="utf-8"))) for file in files]


def split(script: str) -> tuple[str, ...]:
    """The statements of a script, for a transaction: executescript would commit before the first."""
    statements, gathered = [], ""
    for line in script.replace("{unordered}", connecting.UNORDERED).splitlines(keepends=True):
        gathered += line
        if sqlite3.complete_statement(gathered):
            statements.append(gathered)
            gathered = ""
    return tuple(statements)


def migrate(connection: sqlite3.Connection, file: Path, migrations: list[Migration]) -> None:
    """Bring a catalog to the last of `migrations`; several processes may try at once.

    Raises UsageError `catalog-newer` if the catalog is ahead of them.
    """
    present = _version(connection)
    if present > migrations[-1].version:
        raise UsageError(
            "catalog-newer",
            "This catalog was written by a newer version of Consigne.",
            hint="Run that version, or restore the backup that it made beside the catalog.",
        )
    for migration in migrations:
        if migration.version > present:
            if present > 0 and not gone.is_fresh(Transaction(connection)):
                back_up(connection, file.with_name(f"{file.name}{BACKUP}{migration.version:04d}"))
            _apply(connection, migration)


def _version(connection: sqlite3.Connection) -> int:
    there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'applied'").fetchone()
    if there is None:
        return 0
    row = connection.execute("SELECT COALESCE(MAX(version), 0) FROM applied").fetchone()
    return int(row[0])


def _apply(connection: sqlite3.Connection, migration: Migration) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _version(connection) < migration.version:  # another process may have been first
            connection.execute(APPLIED.format(unordered=connecting.UNORDERED))
            for statement in migration.statements:
                connection.execute(statement)
            connection.execute(
                "INSERT INTO applied (version) VALUES (:version)", {"version": migration.version}
            )
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def back_up(connection: sqlite3.Connection, target: Path) -> None:
    """Copy the catalog to `target`, durable and whole or not there at all.

    What a copy left that was killed goes first: it holds rows, and nobody else would ever delete it.
    """
    partial = target.with_name(f"{target.name}.partial")
    _remove(partial)
    connecting.create_private(partial)
    try:
        with closing(sqlite3.connect(partial)) as copy:
            connection.backup(copy)
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(target)
    finally:
        _remove(partial)
    sync_folder(target.parent)


def drop_backups(file: Path, last_day: int) -> None:
    """Delete copies from `last_day` (days since 1970) or before, whole or left by a crash.

    What fails to go is tried again the next time.
    """
    with suppress(OSError):
        for copy in file.parent.iterdir():
            if copy.name.startswith(file.name + BACKUP) and copy.stat().st_mtime // DAY <= last_day:
                copy.unlink()


def _remove(partial: Path) -> None:
    """A copy that is not whole, with what SQLite keeps beside it."""
    for beside in ("", "-journal", "-wal", "-shm"):
        partial.with_name(partial.name + beside).unlink(missing_ok=True)

"""The catalog: group commit, isolation, migrations, silence of its files."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import secrets
import sqlite3
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from importlib import resources
from pathlib import Path
from typing import Any, Never

import pytest

from consigne.errors import LocalError, UsageError
from consigne.server.catalog import (
    CatalogBusy,
    CatalogError,
    CatalogFailed,
    CatalogFull,
    connecting,
    gone,
    migrating,
    objects,
    writer,
)
from consigne.server.catalog.catalog import Catalog
from consigne.server.catalog.objects import ObjectRow
from consigne.server.catalog.transaction import Transaction, typed
from consigne.server.catalog.writer import Operation
from consigne.server.refusal import Refusal

SCHEMA = (resources.files("consigne.server.catalog") / "migrations" / "0001_begin.sql").read_text()


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Catalog]:
    catalog = Catalog(folder / "catalog.db")
    await catalog.open()
    try:
        yield catalog
    finally:
        await catalog.close()


def on_a_catalog(test: Callable[..., Any]) -> Callable[[Path], None]:
    def run(tmp_path: Path) -> None:
        async def with_catalog() -> None:
            async with opened(tmp_path) as catalog:
                if "file" in inspect.signature(test).parameters:
                    await test(catalog, tmp_path / "catalog.db")
                else:
                    await test(catalog)

        asyncio.run(with_catalog())

    run.__name__ = test.__name__
    return run


def add(known: bytes | None = None) -> Operation:
    known = known or secrets.token_bytes(32)
    return lambda tx: gone.add(tx, known)


def count(tx: Transaction) -> int:
    return tx.row("SELECT COUNT(*) FROM gone")[0]


class Statements(list):
    """Every statement that the writer's connection runs."""

    def of(self, catalog: Catalog) -> Statements:
        catalog._writing.set_trace_callback(self.append)
        return self

    def commits(self) -> int:
        return self.count("COMMIT")


@on_a_catalog
async def test_many_operations_to_a_commit(catalog: Catalog) -> None:
    statements = Statements().of(catalog)
    await asyncio.gather(*(catalog.write(add()) for _ in range(2000)))
    assert await catalog.read(count) == 2000
    assert 4 <= statements.commits() < 40


@on_a_catalog
async def test_each_sees_what_came_before_it(catalog: Catalog) -> None:
    def claim(tx: Transaction) -> int:
        return tx.run("INSERT INTO gone (hash) VALUES (:h) ON CONFLICT (hash) DO NOTHING", h=b"one")

    assert sum(await asyncio.gather(*(catalog.write(claim) for _ in range(100)))) == 1


@on_a_catalog
async def test_who_fails_undoes_only_itself(catalog: Catalog) -> None:
    def refuse(tx: Transaction) -> Never:
        gone.add(tx, b"refused")
        raise Refusal("limit")

    def stumble(tx: Transaction) -> None:
        gone.add(tx, b"stumbled")
        tx.run("no SQL at all")

    def err(tx: Transaction) -> Never:
        gone.add(tx, b"erred")
        raise ZeroDivisionError

    operations = [add(b"before"), refuse, stumble, err, add(b"after")]
    outcomes = await asyncio.gather(*map(catalog.write, operations), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [
        type(None), Refusal, CatalogFailed, ZeroDivisionError, type(None),
    ]  # fmt: skip
    assert await catalog.read(count) == 2


@on_a_catalog
async def test_a_commit_that_fails_answers_all_with_an_error(catalog: Catalog) -> None:
    """A deferred constraint fails at COMMIT, as a full disk would."""
    catalog._writing.execute("PRAGMA defer_foreign_keys=ON")

    def orphan(tx: Transaction) -> None:
        tx.run("PRAGMA defer_foreign_keys=ON")
        tx.run("INSERT INTO parts (object, part, length) VALUES (:o, 0, 1)", o=b"nobody")

    outcomes = await asyncio.gather(*map(catalog.write, [add(), orphan, add()]), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} <= {CatalogFailed, type(None)}
    assert isinstance(outcomes[1], CatalogFailed)
    kept = sum(outcome is None for outcome in outcomes)
    assert await catalog.read(count) == kept
    await catalog.write(add())  # and the next group is served


@on_a_catalog
async def test_a_group_that_wrote_nothing_costs_no_sync(catalog: Catalog, file: Path) -> None:
    log = file.with_name("catalog.db-wal")
    await catalog.write(add())
    size, changed = log.stat().st_size, log.stat().st_mtime_ns
    assert await asyncio.gather(*(catalog.write(count) for _ in range(50))) == [1] * 50
    assert (log.stat().st_size, log.stat().st_mtime_ns) == (size, changed)


@on_a_catalog
async def test_an_operation_of_a_caller_that_left_still_runs(catalog: Catalog) -> None:
    task = asyncio.create_task(catalog.write(add()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await catalog.write(count) == 1


@on_a_catalog
async def test_readers_cannot_write(catalog: Catalog) -> None:
    with pytest.raises(CatalogFailed):
        await catalog.read(add())
    with pytest.raises(Refusal):
        await catalog.read(_refuse)
    assert await catalog.read(count) == 0


def _refuse(_tx: Transaction) -> Never:
    raise Refusal("limit")


@on_a_catalog
async def test_held_by_another_process(catalog: Catalog, file: Path) -> None:
    catalog._writing.execute("PRAGMA busy_timeout=20")
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CatalogBusy):
            await catalog.write(add())
        other.execute("ROLLBACK")
    await catalog.write(add())


@on_a_catalog
async def test_too_many_wait(catalog: Catalog) -> None:
    limit, writer.MAX_WAITING = writer.MAX_WAITING, 0
    try:
        with pytest.raises(CatalogBusy):
            await catalog.write(add())
    finally:
        writer.MAX_WAITING = limit


@on_a_catalog
async def test_a_full_disk(catalog: Catalog) -> None:
    pages = catalog._writing.execute("PRAGMA page_count").fetchone()[0]
    catalog._writing.execute(f"PRAGMA max_page_count={pages + 2}")
    outcomes = await asyncio.gather(*(catalog.write(add()) for _ in range(2000)), return_exceptions=True)
    assert CatalogFull in map(type, outcomes)
    kept = sum(outcome is None for outcome in outcomes)
    assert await catalog.read(count) == kept


def test_closed(tmp_path: Path) -> None:
    async def run() -> None:
        catalog = Catalog(tmp_path / "catalog.db")
        for attempt in (catalog.write(count), catalog.read(count), catalog.tidy()):
            with pytest.raises(CatalogFailed):
                await attempt
        await catalog.open()
        waiting = [asyncio.ensure_future(catalog.write(add())) for _ in range(50)]
        await asyncio.sleep(0)
        await catalog.close()
        await catalog.close()
        await asyncio.gather(*waiting)  # what was queued is done

    asyncio.run(run())
    assert {file.name for file in tmp_path.iterdir()} == {"catalog.db", "catalog.db.reserve"}  # no log


def test_it_is_there_after_a_kill(tmp_path: Path) -> None:
    """A process that ends at once, right after the answer."""
    child = os.fork()
    if child == 0:  # pragma: no cover - dies

        async def run() -> None:
            catalog = Catalog(tmp_path / "catalog.db")
            await catalog.open()
            await catalog.write(add())
            os._exit(0)

        asyncio.run(run())
    os.waitpid(child, 0)

    async def look() -> int:
        async with opened(tmp_path) as catalog:
            return await catalog.read(count)

    assert asyncio.run(look()) == 1


@on_a_catalog
async def test_pragmas_and_modes(catalog: Catalog, file: Path) -> None:
    def value(name: str) -> object:
        return catalog._writing.execute(f"PRAGMA {name}").fetchone()[0]

    assert (value("journal_mode"), value("synchronous"), value("secure_delete")) == ("wal", 2, 1)
    assert (value("foreign_keys"), value("auto_vacuum"), value("busy_timeout")) == (1, 2, 5000)
    await catalog.write(add())
    for each in file.parent.iterdir():
        assert stat.S_IMODE(each.stat().st_mode) == 0o600


@on_a_catalog
async def test_the_thread_survives_whatever_happens(catalog: Catalog) -> None:
    def fail(error: BaseException) -> Callable[[Any], None]:
        def upkeep(_connection: sqlite3.Connection) -> None:
            raise error

        return upkeep

    at_work = catalog._writer
    for error, expected in (
        (sqlite3.OperationalError(), CatalogFailed),
        (CatalogBusy(), CatalogBusy),
        (KeyboardInterrupt(), CatalogFailed),
    ):
        with pytest.raises(expected):
            await at_work.submit_upkeep(fail(error))
    with pytest.raises(CatalogFailed):
        await catalog.write(fail(SystemExit()))
    await catalog.write(add())
    await catalog.close()
    with pytest.raises(CatalogFailed):
        at_work.submit(add())


def on_disk(file: Path) -> bytes:
    """The database and what lies beside it."""
    return b"".join(each.read_bytes() for each in file.parent.iterdir() if each.suffix != ".reserve")


@on_a_catalog
async def test_what_was_deleted_is_not_on_disk(catalog: Catalog, file: Path) -> None:
    """Attack 27, the database's share."""
    ids = [secrets.token_bytes(32) for _ in range(3000)]

    def fill(tx: Transaction) -> None:
        for known in ids:
            objects.insert(tx, ObjectRow(known, known, 1, 1, False, 0, None), 0)

    await catalog.write(fill)
    await catalog.tidy()
    before = len(on_disk(file))
    assert ids[0] in on_disk(file)
    await catalog.write(lambda tx: tx.run("DELETE FROM objects"))
    await catalog.tidy()
    left = on_disk(file)
    assert len(left) < before / 2
    assert not any(known in left for known in ids)


def test_nothing_tells_the_order_of_arrival() -> None:
    """No row ids, no serial numbers, no instants of anything that happened."""
    tables = re.findall(r"CREATE TABLE (\w+) \((.*?)\n\) (\S+);", SCHEMA, re.DOTALL)
    assert len(tables) == SCHEMA.count("CREATE TABLE") == 5
    assert {rest for _, _, rest in tables} == {"{unordered}"}
    words = re.sub(r"--.*", "", SCHEMA)
    for word in ("AUTOINCREMENT", "SERIAL", "IDENTITY", "TIMESTAMP", "CURRENT_", "created", "modified"):
        assert word.lower() not in words.lower()
    assert set(re.findall(r"\b(BYTEA|BIGINT|TEXT|BOOLEAN|[A-Z]*INT[A-Z]*)\b", words)) == {
        "BYTEA", "BIGINT", "BOOLEAN",
    }  # fmt: skip


@on_a_catalog
async def test_sqlite_keeps_no_row_ids(catalog: Catalog) -> None:
    names = await catalog.read(
        lambda tx: [row[0] for row in tx.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    )
    assert len(names) == 7
    for name in names:
        with pytest.raises(CatalogFailed):
            await catalog.read(lambda tx, name=name: tx.row(f"SELECT rowid FROM {name}"))  # noqa: S608


# ---------------------------------------------------------------- migrations

SECOND = migrating.Migration(3, ("ALTER TABLE gone ADD COLUMN extra BIGINT",))
BROKEN = migrating.Migration(4, ("CREATE TABLE half (a BIGINT)", "CREATE TABLE half (a BIGINT)"))


def connected(file: Path) -> closing[sqlite3.Connection]:
    connecting.create_private(file)
    return closing(connecting.connect_writer(file))


def test_a_migration_is_backed_up_first(tmp_path: Path) -> None:
    first, file = migrating.known_migrations(), tmp_path / "catalog.db"
    with connected(file) as connection:
        migrating.migrate(connection, file, first)
        assert [each.name for each in tmp_path.glob("*.before*")] == []  # nothing to lose yet
        connection.execute("INSERT INTO gone (hash) VALUES (x'00')")
        migrating.migrate(connection, file, [*first, SECOND])
        migrating.migrate(connection, file, [*first, SECOND])
        assert connection.execute("SELECT version FROM applied ORDER BY 1").fetchall() == [(1,), (2,), (3,)]
    backup = tmp_path / "catalog.db.before-0003"
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    with closing(sqlite3.connect(backup)) as copy:
        assert copy.execute("SELECT * FROM gone").fetchall() == [(b"\0",)]
        assert copy.execute("SELECT version FROM applied").fetchall() == [(1,), (2,)]
    assert not list(tmp_path.glob("*.partial*"))


def test_a_migration_happens_whole_or_not_at_all(tmp_path: Path) -> None:
    first, file = migrating.known_migrations(), tmp_path / "catalog.db"
    with connected(file) as connection:
        migrating.migrate(connection, file, first)
        with pytest.raises(sqlite3.Error):
            migrating.migrate(connection, file, [*first, SECOND, BROKEN])
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        assert "half" not in names
        assert connection.execute("SELECT MAX(version) FROM applied").fetchone() == (3,)


def test_a_newer_catalog_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "catalog.db"
    with connected(file) as connection:
        migrating.migrate(connection, file, [*migrating.known_migrations(), SECOND])
    with pytest.raises(UsageError) as caught:
        asyncio.run(Catalog(file).open())
    assert caught.value.code == "catalog-newer"


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [each.version for each in migrating.known_migrations()] == [1, 2]


@pytest.mark.parametrize("spoil", ["garbage", "folder"])
def test_a_catalog_that_cannot_be_opened(tmp_path: Path, spoil: str) -> None:
    file = tmp_path / "catalog.db"
    if spoil == "garbage":
        file.write_bytes(b"this is no database" * 1000)
    else:
        file.mkdir()
    with pytest.raises(LocalError) as caught:
        asyncio.run(Catalog(file).open())
    assert caught.value.code == "catalog-failed"


def test_errors_are_told_apart_by_code() -> None:
    def error(code: str) -> type[CatalogError]:
        made = sqlite3.OperationalError("text that nobody reads")
        made.sqlite_errorcode = code
        return type(typed(made))

    assert error(sqlite3.SQLITE_BUSY) is error(517) is CatalogBusy  # 517: SQLITE_BUSY_SNAPSHOT
    assert error(sqlite3.SQLITE_FULL) is CatalogFull
    assert error(sqlite3.SQLITE_IOERR) is CatalogFailed
    assert type(typed(sqlite3.OperationalError())) is CatalogFailed

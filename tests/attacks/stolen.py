"""What a thief of the host's disk holds: every row of the catalog, every file of the data folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

Rows = dict[str, list[dict[str, object]]]


class Value(NamedTuple):
    """One value, and the column that it stood in."""

    column: str
    value: object


def catalog_rows(catalog: Path) -> Rows:
    """Every table with its rows, each a dict by column, in an order that does not change."""
    with closing(sqlite3.connect(catalog)) as connection:
        connection.row_factory = sqlite3.Row
        names = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        return {
            name: sorted((dict(row) for row in connection.execute(f'SELECT * FROM "{name}"')), key=repr)  # noqa: S608
            for name in sorted(names)
        }


def catalog_values(catalog: Path) -> Iterator[Value]:
    """Every value of every column."""
    for table, rows in catalog_rows(catalog).items():
        for row in rows:
            for column, value in row.items():
                yield Value(f"{table}.{column}", value)


def files(data: Path) -> dict[str, bytes]:
    """Every file under the data folder, by its path there."""
    found = {}
    for path in sorted(path for path in data.rglob("*") if path.is_file()):
        with suppress(FileNotFoundError):  # a host that runs may delete one meanwhile
            found[str(path.relative_to(data))] = path.read_bytes()
    return found

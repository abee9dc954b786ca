"""Attack 26: the disk is stolen, and asked who uploaded what.

One person puts the same thing twice, with the same command, minutes apart from nobody
else. Whatever is equal between the two, in any column, file name, file or its times,
must be on a list of what may be: days, sizes, states, numbers that are everybody's.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from consigne import protocol
from consigne.format import keys
from consigne.format.link import parse_link
from consigne.server.catalog.migrating import known_migrations
from tests.attacks.stolen import Rows, catalog_rows, files
from tests.processes import Host, User
from tests.searching import find

# Everything that a catalog keeps. A new column is a decision: what does it join?
COLUMNS = {
    "applied": "version",
    "gone": "hash",
    "links": "id object token_hash expires downloads_limit downloads capsule wrong not_before",
    "objects": "id owner_hash length part_size complete expires touched_day owner_capsule",
    "parts": "object part length",
    "store": "id",
    "tickets": "hash link expires counted served",
}

# What may be equal in two uploads that have nothing to do with each other, and why.
EQUAL = {
    "objects.length": "a Padmé size, which many contents share",
    "objects.part_size": "follows from the length",
    "objects.complete": "a state",
    "objects.expires": "a midnight, or a full hour",
    "objects.touched_day": "a day",
    "parts.part": "counts from 0",
    "parts.length": "follows from the length",
    "links.expires": "a midnight, or a full hour",
    "links.downloads_limit": "a small number that people choose",
    "links.downloads": "a count",
    "links.wrong": "a count",
    "links.not_before": "0, or when somebody guessed",
    "tickets.expires": "a full hour",
    "tickets.counted": "a state",
    "tickets.served": "follows from the length",
}
ROUNDED = {"objects.expires": protocol.DAY, "links.expires": protocol.DAY, "tickets.expires": 3600}
BLOCK = 16


def test_attack_26_the_schema_has_nothing_to_join_by(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "catalog.db")) as catalog:
        for migration in known_migrations():
            for statement in migration.statements:
                catalog.execute(statement)
        catalog.execute("CREATE TABLE IF NOT EXISTS applied (version BIGINT)")
        tables = [name for (name,) in catalog.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {
            name: " ".join(row[1] for row in catalog.execute(f"PRAGMA table_info({name})")) for name in tables
        }
        assert found == COLUMNS
        # Everything leads to one object, and no object to another one.
        leads = {
            name: {row[2] for row in catalog.execute(f"PRAGMA foreign_key_list({name})")} for name in tables
        }
    assert {name: to for name, to in leads.items() if to} == {
        "links": {"objects"},
        "parts": {"objects"},
        "tickets": {"links"},
    }


def rows_of(rows: Rows, owner: keys.Owner) -> dict[str, set[object]]:
    """Every value that the catalog keeps of one upload, by column."""
    found: dict[str, set[object]] = {}
    links = [row for row in rows["links"] if row["object"] == owner.object_id]
    ids = [row["id"] for row in links]
    own = {
        "objects": [row for row in rows["objects"] if row["id"] == owner.object_id],
        "parts": [row for row in rows["parts"] if row["object"] == owner.object_id],
        "links": links,
        "tickets": [row for row in rows["tickets"] if row["link"] in ids],
    }
    for table, mine in own.items():
        assert mine or table == "parts", table
        for row in mine:
            for column, value in row.items():
                found.setdefault(f"{table}.{column}", set()).add(value)
    return found


def blocks_of(data: bytes) -> set[bytes]:
    """Every stretch of 16 bytes: at any offset of the first, a common one would be found in the second."""
    return {data[at : at + BLOCK] for at in range(len(data) - BLOCK + 1)}


@pytest.mark.slow
def test_attack_26_two_uploads_of_one_person_share_nothing(tmp_path: Path) -> None:
    source = tmp_path / "the-same-file.txt"
    source.write_bytes(b"the same content, over and over; " * 3000)
    with Host(tmp_path / "server") as host:
        user, owners, names = User(tmp_path / "home", host.url), [], []
        for _ in range(2):
            before = names_in(host.data / "store")
            put = json.loads(user.must("put", str(source), "--note", "hello", "--downloads", "7", "--json"))
            user.must("get", put["link"], "-o", str(tmp_path / "got"), "--force")
            user.must("link", put["manage"], "--expire", "2d")
            owners.append(keys.Owner(parse_link(put["manage"]).fragment.secret))
            names.append(names_in(host.data / "store") - before)
        rows = catalog_rows(host.data / "catalog.db")
        one, other = (rows_of(rows, owner) for owner in owners)
        for column in one:
            common = one[column] & other.get(column, set()) - {None}
            assert not common or column in EQUAL, f"{column} joins two uploads"
            for value in one[column] - {None} if column in ROUNDED else ():
                assert int(str(value)) % ROUNDED[column] == 0, f"{column} tells more than a day or an hour"
        # No value of one upload stands in any column of the other, or hides in a longer one.
        secret = {column: [v for v in values if isinstance(v, bytes)] for column, values in one.items()}
        theirs = [v for values in other.values() for v in values if isinstance(v, bytes)]
        for column, values in secret.items():
            for value in values:
                assert not any(find(each, {"it": value}) for each in theirs), column
        assert_files_share_nothing(host.data / "store", names)


def names_in(store: Path) -> set[str]:
    """Without reading any, which would leave a time."""
    return {str(path.relative_to(store)) for path in store.rglob("*") if path.is_file()}


def assert_files_share_nothing(store: Path, names: list[set[str]]) -> None:
    assert [len(each) for each in names] == [4, 4], "an object, an owner's capsule, two of links"
    stats = [(store / name).stat() for each in names for name in each]
    for stat in stats:
        assert not stat.st_mtime_ns % (protocol.DAY * 10**9), "its time tells the moment"
        assert not stat.st_atime_ns % (protocol.DAY * 10**9), "its time tells when it was fetched"
    assert len({(stat.st_mode, stat.st_uid, stat.st_gid, stat.st_nlink) for stat in stats}) == 1
    assert not [name for each in names for name in each if os.listxattr(store / name)]
    texts = [set(re.findall(r"[A-Za-z0-9_-]{16,}", " ".join(sorted(each)))) for each in names]
    assert not texts[0] & texts[1]
    found = files(store)
    contents = [b"".join(found[name] for name in sorted(each)) for each in names]
    assert not blocks_of(contents[0]) & blocks_of(contents[1])

"""Statements about objects and their parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consigne.server.catalog.transaction import Transaction

RUN: Final = 128  # parts that one look at an incomplete object walks at most

_COLUMNS: Final = "id, owner_hash, length, part_size, complete, expires, owner_capsule"


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """One object. Sizes in bytes, `expires` in seconds since 1970, `capsule` a SHA-256."""

    id: bytes
    owner_hash: bytes
    length: int | None
    part_size: int
    complete: bool
    expires: int
    capsule: bytes | None


def insert(tx: Transaction, row: ObjectRow, day: int) -> None:
    """Add an object that has no part yet."""
    tx.run(
        "INSERT INTO objects (id, owner_hash, length, part_size, complete, expires, touched_day)"
        " VALUES (:id, :owner_hash, :length, :part_size, :complete, :expires, :day)",
        id=row.id,
        owner_hash=row.owner_hash,
        length=row.length,
        part_size=row.part_size,
        complete=row.complete,
        expires=row.expires,
        day=day,
    )


def find(tx: Transaction, object_id: bytes) -> ObjectRow | None:
    """One object by its id."""
    row = tx.row(f"SELECT {_COLUMNS} FROM objects WHERE id = :id", id=object_id)  # noqa: S608 - constants
    if row is None:
        return None
    known, owner_hash, length, part_size, complete, expires, capsule = row
    return ObjectRow(known, owner_hash, length, part_size, bool(complete), expires, capsule)


def set_expiry(tx: Transaction, object_id: bytes, expires: int) -> None:
    """Move an object's end."""
    tx.run("UPDATE objects SET expires = :expires WHERE id = :id", id=object_id, expires=expires)


def set_capsule(tx: Transaction, object_id: bytes, digest: bytes) -> None:
    """Say which owner capsule is the current one."""
    tx.run("UPDATE objects SET owner_capsule = :digest WHERE id = :id", id=object_id, digest=digest)


def set_complete(tx: Transaction, object_id: bytes, length: int) -> None:
    """Fix an object's length. Its part rows and its last day have served."""
    tx.run(
        "UPDATE objects SET complete = TRUE, length = :length, touched_day = NULL WHERE id = :id",
        id=object_id,
        length=length,
    )
    tx.run("DELETE FROM parts WHERE object = :id", id=object_id)


def delete(tx: Transaction, object_id: bytes) -> None:
    """Delete an object; its parts, links and their tickets go with it."""
    tx.run("DELETE FROM objects WHERE id = :id", id=object_id)


def add_part(tx: Transaction, object_id: bytes, part: int, length: int, day: int) -> None:
    """Say that a part is durable, and on which day one last came in."""
    tx.run(
        "INSERT INTO parts (object, part, length) VALUES (:id, :part, :length)"
        " ON CONFLICT (object, part) DO NOTHING",
        id=object_id,
        part=part,
        length=length,
    )
    tx.run(
        "UPDATE objects SET touched_day = :day WHERE id = :id AND touched_day <> :day", id=object_id, day=day
    )


def part_length(tx: Transaction, object_id: bytes, part: int) -> int | None:
    """The length of a durable part of an incomplete object."""
    row = tx.row("SELECT length FROM parts WHERE object = :id AND part = :part", id=object_id, part=part)
    return None if row is None else int(row[0])


def parts(tx: Transaction, object_id: bytes) -> Iterator[tuple[int, int]]:
    """(part, length) of every durable part of an incomplete object, in order."""
    yield from tx.rows("SELECT part, length FROM parts WHERE object = :id ORDER BY part", id=object_id)


def durable_bytes(tx: Transaction, object_id: bytes) -> int:
    """How many bytes of an incomplete object are durable."""
    row = tx.row(
        "SELECT CAST(COALESCE(SUM(length), 0) AS BIGINT) FROM parts WHERE object = :id", id=object_id
    )
    return 0 if row is None else int(row[0])


def durable_until(tx: Transaction, row: ObjectRow, start: int) -> int:
    """Where the run of durable bytes ends that holds byte `start`; `start` or less if there is none.

    Looks at RUN parts at most, so that nobody can make the catalog walk for long.
    """
    expected = start // row.part_size
    end = expected * row.part_size
    for part, length in tx.rows(
        "SELECT part, length FROM parts WHERE object = :id AND part >= :first ORDER BY part LIMIT :run",
        id=row.id,
        first=expected,
        run=RUN,
    ):
        if part != expected:
            break
        end = part * row.part_size + length
        if length != row.part_size:
            break
        expected += 1
    return end


def has_parts(tx: Transaction, object_id: bytes) -> bool:
    """Whether anything of an incomplete object is durable."""
    return tx.row("SELECT 1 FROM parts WHERE object = :id LIMIT 1", id=object_id) is not None


def count_empty(tx: Transaction, most: int) -> int:
    """How many incomplete objects have no part yet; stops counting at `most`."""
    row = tx.row(
        "SELECT COUNT(*) FROM (SELECT 1 FROM objects WHERE touched_day IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM parts WHERE parts.object = objects.id) LIMIT :most) AS empty",
        most=most,
    )
    return 0 if row is None else int(row[0])


def ended(tx: Transaction, now: int, stale_day: int, most: int) -> list[bytes]:
    """Ids of some objects that expired, or whose last part came before `stale_day`."""
    found = tx.rows(
        "SELECT id FROM objects WHERE expires <= :now OR touched_day < :day LIMIT :most",
        now=now,
        day=stale_day,
        most=most,
    )
    return [row[0] for row in found]

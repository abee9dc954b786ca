"""Statements about links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from consigne.server.catalog.transaction import Row, Transaction

_COLUMNS: Final = "id, object, token_hash, expires, downloads_limit, downloads, capsule, wrong, not_before"


@dataclass(frozen=True, slots=True)
class LinkRow:
    """One link. Instants in seconds since 1970; `expires` None: with its object."""

    id: bytes
    object: bytes
    token_hash: bytes
    expires: int | None
    limit: int | None
    downloads: int = 0
    capsule: bytes | None = None
    wrong: int = 0
    not_before: int = 0


class EndedLink(NamedTuple):
    """Which link ended, and of which object."""

    id: bytes
    object: bytes


def insert(tx: Transaction, row: LinkRow) -> None:
    """Add a link that nobody used yet."""
    tx.run(
        "INSERT INTO links (id, object, token_hash, expires, downloads_limit, downloads, wrong, not_before)"
        " VALUES (:id, :object, :token_hash, :expires, :limit, 0, 0, 0)",
        id=row.id,
        object=row.object,
        token_hash=row.token_hash,
        expires=row.expires,
        limit=row.limit,
    )


def find(tx: Transaction, link_id: bytes) -> LinkRow | None:
    """One link by its id."""
    row = tx.row(f"SELECT {_COLUMNS} FROM links WHERE id = :id", id=link_id)  # noqa: S608 - constants
    return None if row is None else _read(row)


def of_object(tx: Transaction, object_id: bytes) -> list[LinkRow]:
    """All links of an object, in an order that says nothing."""
    statement = f"SELECT {_COLUMNS} FROM links WHERE object = :object ORDER BY id"  # noqa: S608 - constants
    return [_read(row) for row in tx.rows(statement, object=object_id)]


def count(tx: Transaction, object_id: bytes) -> int:
    """How many links an object has."""
    row = tx.row("SELECT COUNT(*) FROM links WHERE object = :object", object=object_id)
    return 0 if row is None else int(row[0])


def set_capsule(tx: Transaction, link_id: bytes, digest: bytes) -> bool:
    """Say which capsule a link has, once; False if it has one or is not there."""
    changed = tx.run(
        "UPDATE links SET capsule = :digest WHERE id = :id AND capsule IS NULL", id=link_id, digest=digest
    )
    return changed == 1


def set_guesses(tx: Transaction, link_id: bytes, wrong: int, not_before: int) -> None:
    """Note wrong tokens, and when the next one may be judged."""
    tx.run(
        "UPDATE links SET wrong = :wrong, not_before = :not_before WHERE id = :id",
        id=link_id,
        wrong=wrong,
        not_before=not_before,
    )


def count_download(tx: Transaction, link_id: bytes) -> bool:
    """Count one download; False if the limit is reached."""
    changed = tx.run(
        "UPDATE links SET downloads = downloads + 1"
        " WHERE id = :id AND (downloads_limit IS NULL OR downloads < downloads_limit)",
        id=link_id,
    )
    return changed == 1


def delete(tx: Transaction, link_id: bytes) -> None:
    """Delete a link; its tickets go with it."""
    tx.run("DELETE FROM links WHERE id = :id", id=link_id)


def ended(tx: Transaction, now: int, most: int) -> list[EndedLink]:
    """Some links whose own time is over."""
    found = tx.rows("SELECT id, object FROM links WHERE expires <= :now LIMIT :most", now=now, most=most)
    return [EndedLink(*row) for row in found]


def _read(row: Row) -> LinkRow:
    return LinkRow(*row)

"""Statements about tickets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consigne.server.catalog.transaction import Transaction


@dataclass(frozen=True, slots=True)
class TicketRow:
    """One download under way: `served` in bytes, `expires` in seconds since 1970."""

    hash: bytes
    link: bytes
    expires: int
    counted: bool = False
    served: int = 0


def insert(tx: Transaction, row: TicketRow) -> None:
    """Add a ticket that was not used yet."""
    tx.run(
        "INSERT INTO tickets (hash, link, expires, counted, served)"
        " VALUES (:hash, :link, :expires, FALSE, 0)",
        hash=row.hash,
        link=row.link,
        expires=row.expires,
    )


def find(tx: Transaction, digest: bytes) -> TicketRow | None:
    """One ticket by its hash."""
    row = tx.row("SELECT hash, link, expires, counted, served FROM tickets WHERE hash = :hash", hash=digest)
    if row is None:
        return None
    known, link, expires, counted, served = row
    return TicketRow(known, link, expires, bool(counted), served)


def uncounted(tx: Transaction, link_id: bytes, now: int) -> int:
    """How many live tickets of a link have not been used."""
    row = tx.row(
        "SELECT COUNT(*) FROM tickets WHERE link = :link AND counted = FALSE AND expires > :now",
        link=link_id,
        now=now,
    )
    return 0 if row is None else int(row[0])


def count(tx: Transaction, digest: bytes, expires: int) -> None:
    """The ticket counts from now on, and ends then."""
    tx.run(
        "UPDATE tickets SET counted = TRUE, expires = :expires WHERE hash = :hash",
        hash=digest,
        expires=expires,
    )


def charge(tx: Transaction, digest: bytes, size: int) -> None:
    """Charge `size` bytes about to be served."""
    tx.run("UPDATE tickets SET served = served + :size WHERE hash = :hash", hash=digest, size=size)


def refund(tx: Transaction, digest: bytes, size: int) -> None:
    """Give back what was charged and not served. A ticket that is gone needs none."""
    tx.run("UPDATE tickets SET served = served - :size WHERE hash = :hash", hash=digest, size=size)


def delete_ended(tx: Transaction, now: int, most: int) -> int:
    """Delete some tickets whose time is over; how many."""
    return tx.run(
        "DELETE FROM tickets WHERE hash IN (SELECT hash FROM tickets WHERE expires <= :now LIMIT :most)",
        now=now,
        most=most,
    )

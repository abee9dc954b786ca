"""Statements about which store a catalog speaks of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consigne.server.catalog.transaction import Transaction


def find(tx: Transaction) -> bytes | None:
    """The id of the store; None before `keep`."""
    row = tx.row("SELECT id FROM store")
    return None if row is None else row[0]


def keep(tx: Transaction, store_id: bytes) -> None:
    """Note the id of the store, once."""
    tx.run("INSERT INTO store (id) VALUES (:id)", id=store_id)

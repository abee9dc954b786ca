"""Statements about ids that are accepted no more. Only SHA-256(id) is kept."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consigne.server.catalog.transaction import Transaction


def add(tx: Transaction, known_id: bytes) -> None:
    """From now on this id of an object or a link is gone."""
    tx.run("INSERT INTO gone (hash) VALUES (:hash) ON CONFLICT (hash) DO NOTHING", hash=_digest(known_id))


def has(tx: Transaction, known_id: bytes) -> bool:
    """Whether an object or a link of this id was there once."""
    return tx.row("SELECT 1 FROM gone WHERE hash = :hash", hash=_digest(known_id)) is not None


def is_fresh(tx: Transaction) -> bool:
    """Whether this catalog has never known an object."""
    known = tx.row("SELECT 1 FROM objects LIMIT 1") or tx.row("SELECT 1 FROM gone LIMIT 1")
    return known is None


def _digest(known_id: bytes) -> bytes:
    return hashlib.sha256(known_id).digest()

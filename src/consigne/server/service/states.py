"""Rows as the API shows them: JSON bodies of protocol.py, nothing that a caller must not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consigne import protocol
from consigne.server.policy import guessing, rules
from consigne.server.policy.days import rfc3339

if TYPE_CHECKING:
    from consigne.server.catalog.links import LinkRow
    from consigne.server.catalog.objects import ObjectRow


def object_state(row: ObjectRow, parts: list[list[int]]) -> protocol.ObjectState:
    """For the owner; `parts` are the durable ones of an incomplete object, [first, last]."""
    if row.complete and row.length is not None:
        parts = [[0, protocol.part_count(row.length, row.part_size) - 1]]
    return {
        "id": protocol.b64u(row.id),
        "complete": row.complete,
        "length": row.length,
        "part_size": row.part_size,
        "parts": parts,
        "expires": rfc3339(row.expires),
    }


def link_state(link: LinkRow, row: ObjectRow) -> protocol.LinkState:
    """For the owner."""
    return {
        "id": protocol.b64u(link.id),
        "expires": rfc3339(rules.link_end(link, row)),
        "downloads": link.downloads,
        "downloads_left": rules.downloads_left(link),
        "locked": guessing.is_locked(link.wrong),
    }


def link_view(link: LinkRow, row: ObjectRow) -> protocol.LinkView:
    """For whoever holds the link."""
    return {
        "object": protocol.b64u(row.id),
        "complete": row.complete,
        "length": row.length,
        "part_size": row.part_size,
        "expires": rfc3339(rules.link_end(link, row)),
        "downloads": link.downloads,
        "downloads_left": rules.downloads_left(link),
    }

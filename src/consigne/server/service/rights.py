"""Who may do what: finds the rows that a token speaks of, and lets the policy judge.

Every function runs within a transaction. An id that was there once is `gone`, one
that never was is `not-found`; both may be said without a token, since nobody
guesses 32 random bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from consigne.protocol import token_hash
from consigne.server.catalog import gone, links, objects, tickets
from consigne.server.policy import guessing, rules
from consigne.server.refusal import Refusal

if TYPE_CHECKING:
    from consigne.server.catalog.links import LinkRow
    from consigne.server.catalog.objects import ObjectRow
    from consigne.server.catalog.tickets import TicketRow
    from consigne.server.catalog.transaction import Transaction


class OpenLink(NamedTuple):
    """A link that may be used, and its object."""

    link: LinkRow
    object: ObjectRow


class OpenDownload(NamedTuple):
    """A ticket that may be used, its link and its object."""

    ticket: TicketRow
    link: LinkRow
    object: ObjectRow


def owned_object(tx: Transaction, object_id: bytes, token: bytes, now: float) -> ObjectRow:
    """The object, for its owner. Refuses `not-found`, `gone`, `token-wrong`."""
    row = _object(tx, object_id)
    rules.judge_owner(row, token, now)
    return row


def owned_link(tx: Transaction, link_id: bytes, token: bytes, now: float) -> OpenLink:
    """The link, for the owner of its object. Refuses as `owned_object`."""
    opened = _link(tx, link_id, now)
    rules.judge_owner(opened.object, token, now)
    return opened


def readable_link(tx: Transaction, link_id: bytes, token: bytes, now: float) -> OpenLink | Refusal:
    """The link, for whoever holds its read token; to be run by the writer, so that counts are exact.

    A wrong token is returned as a Refusal, not raised: its counting has to be kept.
    Refuses `not-found`, `gone`, `link-locked`, `slow-down`; returns `token-wrong`.
    """
    opened = _link(tx, link_id, now)
    link = opened.link
    if guessing.is_locked(link.wrong):
        raise Refusal("link-locked")
    wait = guessing.seconds_to_wait(now, link.not_before, link.wrong)
    if wait > 0:
        raise Refusal("slow-down", retry_after=wait)
    if not rules.is_token(token, link.token_hash):
        wrong = link.wrong + 1
        links.set_guesses(tx, link_id, wrong, guessing.not_before_after(now, wrong))
        return Refusal("token-wrong")
    if link.capsule is None:  # its owner is still making it
        raise Refusal("not-found")
    return opened


def live_link(tx: Transaction, link_id: bytes, now: float) -> OpenLink:
    """The link while it lasts, for whoever is being served already. Refuses `not-found`, `gone`."""
    return _link(tx, link_id, now)


def open_download(tx: Transaction, object_id: bytes, ticket: bytes, now: float) -> OpenDownload:
    """The object, for whoever holds a ticket.

    Refuses `not-found`, `gone`, `token-wrong`, `downloads-used-up`.
    """
    row = _object(tx, object_id)
    rules.judge_alive(row, now)
    found = tickets.find(tx, token_hash(ticket))
    link = links.find(tx, found.link) if found is not None else None
    if found is None or link is None:
        raise Refusal("token-wrong")
    rules.judge_ticket(found, link, object_id, now)
    rules.judge_link_alive(link, row, now)
    if not found.counted and rules.downloads_left(link) == 0:
        raise Refusal("downloads-used-up")
    return OpenDownload(found, link, row)


def _object(tx: Transaction, object_id: bytes) -> ObjectRow:
    row = objects.find(tx, object_id)
    if row is None:
        raise Refusal("gone" if gone.has(tx, object_id) else "not-found")
    return row


def _link(tx: Transaction, link_id: bytes, now: float) -> OpenLink:
    link = links.find(tx, link_id)
    row = objects.find(tx, link.object) if link is not None else None
    if link is None or row is None:
        raise Refusal("gone" if gone.has(tx, link_id) else "not-found")
    rules.judge_link_alive(link, row, now)
    return OpenLink(link, row)

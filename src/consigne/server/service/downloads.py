"""Downloads: a ticket, then content by range, with exact counting.

A ticket counts against its link's limit, and is charged for the whole slice, in the
same transaction that lets the slice begin. All of this runs on the one writer, so a
hundred tickets of a one-download link find exactly one winner.
"""

from __future__ import annotations

import secrets
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from consigne import protocol
from consigne.server.catalog import CatalogError, links, objects, tickets
from consigne.server.catalog.tickets import TicketRow
from consigne.server.policy import days, ranges, rules
from consigne.server.policy.ranges import Range, Span
from consigne.server.refusal import Refusal
from consigne.server.service import rights
from consigne.server.service.arrivals import changed
from consigne.server.service.desk import Desk
from consigne.server.service.prepaid import RESERVE, Prepaid
from consigne.server.service.slices import Slice

if TYPE_CHECKING:
    from consigne.server.catalog.objects import ObjectRow
    from consigne.server.catalog.transaction import Transaction
    from consigne.server.service.prepaid import Returned

CATALOG_FAILED: Final = ("storage-failed", "storage-full")
LOOK_AGAIN: Final = 1.0  # seconds: another process's progress is not heard of
ASK_FOR_A_RANGE: Final = "The upload is under way: ask for a Range to read what is there."


class Asked(NamedTuple):
    """A request for content."""

    object_id: bytes
    ticket: bytes
    wanted: Range | None
    now: float


class Granted(NamedTuple):
    """A span that a ticket has been charged for."""

    span: Span
    total: int | None
    part_size: int


class Downloads(Desk):
    """What whoever holds a link does to get the content."""

    wait_for_bytes: float = protocol.NOT_YET_WAIT

    async def start_download(self, link_id: bytes, token: bytes) -> protocol.Ticket:
        """A new ticket; nothing is counted yet.

        Refuses as `rights.readable_link`, and `downloads-used-up`, `too-many-downloads`.
        """
        ticket = secrets.token_bytes(protocol.ID_SIZE)
        now = self.clock()
        expires = days.full_hour_after(now, protocol.TICKET_LIFETIME)
        await self.write(
            partial(_start, link_id=link_id, token=token, ticket=ticket, now=now, expires=expires)
        )
        return {"ticket": protocol.b64u(ticket), "expires": days.rfc3339(expires)}

    async def content(self, object_id: bytes, ticket: bytes, wanted: Range | None) -> Slice:
        """Ciphertext: all of it, or the range `wanted`. Close the slice.

        Of an incomplete object: what is contiguous from the first byte asked for; waits
        for that byte 25 seconds at most. Refuses as `rights.open_download`, and
        `range-not-satisfiable`, `ticket-spent`, `not-yet`.
        """
        granted = await self._granted(object_id, ticket, wanted)
        span = granted.span

        async def refund(size: int) -> None:
            try:
                await self.catalog.write(partial(_refund, ticket=ticket, size=size, prepaid=self.prepaid))
            except CatalogError:  # the budget has room for a helping that was paid and not had
                return

        source = self.store.read(object_id, granted.part_size, span.start, span.stop)
        return Slice(span, granted.total, partial=wanted is not None, source=source, refund=refund)

    async def content_head(self, object_id: bytes, ticket: bytes) -> Slice:
        """What `content` would give of all of it, without a byte, a charge or a count.

        Refuses as `rights.open_download`, and `not-yet` while the length is unknown.
        """
        opened = await self.read(
            partial(rights.open_download, object_id=object_id, ticket=ticket, now=self.clock())
        )
        length = opened.object.length
        if length is None:
            raise Refusal("not-yet", retry_after=1, extra={"hint": ASK_FOR_A_RANGE})
        return Slice(Span(0, length), length, partial=False)

    async def _granted(self, object_id: bytes, ticket: bytes, wanted: Range | None) -> Granted:
        deadline = monotonic() + self.wait_for_bytes
        async with self.arrivals.watch(object_id) as event:
            while True:
                granted = await self._try_grant(object_id, ticket, wanted)
                if granted is not None:
                    return granted
                now = monotonic()
                if now >= deadline:
                    raise Refusal("not-yet", retry_after=1)
                await changed(event, min(LOOK_AGAIN, deadline - now))

    async def _try_grant(self, object_id: bytes, ticket: bytes, wanted: Range | None) -> Granted | None:
        asked = Asked(object_id, ticket, wanted, self.clock())
        try:
            return await self.write(partial(_grant, asked=asked, prepaid=self.prepaid))
        except Refusal as refusal:
            if refusal.code in CATALOG_FAILED:
                self.prepaid.forget(protocol.token_hash(ticket))
            raise


def _start(
    tx: Transaction, link_id: bytes, token: bytes, ticket: bytes, now: float, expires: int
) -> Refusal | None:
    opened = rights.readable_link(tx, link_id, token, now)
    if isinstance(opened, Refusal):
        return opened
    rules.judge_download(opened.link, tickets.uncounted(tx, link_id, int(now)))
    tickets.insert(tx, TicketRow(protocol.token_hash(ticket), link_id, expires))
    return None


def _grant(tx: Transaction, asked: Asked, prepaid: Prepaid) -> Granted | None:
    """Charge the ticket for what can be served now; None if that is nothing yet."""
    opened = rights.open_download(tx, asked.object_id, asked.ticket, asked.now)
    row, ticket = opened.object, opened.ticket
    span = _span(tx, row, asked.wanted)
    if span is None:
        return None
    left = prepaid.left(ticket.hash)
    charge = 0
    if not ticket.counted or left < span.size:
        length = row.length if row.length is not None else objects.durable_bytes(tx, row.id)
        charge = rules.judge_charge(ticket, span.size - left, length, RESERVE)
        if not ticket.counted and not links.count_download(tx, opened.link.id):
            raise Refusal("downloads-used-up")
        tickets.charge(tx, ticket.hash, charge)
    _give_back(tx, prepaid.set(ticket.hash, left + charge - span.size))
    return Granted(span, row.length, row.part_size)


def _span(tx: Transaction, row: ObjectRow, wanted: Range | None) -> Span | None:
    if row.complete and row.length is not None:
        return ranges.within(wanted, row.length)
    if wanted is None:
        raise Refusal("not-yet", retry_after=1, extra={"hint": ASK_FOR_A_RANGE})
    start = ranges.first_wanted(wanted, row.length, protocol.MAX_PARTS * row.part_size)
    if start is None:
        return None
    return ranges.so_far(wanted, row.length, start, objects.durable_until(tx, row, start))


def _refund(tx: Transaction, ticket: bytes, size: int, prepaid: Prepaid) -> None:
    digest = protocol.token_hash(ticket)
    _give_back(tx, prepaid.set(digest, prepaid.left(digest) + size))


def _give_back(tx: Transaction, returned: list[Returned]) -> None:
    for each in returned:
        tickets.refund(tx, each.ticket, each.size)

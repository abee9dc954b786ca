"""Downloads: a ticket, then content by range, with exact counting.

A ticket counts against its link's limit, and is charged for the beginning of the slice,
in the same transaction that lets the slice begin; the rest is charged while it is served.
All of this runs on the one writer, so a hundred tickets of a one-download link find
exactly one winner.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

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
from consigne.server.service.slices import Fare, Slice, Standing

if TYPE_CHECKING:
    import asyncio

    from consigne.server.catalog.objects import ObjectRow
    from consigne.server.catalog.transaction import Transaction
    from consigne.server.service.prepaid import Returned
    from consigne.server.service.rights import OpenDownload

Waiting = Callable[[], AbstractAsyncContextManager[None]]
"""What is entered while a request waits, and left before it goes on; it may refuse."""

CATALOG_FAILED: Final = ("storage-failed", "storage-full")
UNUSED_LIFETIME: Final = 3600  # seconds that a ticket has for its first byte
LOOK_AGAIN: Final = 1.0  # seconds: another process's progress is not heard of
ASK_FOR_A_RANGE: Final = "The upload is under way: ask for a Range to read what is there."


T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """A request for content."""

    object_id: bytes
    ticket: bytes = field(repr=False)
    wanted: Range | None
    now: float


class Granted(NamedTuple):
    """A span whose first `paid` bytes a ticket has been charged for."""

    span: Span
    total: int | None
    part_size: int
    paid: int


class Downloads(Desk):
    """What whoever holds a link does to get the content."""

    wait_for_bytes: float = protocol.NOT_YET_WAIT

    async def start_download(self, link_id: bytes, token: bytes) -> protocol.Ticket:
        """A new ticket; nothing is counted yet. Unused it ends after an hour, used after a day.

        Refuses as `rights.readable_link`, and `downloads-used-up`, `too-many-downloads`,
        `storage-full`.
        """
        await self.find_room_for_ticket()
        ticket = secrets.token_bytes(protocol.ID_SIZE)
        now = self.clock()
        expires = days.full_hour_after(now, UNUSED_LIFETIME)
        await self.write(
            partial(_start, link_id=link_id, token=token, ticket=ticket, now=now, expires=expires)
        )
        return {"ticket": protocol.b64u(ticket), "expires": days.rfc3339(expires)}

    async def content(
        self, object_id: bytes, ticket: bytes, wanted: Range | None, waiting: Waiting = nullcontext
    ) -> Slice:
        """Ciphertext: all of it, or the range `wanted`. Close the slice.

        Of an incomplete object: what is contiguous from the first byte asked for; waits
        for that byte 25 seconds at most, each time within a `waiting()`. Refuses as
        `rights.open_download`, and `range-not-satisfiable`, `ticket-spent`, `not-yet`.
        """
        with ExitStack() as watching:
            told = watching.enter_context(self.arrivals.watch(object_id))
            granted = await self._granted(object_id, ticket, wanted, told, waiting)
            standing = Standing(told, partial(self._judge, object_id, ticket), watching.pop_all())
        charge = partial(self._charge, object_id, ticket)
        fare = Fare(granted.paid, granted.span.size, charge, partial(self._refund, ticket))
        source = self.store.read(object_id, granted.part_size, *granted.span)
        return Slice(
            granted.span,
            granted.total,
            partial=wanted is not None,
            source=source,
            standing=standing,
            fare=fare,
        )

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

    async def settle(self) -> None:
        """Give the reserves of all tickets back, in one write: the host stops."""
        try:
            await self.write(lambda tx: _give_back(tx, self.prepaid.give_up()))
        except Refusal:  # each loses a reserve, as by a crash
            return

    async def _granted(
        self, object_id: bytes, ticket: bytes, wanted: Range | None, told: asyncio.Event, waiting: Waiting
    ) -> Granted:
        deadline = monotonic() + self.wait_for_bytes
        while True:
            asked = Asked(object_id, ticket, wanted, self.clock())
            granted = await self._pay(ticket, partial(_grant, asked=asked, prepaid=self.prepaid))
            if granted is not None:
                return granted
            now = monotonic()
            if now >= deadline:
                raise Refusal("not-yet", retry_after=1)
            async with waiting():
                await changed(told, min(LOOK_AGAIN, deadline - now))

    async def _judge(self, object_id: bytes, ticket: bytes) -> None:
        """Refuses as `rights.open_download`."""
        await self.read(partial(rights.open_download, object_id=object_id, ticket=ticket, now=self.clock()))

    async def _charge(self, object_id: bytes, ticket: bytes, size: int) -> None:
        """Charge for what is served next. Refuses as `rights.open_download`, `ticket-spent`."""
        asked = Asked(object_id, ticket, None, self.clock())
        await self._pay(ticket, partial(_charge_on, asked=asked, size=size, prepaid=self.prepaid))

    async def _refund(self, ticket: bytes, size: int) -> None:
        try:
            await self.catalog.write(partial(_refund, ticket=ticket, size=size, prepaid=self.prepaid))
        except CatalogError:  # the budget has room for a helping that was paid and not had
            return

    async def _pay(self, ticket: bytes, operation: Callable[[Transaction], T]) -> T:
        try:
            return await self.write(operation)
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
    row = opened.object
    span = _span(tx, row, asked.wanted)
    if span is None:
        return None
    paid = min(span.size, RESERVE)
    _charge(tx, opened, paid, asked.now, prepaid)
    return Granted(span, row.length, row.part_size, paid)


def _charge_on(tx: Transaction, asked: Asked, size: int, prepaid: Prepaid) -> None:
    opened = rights.open_download(tx, asked.object_id, asked.ticket, asked.now)
    _charge(tx, opened, size, asked.now, prepaid)


def _charge(tx: Transaction, opened: OpenDownload, size: int, now: float, prepaid: Prepaid) -> None:
    """Take `size` bytes out of the ticket's reserve, and charge ahead what that lacks; count the first."""
    row, ticket = opened.object, opened.ticket
    left, charge = prepaid.left(ticket.hash), 0
    if not ticket.counted or left < size:
        length = row.length if row.length is not None else objects.durable_bytes(tx, row.id)
        charge = rules.judge_charge(ticket, size - left, length, RESERVE)
        if not ticket.counted:
            if not links.count_download(tx, opened.link.id):
                raise Refusal("downloads-used-up")
            tickets.count(tx, ticket.hash, days.full_hour_after(now, protocol.TICKET_LIFETIME))
        tickets.charge(tx, ticket.hash, charge)
    _give_back(tx, prepaid.set(ticket.hash, left + charge - size))


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

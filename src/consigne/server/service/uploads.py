"""Objects from begin to removal: every step durable before the next one speaks of it.

    begin: row.   part: bytes, then row.   complete: row.   remove: rows, then files.

A crash between two of these leaves a row without bytes, which nobody was told is
there, or files without a row, which the sweep takes. It never leaves a row that
speaks of bytes which are not there.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

from consigne.server.catalog import gone, links, objects
from consigne.server.catalog.objects import ObjectRow
from consigne.server.policy import days, naming, rules
from consigne.server.refusal import Refusal
from consigne.server.service import rights
from consigne.server.service.desk import Desk, stored
from consigne.server.service.states import link_state, object_state

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from consigne import protocol
    from consigne.server.catalog.transaction import Transaction
    from consigne.server.policy.rules import AcceptedObject


MAX_EMPTY: Final = 100_000  # objects without a part, all together
COUNT_EVERY: Final = 10  # seconds


class Uploads(Desk):
    """What the owner of an object does with it."""

    # Objects that have no part yet, at most: those begun since they were counted count as such.
    _empty = MAX_EMPTY
    _count_again = 0.0

    async def begin(self, new: protocol.NewObject) -> protocol.ObjectState:
        """Make an object that waits for its parts.

        Refuses `bad-request`, `id-mismatch`, `limit`, `gone`, `object-exists`, `storage-full`,
        and `busy` while far too many objects wait for their first part.
        """
        accepted = rules.judge_new_object(new, self.settings)
        await self.find_room(accepted.length or 0)
        await self._judge_empty()
        return await self.write(partial(_begin, accepted=accepted, now=self.clock()))

    async def receive_part(
        self, object_id: bytes, token: bytes, part: int, length: int, body: AsyncIterator[bytes | memoryview]
    ) -> None:
        """Take one part of `length` bytes; durable when it returns.

        A part that is durable already is left as it is, and `body` is not touched.
        Refuses as `rights.owned_object` and `rules.judge_part`, and `part-busy`,
        `object-complete`, `storage-full`, `storage-failed`, `bad-request` (short body).
        """
        look = partial(self._look_at_part, object_id=object_id, token=token, part=part, length=length)
        await self.read(look)  # only the owner can make a part busy
        with self.receiving.claim(object_id, part, length):
            durable, part_size = await self.read(look)  # again: whoever had the claim may have finished
            if durable:
                return
            await self.find_room()
            await stored(self.store.write_part(object_id, part, part_size, length, body))
            await self._record_part(object_id, token, part, length)
        self.arrivals.tell(object_id)

    async def complete(self, object_id: bytes, token: bytes, length: int) -> protocol.ObjectState:
        """Fix the length of an object whose parts are all durable. Idempotent.

        Refuses as `rights.owned_object`, and `length-mismatch`, `limit`, `parts-missing`.
        """
        state = await self.write(
            partial(self._complete, object_id=object_id, token=token, length=length, now=self.clock())
        )
        self.store.warm(object_id)
        self.arrivals.tell(object_id)
        return state

    async def object_state(self, object_id: bytes, token: bytes) -> protocol.ObjectState:
        """What is durable, and the links. Refuses as `rights.owned_object`."""
        return await self.read(partial(_state, object_id=object_id, token=token, now=self.clock()))

    async def extend(self, object_id: bytes, token: bytes, expires_in: int) -> protocol.ObjectState:
        """Let the object live `expires_in` seconds from now, more or less than it had.

        Refuses as `rights.owned_object`, and `limit`.
        """
        rules.judge_lifetime(expires_in, self.settings)
        now = self.clock()
        expires = days.end_of(now, expires_in)
        return await self.write(partial(_extend, object_id=object_id, token=token, now=now, expires=expires))

    async def remove(self, object_id: bytes, token: bytes) -> None:
        """Forget the object and its links for good, then delete their bytes.

        Once the rows are gone the answer is yes: files that then fail to go are the
        sweep's. Refuses as `rights.owned_object`.
        """
        names = await self.write_less(partial(_remove, object_id=object_id, token=token, now=self.clock()))
        self.arrivals.tell(object_id)
        await self.discard(object_id, names)

    async def _judge_empty(self) -> None:
        """Refuses `busy` where too many objects have no part; counts them only when there may be."""
        if self._empty >= MAX_EMPTY:
            async with self.turns.of(b"empty"):
                await self._count_empty()
            if self._empty >= MAX_EMPTY:
                raise Refusal("busy", retry_after=COUNT_EVERY)
        self._empty += 1

    async def _count_empty(self) -> None:
        now = monotonic()
        if self._empty >= MAX_EMPTY and now >= self._count_again:
            self._count_again = now + COUNT_EVERY
            self._empty = await self.read(partial(objects.count_empty, most=MAX_EMPTY))

    def _look_at_part(
        self, tx: Transaction, object_id: bytes, token: bytes, part: int, length: int
    ) -> tuple[bool, int]:
        """Whether the part is durable, and the part size."""
        row = rights.owned_object(tx, object_id, token, self.clock())
        rules.judge_part(row, part, length, self.settings)
        if row.complete:
            return True, row.part_size
        there = objects.part_length(tx, object_id, part)
        if there is not None and there != length:
            raise Refusal("length-mismatch")
        return there is not None, row.part_size

    async def _record_part(self, object_id: bytes, token: bytes, part: int, length: int) -> None:
        try:
            await self.write(
                partial(_record, object_id=object_id, token=token, part=part, length=length, now=self.clock())
            )
        except Refusal as refusal:
            if refusal.code in ("gone", "not-found"):  # removed meanwhile: this part came back after it
                await self.discard(object_id, [])
            raise

    def _complete(
        self, tx: Transaction, object_id: bytes, token: bytes, length: int, now: float
    ) -> protocol.ObjectState:
        row = rights.owned_object(tx, object_id, token, now)
        rules.judge_final_length(row, length, self.settings)
        if not row.complete:
            rules.judge_parts(objects.parts(tx, object_id), length, row.part_size)
            objects.set_complete(tx, object_id, length)
        return object_state(replace(row, complete=True, length=length), [])


def forget(tx: Transaction, row: ObjectRow) -> list[str]:
    """Delete an object's rows, mark its ids as gone; the names of the capsules to delete."""
    names = [naming.owner_capsule(row.id, row.capsule)] if row.capsule is not None else []
    for link in links.of_object(tx, row.id):
        gone.add(tx, link.id)
        names.append(naming.link_capsule(link.id))
    gone.add(tx, row.id)
    objects.delete(tx, row.id)
    return names


def _begin(tx: Transaction, accepted: AcceptedObject, now: float) -> protocol.ObjectState:
    if gone.has(tx, accepted.id):
        raise Refusal("gone")
    there = objects.find(tx, accepted.id)
    if there is not None:
        rules.judge_alive(there, now)
        raise Refusal("object-exists")
    if links.find(tx, accepted.id) is not None:  # one id, one thing: gone ids are kept in one list
        raise Refusal("object-exists")
    expires = days.end_of(now, accepted.lifetime)
    row = ObjectRow(
        accepted.id, accepted.owner_hash, accepted.length, accepted.part_size, False, expires, None
    )
    objects.insert(tx, row, days.day_of(now))
    return object_state(row, [])


def _record(tx: Transaction, object_id: bytes, token: bytes, part: int, length: int, now: float) -> None:
    row = rights.owned_object(tx, object_id, token, now)
    if row.complete:  # of unknown length, and completed without this part
        raise Refusal("object-complete")
    objects.add_part(tx, object_id, part, length, days.day_of(now))


def _state(tx: Transaction, object_id: bytes, token: bytes, now: float) -> protocol.ObjectState:
    return _with_links(tx, rights.owned_object(tx, object_id, token, now))


def _extend(
    tx: Transaction, object_id: bytes, token: bytes, now: float, expires: int
) -> protocol.ObjectState:
    row = rights.owned_object(tx, object_id, token, now)
    objects.set_expiry(tx, object_id, expires)
    return _with_links(tx, replace(row, expires=expires))


def _remove(tx: Transaction, object_id: bytes, token: bytes, now: float) -> list[str]:
    return forget(tx, rights.owned_object(tx, object_id, token, now))


def _with_links(tx: Transaction, row: ObjectRow) -> protocol.ObjectState:
    state = object_state(row, rules.merged(part for part, _ in objects.parts(tx, row.id)))
    state["links"] = [link_state(link, row) for link in links.of_object(tx, row.id)]
    return state

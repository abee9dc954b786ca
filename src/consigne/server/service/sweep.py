"""The sweep: what expired, was never completed, or was left by a crash goes for good.

Rows first, then files, as everywhere. Then the store is walked for files that no row
speaks of. What the catalog knows to be gone goes at once; anything else only when it
is days old, and its id is marked gone in the transaction that judges it, so that
nobody begins it meanwhile. Whatever cannot be deleted is counted and passed over.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from consigne import protocol
from consigne.server.catalog import gone, links, objects, tickets
from consigne.server.policy import days, naming
from consigne.server.refusal import Refusal
from consigne.server.service.desk import Desk, stored
from consigne.server.service.uploads import forget

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from consigne.server.catalog.links import EndedLink
    from consigne.server.catalog.objects import ObjectRow
    from consigne.server.catalog.transaction import Transaction
    from consigne.server.stores import StoredName

OBJECTS_AT_ONCE: Final = 20  # each with up to a thousand links
ROWS_AT_ONCE: Final = 500
NAMES_AT_ONCE: Final = 200
LEFT_FOR: Final = 2  # days that files are left which a row may be about to speak of


@dataclass
class SweepReport:
    """What a sweep deleted, as counts.

    `store_skipped`: the catalog knows nothing at all, so that it is more likely the
    wrong one than that all these files are leftovers. `failed`: could not be deleted.
    """

    objects: int = 0
    links: int = 0
    tickets: int = 0
    stray_objects: int = 0
    stray_capsules: int = 0
    temporaries: int = 0
    failed: int = 0
    store_skipped: bool = False


class Sweeping(Desk):
    """Forgets in time."""

    async def sweep(self) -> SweepReport:
        """One sweep; at most one at a time. Refuses `storage-failed`; what it did stays done."""
        async with self.turns.of(b"sweep"):
            report = SweepReport()
            try:
                await self._sweep_objects(report)
                await self._sweep_links(report)
                await self._sweep_tickets(report)
                await self._sweep_store(report)
            finally:
                await self.catalog.drop_backups(days.day_of(self.clock()) - LEFT_FOR)
                await self.tidy()
                await self.keep_reserve()
            return report

    async def _sweep_objects(self, report: SweepReport) -> None:
        while True:
            ended = await self.write_less(
                partial(_end_objects, now=self.clock(), unfinished_days=self.settings.unfinished_days)
            )
            for object_id, names in ended:
                self.arrivals.tell(object_id)
                if names is not None:
                    await self.discard(object_id, names)
            report.objects += len(ended)
            if len(ended) < OBJECTS_AT_ONCE:
                return

    async def _sweep_links(self, report: SweepReport) -> None:
        while True:
            ended = await self.write_less(partial(_end_links, now=self.clock()))
            for link in ended:
                self.arrivals.tell(link.object)
            await self.discard(None, [naming.link_capsule(link.id) for link in ended])
            report.links += len(ended)
            if len(ended) < ROWS_AT_ONCE:
                return

    async def _sweep_tickets(self, report: SweepReport) -> None:
        while True:
            ended = await self.write_less(partial(_end_tickets, now=self.clock()))
            report.tickets += ended
            if ended < ROWS_AT_ONCE:
                return

    async def _sweep_store(self, report: SweepReport) -> None:
        if await self.read(gone.is_fresh):
            report.store_skipped = True
            return
        batch: list[StoredName] = []
        async for name in _checked(self.store.names()):
            batch.append(name)
            if len(batch) == NAMES_AT_ONCE:
                await self._sweep_names(batch, report)
                batch = []
        await self._sweep_names(batch, report)

    async def _sweep_names(self, batch: list[StoredName], report: SweepReport) -> None:
        for stray in await self._strays(batch):
            try:
                await self._delete(stray, report)
            except (Refusal, ValueError):  # a disk that fails, a name that no store of ours gave
                report.failed += 1
        await asyncio.sleep(0)

    async def _strays(self, batch: list[StoredName]) -> list[StoredName]:
        today = days.day_of(self.clock())
        return await self.write_less(partial(_find_strays, batch=batch, today=today))

    async def _delete(self, stray: StoredName, report: SweepReport) -> None:
        if stray.kind == "object":
            await stored(self.store.delete_object(protocol.unb64u(stray.name)))
            report.stray_objects += 1
        elif stray.kind == "capsule":
            await self._delete_capsule(stray, report)
        else:
            await stored(self.store.delete_temporary(stray.name))
            report.temporaries += 1

    async def _delete_capsule(self, stray: StoredName, report: SweepReport) -> None:
        """In its turn, judged once more: an old version may have become the current one."""
        known = naming.read_name(stray.name)
        if known is not None:
            async with self.turns.of(known.id):
                if await self._strays([stray]):
                    await stored(self.store.delete_capsule(stray.name))
                    report.stray_capsules += 1


async def _checked(names: AsyncIterator[StoredName]) -> AsyncIterator[StoredName]:
    """The names of a store, its errors as refusals."""
    while True:
        try:
            yield await stored(anext(names))
        except StopAsyncIteration:
            return


def _end_objects(tx: Transaction, now: float, unfinished_days: int) -> list[tuple[bytes, list[str] | None]]:
    """Ids and the capsules to delete; None for what was never more than a row."""
    stale = days.day_of(now) - unfinished_days
    ended: list[tuple[bytes, list[str] | None]] = []
    for object_id in objects.ended(tx, int(now), stale, OBJECTS_AT_ONCE):
        row = objects.find(tx, object_id)
        if row is None:
            continue
        if _held_nothing(tx, row):  # else whoever begins without end would fill `gone` for good
            objects.delete(tx, object_id)
            ended.append((object_id, None))
        else:
            ended.append((object_id, forget(tx, row)))
    return ended


def _held_nothing(tx: Transaction, row: ObjectRow) -> bool:
    """Whether an object never had a part, a capsule or a link."""
    if row.complete or row.capsule is not None:
        return False
    return not objects.has_parts(tx, row.id) and links.count(tx, row.id) == 0


def _end_links(tx: Transaction, now: float) -> list[EndedLink]:
    ended = links.ended(tx, int(now), ROWS_AT_ONCE)
    for link in ended:
        gone.add(tx, link.id)
        links.delete(tx, link.id)
    return ended


def _end_tickets(tx: Transaction, now: float) -> int:
    return tickets.delete_ended(tx, int(now), ROWS_AT_ONCE)


def _find_strays(tx: Transaction, batch: list[StoredName], today: int) -> list[StoredName]:
    """Those that no row speaks of. A name that is none of ours is left alone."""
    old = today - LEFT_FOR
    judges = {"object": _is_stray_object, "capsule": _is_stray_capsule}
    return [
        name
        for name in batch
        if (name.kind in judges and judges[name.kind](tx, name, old))
        or (name.kind == "temporary" and name.day <= old)
    ]


def _is_stray_object(tx: Transaction, name: StoredName, old: int) -> bool:
    object_id = naming.read_id(name.name)
    if object_id is None or objects.find(tx, object_id) is not None:
        return False
    return _is_over(tx, object_id, name, old)


def _is_stray_capsule(tx: Transaction, name: StoredName, old: int) -> bool:
    known = naming.read_name(name.name)
    if known is None:
        return False
    if known.version is None:
        if links.find(tx, known.id) is not None:
            return False
    else:
        row = objects.find(tx, known.id)
        if row is not None:
            is_current = row.capsule is not None and naming.version_of(row.capsule) == known.version
            return not is_current and name.day <= old
    return _is_over(tx, known.id, name, old)


def _is_over(tx: Transaction, known_id: bytes, name: StoredName, old: int) -> bool:
    """Whether an id without a row is gone for good; one that the catalog never knew only by age."""
    if gone.has(tx, known_id):
        return True
    if name.day > old:
        return False
    gone.add(tx, known_id)  # so that nobody begins it between now and the deletion
    return True

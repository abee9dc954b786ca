"""The sweep: what expired, was never completed, or was left by a crash goes for good.

Rows first, then files, as everywhere. Then the store is walked for files that no row
speaks of. This is safe beside live requests: a file is only ever written after its
row, so a file without a row is of something that is gone, and its id is marked gone
in the transaction that judges it; and one that a row may be about to speak of
(a new version of an owner capsule, a temporary file) is left until it is days old.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from consigne import protocol
from consigne.server.catalog import gone, links, objects, tickets
from consigne.server.policy import days, naming
from consigne.server.service.desk import Desk, stored
from consigne.server.service.uploads import forget

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

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
    wrong one than that all these files are leftovers.
    """

    objects: int = 0
    links: int = 0
    tickets: int = 0
    stray_objects: int = 0
    stray_capsules: int = 0
    temporaries: int = 0
    store_skipped: bool = False


class Sweeping(Desk):
    """Forgets in time."""

    async def sweep(self) -> SweepReport:
        """One sweep; at most one at a time. Refuses `storage-failed`; what it did stays done."""
        async with self.turns.of(b"sweep"):
            report = SweepReport()
            await self._sweep_objects(report)
            await self._sweep_links(report)
            await self._sweep_tickets(report)
            await self._sweep_store(report)
            await self.tidy()
            return report

    async def _sweep_objects(self, report: SweepReport) -> None:
        while True:
            ended = await self.write(
                partial(_end_objects, now=self.clock(), unfinished_days=self.settings.unfinished_days)
            )
            for object_id, names in ended:
                self.arrivals.tell(object_id)
                await self.discard(object_id, names)
            report.objects += len(ended)
            if len(ended) < OBJECTS_AT_ONCE:
                return

    async def _sweep_links(self, report: SweepReport) -> None:
        while True:
            ended = await self.write(partial(_end_links, now=self.clock()))
            await self.discard(None, [naming.link_capsule(link_id) for link_id in ended])
            report.links += len(ended)
            if len(ended) < ROWS_AT_ONCE:
                return

    async def _sweep_tickets(self, report: SweepReport) -> None:
        while True:
            ended = await self.write(partial(_end_tickets, now=self.clock()))
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
        strays = await self.write(partial(_find_strays, batch=batch, today=days.day_of(self.clock())))
        for stray in strays:
            with contextlib.suppress(ValueError):  # a name that no store of ours gave
                await self._delete(stray, report)
        await asyncio.sleep(0)

    async def _delete(self, stray: StoredName, report: SweepReport) -> None:
        if stray.kind == "object":
            await stored(self.store.delete_object(protocol.unb64u(stray.name)))
            report.stray_objects += 1
        elif stray.kind == "capsule":
            await stored(self.store.delete_capsule(stray.name))
            report.stray_capsules += 1
        else:
            await stored(self.store.delete_temporary(stray.name))
            report.temporaries += 1


async def _checked(names: AsyncIterator[StoredName]) -> AsyncIterator[StoredName]:
    """The names of a store, its errors as refusals."""
    while True:
        try:
            yield await stored(anext(names))
        except StopAsyncIteration:
            return


def _end_objects(tx: Transaction, now: float, unfinished_days: int) -> list[tuple[bytes, list[str]]]:
    stale = days.day_of(now) - unfinished_days
    ended = []
    for object_id in objects.ended(tx, int(now), stale, OBJECTS_AT_ONCE):
        row = objects.find(tx, object_id)
        if row is not None:
            ended.append((object_id, forget(tx, row)))
    return ended


def _end_links(tx: Transaction, now: float) -> list[bytes]:
    ended = links.ended(tx, int(now), ROWS_AT_ONCE)
    for link_id in ended:
        gone.add(tx, link_id)
        links.delete(tx, link_id)
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


def _is_stray_object(tx: Transaction, name: StoredName, _old: int) -> bool:
    object_id = naming.read_id(name.name)
    if object_id is None or objects.find(tx, object_id) is not None:
        return False
    gone.add(tx, object_id)  # so that nobody begins it between now and the deletion
    return True


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
    gone.add(tx, known.id)
    return True

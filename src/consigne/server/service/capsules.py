"""Capsules: bytes durable in the store first, then their hash in the catalog.

A link's capsule is written once. An owner capsule has versions: each in a file of
its own name, so that the one which the catalog speaks of is never half replaced; the
former file goes after the row has moved on. Turns keep two writers of one capsule
apart, and a reader from the file that is about to go.
"""

from __future__ import annotations

import asyncio
import hashlib
from functools import partial
from typing import TYPE_CHECKING

from consigne.server.catalog import links, objects
from consigne.server.policy import naming, rules
from consigne.server.refusal import Refusal
from consigne.server.service import rights
from consigne.server.service.desk import Desk, stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from consigne.server.catalog.transaction import Transaction


class Capsules(Desk):
    """Sealed manifests, of links and of owners."""

    async def owner_capsule(self, object_id: bytes, token: bytes) -> tuple[bytes, str]:
        """The current owner capsule and its ETag.

        Refuses `not-found` before the first one, and as `rights.owned_object`.
        """
        async with self.turns.of(object_id):
            row = await self.read(
                partial(rights.owned_object, object_id=object_id, token=token, now=self.clock())
            )
            if row.capsule is None:
                raise Refusal("not-found")
            name = naming.owner_capsule(object_id, row.capsule)
            return await stored(self.store.get_capsule(name)), naming.tag(row.capsule)

    async def put_owner_capsule(
        self, object_id: bytes, token: bytes, capsule: bytes, if_match: str | None
    ) -> str:
        """Replace the owner capsule that has the ETag `if_match`; its new ETag.

        Without `if_match` only the first one is taken. The current bytes again are
        always fine. Refuses `capsule-changed`, `too-large`, `bad-request`, `storage-full`,
        and as `rights.owned_object`.
        """
        rules.judge_capsule(capsule, self.settings)
        digest = await _digest_of(capsule)
        async with self.turns.of(object_id):
            row = await self.read(
                partial(rights.owned_object, object_id=object_id, token=token, now=self.clock())
            )
            if row.capsule != digest:
                rules.judge_if_match(if_match, None if row.capsule is None else naming.tag(row.capsule))
                name = naming.owner_capsule(object_id, digest)
                replace = partial(
                    _replace, object_id=object_id, token=token, former=row.capsule, digest=digest
                )
                await self._keep(name, capsule, replace)
                if row.capsule is not None:
                    await self.discard(None, [naming.owner_capsule(object_id, row.capsule)])
        return naming.tag(digest)

    async def put_link_capsule(self, link_id: bytes, token: bytes, capsule: bytes) -> None:
        """Give a link its capsule, once; the same bytes again are fine.

        `token` is the owner's. Refuses `capsule-exists`, `too-large`, `bad-request`,
        `storage-full`, and as `rights.owned_link`.
        """
        rules.judge_capsule(capsule, self.settings)
        digest = await _digest_of(capsule)
        async with self.turns.of(link_id):
            opened = await self.read(
                partial(rights.owned_link, link_id=link_id, token=token, now=self.clock())
            )
            if opened.link.capsule is None:
                settle = partial(_settle, link_id=link_id, token=token, digest=digest)
                await self._keep(naming.link_capsule(link_id), capsule, settle)
            elif opened.link.capsule != digest:
                raise Refusal("capsule-exists")

    async def link_capsule(self, link_id: bytes, token: bytes) -> bytes:
        """A link's capsule, for whoever holds its read token; no download is counted.

        Refuses as `rights.readable_link`.
        """
        await self.write(partial(rights.readable_link, link_id=link_id, token=token, now=self.clock()))
        return await stored(self.store.get_capsule(naming.link_capsule(link_id)))

    async def _keep(self, name: str, capsule: bytes, record: Callable[[Transaction, float], None]) -> None:
        """Bytes durable, then the row; the bytes go again if the row's owner is gone."""
        needed = len(capsule) + self.receiving.bytes
        rules.judge_room(needed, await stored(self.store.free()), self.settings)
        await stored(self.store.put_capsule(name, capsule))
        now = self.clock()
        try:
            await self.write(lambda tx: record(tx, now))
        except Refusal as refusal:
            if refusal.code in ("gone", "not-found"):
                await self.discard(None, [name])
            raise


def _replace(
    tx: Transaction, now: float, object_id: bytes, token: bytes, former: bytes | None, digest: bytes
) -> None:
    row = rights.owned_object(tx, object_id, token, now)
    if row.capsule != former:  # another process was first
        raise Refusal("capsule-changed")
    objects.set_capsule(tx, object_id, digest)


def _settle(tx: Transaction, now: float, link_id: bytes, token: bytes, digest: bytes) -> None:
    opened = rights.owned_link(tx, link_id, token, now)
    if not links.set_capsule(tx, link_id, digest) and opened.link.capsule != digest:
        raise Refusal("capsule-exists")


async def _digest_of(capsule: bytes) -> bytes:
    # 64 MiB take 40 ms and more: not on the event loop.
    return (await asyncio.to_thread(hashlib.sha256, capsule)).digest()

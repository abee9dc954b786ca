"""Capsules: bytes durable in the store first, then their hash in the catalog.

A capsule streams in under no name, after the token was judged; hash and right are
judged again before it gets one. A link's capsule is written once. An owner capsule
has versions: each in a file of its own name, so that the one which the catalog
speaks of is never half replaced; the former file goes after the row has moved on.
Turns keep two writers of one capsule apart, and a reader from the file that is about
to go.
"""

from __future__ import annotations

from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from consigne.server.catalog import links, objects
from consigne.server.policy import naming, rules
from consigne.server.policy.ranges import Span
from consigne.server.refusal import Refusal
from consigne.server.service import rights
from consigne.server.service.desk import Desk, stored
from consigne.server.service.slices import Slice, Standing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from consigne.server.catalog.objects import ObjectRow
    from consigne.server.catalog.transaction import Transaction
    from consigne.server.service.rights import OpenLink
    from consigne.server.stores import Draft

    Body = AsyncIterator[bytes | memoryview]


class Capsules(Desk):
    """Sealed manifests, of links and of owners."""

    async def owner_capsule(self, object_id: bytes, token: bytes) -> tuple[Slice, str]:
        """The current owner capsule and its ETag. Close the slice.

        Refuses `not-found` before the first one, and as `rights.owned_object`.
        """
        owned = partial(self._owned_object, object_id, token)
        async with self.turns.of(object_id):
            row = await owned()
            if row.capsule is None:
                raise Refusal("not-found")
            name = naming.owner_capsule(object_id, row.capsule)
            return await self._open(name, object_id, owned), naming.tag(row.capsule)

    async def put_owner_capsule(
        self, object_id: bytes, token: bytes, length: int, body: Body, if_match: str | None
    ) -> str:
        """Replace the owner capsule that has the ETag `if_match`; its new ETag.

        Without `if_match` only the first one is taken. The current bytes again are
        always fine. Refuses `capsule-changed`, `too-large`, `bad-request`, `storage-full`,
        and as `rights.owned_object`, before `body` is touched where that can be.
        """
        rules.judge_capsule(length, self.settings)
        await self._owned_object(object_id, token)
        async with self._drafted(length, body) as draft, self.turns.of(object_id):
            row = await self._owned_object(object_id, token)
            if row.capsule != draft.digest:
                rules.judge_if_match(if_match, None if row.capsule is None else naming.tag(row.capsule))
                name = naming.owner_capsule(object_id, draft.digest)
                replace = partial(
                    _replace, object_id=object_id, token=token, former=row.capsule, digest=draft.digest
                )
                await self._keep(name, draft, replace)
                if row.capsule is not None:
                    await self.discard(None, [naming.owner_capsule(object_id, row.capsule)])
        return naming.tag(draft.digest)

    async def put_link_capsule(self, link_id: bytes, token: bytes, length: int, body: Body) -> None:
        """Give a link its capsule, once; the same bytes again are fine.

        `token` is the owner's. Refuses `capsule-exists`, `too-large`, `bad-request`,
        `storage-full`, and as `rights.owned_link`, before `body` is touched where that can be.
        """
        rules.judge_capsule(length, self.settings)
        await self._owned_link(link_id, token)
        async with self._drafted(length, body) as draft, self.turns.of(link_id):
            opened = await self._owned_link(link_id, token)
            if opened.link.capsule is None:
                settle = partial(_settle, link_id=link_id, token=token, digest=draft.digest)
                await self._keep(naming.link_capsule(link_id), draft, settle)
            elif opened.link.capsule != draft.digest:
                raise Refusal("capsule-exists")

    async def link_capsule(self, link_id: bytes, token: bytes) -> Slice:
        """A link's capsule, for whoever holds its read token; no download is counted. Close the slice.

        Refuses as `rights.readable_link`.
        """
        opened: OpenLink = await self.write(
            partial(rights.readable_link, link_id=link_id, token=token, now=self.clock())
        )
        live = partial(self._live_link, link_id)
        return await self._open(naming.link_capsule(link_id), opened.object.id, live)

    async def _owned_object(self, object_id: bytes, token: bytes) -> ObjectRow:
        return await self.read(
            partial(rights.owned_object, object_id=object_id, token=token, now=self.clock())
        )

    async def _owned_link(self, link_id: bytes, token: bytes) -> OpenLink:
        return await self.read(partial(rights.owned_link, link_id=link_id, token=token, now=self.clock()))

    async def _live_link(self, link_id: bytes) -> OpenLink:
        return await self.read(partial(rights.live_link, link_id=link_id, now=self.clock()))

    async def _open(self, name: str, object_id: bytes, judge: Callable[[], Awaitable[object]]) -> Slice:
        """A capsule on its way out, as long as `judge` refuses nothing."""
        with ExitStack() as watching:
            told = watching.enter_context(self.arrivals.watch(object_id))
            length, source = await stored(self.store.get_capsule(name))
            standing = Standing(told, judge, watching.pop_all())
        return Slice(Span(0, length), length, partial=False, source=source, standing=standing)

    @asynccontextmanager
    async def _drafted(self, length: int, body: Body) -> AsyncIterator[Draft]:
        """A capsule that has come in and has no name yet; what gets none goes again."""
        with self.receiving.room(length):
            await self.find_room()
            draft = await stored(self.store.draft_capsule(length, body))
            try:
                yield draft
            finally:
                await stored(self.store.delete_temporary(draft.name))

    async def _keep(self, name: str, draft: Draft, record: Callable[[Transaction, float], None]) -> None:
        """Bytes durable, then the row; the bytes go again if the row's owner is gone."""
        await stored(self.store.put_capsule(name, draft))
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

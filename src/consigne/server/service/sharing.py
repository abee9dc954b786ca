"""Links: made, revoked and unlocked by the owner of their object, looked at by who holds them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from consigne.server.catalog import gone, links, objects
from consigne.server.catalog.links import LinkRow
from consigne.server.policy import days, naming, rules
from consigne.server.refusal import Refusal
from consigne.server.service import rights
from consigne.server.service.desk import Desk
from consigne.server.service.states import link_state, link_view

if TYPE_CHECKING:
    from consigne import protocol
    from consigne.server.catalog.transaction import Transaction
    from consigne.server.policy.rules import AcceptedLink
    from consigne.server.service.rights import OpenLink


class Sharing(Desk):
    """What is done with links, but for their capsules and downloads."""

    async def put_link(
        self, link_id: bytes, token: bytes, new: protocol.NewLink
    ) -> tuple[protocol.LinkState, bool]:
        """Make a link to an object; True if it was not there. The same again is fine.

        `token` is the owner's. Refuses `bad-request`, `limit`, `gone` (link or object),
        `link-exists`, `storage-full`, and as `rights.owned_object`.
        """
        accepted = rules.judge_new_link(new, self.settings)
        await self.find_room()
        return await self.write(
            partial(_put, link_id=link_id, token=token, accepted=accepted, now=self.clock())
        )

    async def revoke(self, link_id: bytes, token: bytes) -> None:
        """Forget a link for good, then delete its capsule. Refuses as `rights.owned_object`."""
        revoke = partial(_revoke, link_id=link_id, token=token, now=self.clock())
        self.arrivals.tell(await self.write_less(revoke))
        await self.discard(None, [naming.link_capsule(link_id)])

    async def unlock(self, link_id: bytes, token: bytes) -> None:
        """Forget the wrong tokens that a link has seen. Refuses as `rights.owned_object`."""
        await self.write(partial(_unlock, link_id=link_id, token=token, now=self.clock()))

    async def link_view(self, link_id: bytes, token: bytes) -> protocol.LinkView:
        """What a link is to whoever holds it; no download is counted.

        `token` is the read token. Refuses as `rights.readable_link`.
        """
        opened: OpenLink = await self.write(
            partial(rights.readable_link, link_id=link_id, token=token, now=self.clock())
        )
        return link_view(opened.link, opened.object)


def _put(
    tx: Transaction, link_id: bytes, token: bytes, accepted: AcceptedLink, now: float
) -> tuple[protocol.LinkState, bool]:
    row = rights.owned_object(tx, accepted.object, token, now)
    if gone.has(tx, link_id):
        raise Refusal("gone")
    expires = None if accepted.lifetime is None else days.end_of(now, accepted.lifetime)
    there = links.find(tx, link_id)
    if there is not None:
        if not rules.is_same_link(there, accepted, expires):
            raise Refusal("link-exists")
        rules.judge_link_alive(there, row, now)
        return link_state(there, row), False
    if objects.find(tx, link_id) is not None:  # one id, one thing: gone ids are kept in one list
        raise Refusal("link-exists")
    if links.count(tx, accepted.object) >= rules.MAX_LINKS:
        raise Refusal("limit")
    link = LinkRow(link_id, accepted.object, accepted.token_hash, expires, accepted.limit)
    links.insert(tx, link)
    return link_state(link, row), True


def _revoke(tx: Transaction, link_id: bytes, token: bytes, now: float) -> bytes:
    """The id of the link's object."""
    opened = rights.owned_link(tx, link_id, token, now)
    gone.add(tx, link_id)
    links.delete(tx, link_id)
    return opened.object.id


def _unlock(tx: Transaction, link_id: bytes, token: bytes, now: float) -> None:
    rights.owned_link(tx, link_id, token, now)
    links.set_guesses(tx, link_id, 0, 0)

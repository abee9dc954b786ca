"""The judge: looks at values, returns a verdict or raises Refusal. No I/O, no clock of its own.

Every bound that a stranger meets is here or in `guessing`; the service fetches what
is judged and acts on the verdict.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final, NamedTuple

from consigne import protocol
from consigne.server.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consigne.server.catalog.links import LinkRow
    from consigne.server.catalog.objects import ObjectRow
    from consigne.server.catalog.tickets import TicketRow
    from consigne.server.settings import Settings

MAX_LINKS: Final = 1000  # of one object
MAX_UNUSED_TICKETS: Final = 1000  # of one link, started and not served yet
MAX_MISSING_LISTED: Final = 1000  # pairs


class AcceptedObject(NamedTuple):
    """A new object whose values are in order. Bytes and seconds."""

    id: bytes
    owner_hash: bytes
    length: int | None
    part_size: int
    lifetime: int


class AcceptedLink(NamedTuple):
    """A new link whose values are in order. `lifetime` in seconds, None: with its object."""

    object: bytes
    token_hash: bytes
    lifetime: int | None
    limit: int | None


# ---------------------------------------------------------------- what is asked for


def judge_new_object(new: protocol.NewObject, settings: Settings) -> AcceptedObject:
    """Refuses `bad-request`, `id-mismatch`, `limit`."""
    object_id, owner_hash = _id(new["id"]), _id(new["owner_hash"])
    if object_id != protocol.derive_object_id(_id(new["commitment"]), owner_hash):
        raise Refusal("id-mismatch")
    length = _optional_count(new["length"])
    if length is not None:
        judge_length(length, settings)
    part_size = protocol.part_size_for(length)
    if part_size is None:
        raise Refusal("limit")
    lifetime = _optional_count(new["expires_in"])
    if lifetime is None:
        lifetime = settings.default_expires_in
    judge_lifetime(lifetime, settings)
    return AcceptedObject(object_id, owner_hash, length, part_size, lifetime)


def judge_new_link(new: protocol.NewLink, settings: Settings) -> AcceptedLink:
    """Refuses `bad-request`, `limit`."""
    lifetime, limit = _optional_count(new["expires_in"]), _optional_count(new["downloads"])
    if lifetime is not None:
        judge_lifetime(lifetime, settings)
    if limit is not None and not 1 <= limit <= settings.max_downloads:
        raise Refusal("limit")
    return AcceptedLink(_id(new["object"]), _id(new["token_hash"]), lifetime, limit)


def judge_lifetime(lifetime: int, settings: Settings) -> None:
    """Refuses `limit`. Seconds."""
    if not 1 <= _count(lifetime) <= settings.max_expires_in:
        raise Refusal("limit")


def judge_length(length: int, settings: Settings) -> None:
    """Refuses `limit`. Bytes of ciphertext."""
    if not 1 <= _count(length) <= settings.max_length:
        raise Refusal("limit")


def judge_capsule(length: int, settings: Settings) -> None:
    """Refuses `bad-request` what is too short to be one, `too-large`. Bytes."""
    if length <= protocol.CAPSULE_OVERHEAD:
        raise Refusal("bad-request")
    if length > settings.max_capsule:
        raise Refusal("too-large")


def judge_if_match(if_match: str | None, tag: str | None) -> None:
    """Refuses `capsule-changed` unless `if_match` names the current `tag`, or both are absent."""
    if if_match is None:
        matches = tag is None
    else:
        matches = tag is not None and (if_match.strip() == "*" or tag in map(str.strip, if_match.split(",")))
    if not matches:
        raise Refusal("capsule-changed")


def judge_room(needed: int, free: int, kept: int) -> None:
    """Refuses `storage-full` what would leave less than `kept` bytes on the disk."""
    if free - needed < kept:
        raise Refusal("storage-full")


# ---------------------------------------------------------------- rights


def judge_owner(row: ObjectRow, token: bytes, now: float) -> None:
    """Refuses `gone`, `token-wrong`."""
    judge_alive(row, now)
    if not is_token(token, row.owner_hash):
        raise Refusal("token-wrong")


def judge_alive(row: ObjectRow, now: float) -> None:
    """Refuses `gone` an object that has expired, swept or not."""
    if now >= row.expires:
        raise Refusal("gone")


def judge_link_alive(link: LinkRow, row: ObjectRow, now: float) -> None:
    """Refuses `gone` a link that has expired, or whose object has."""
    if now >= link_end(link, row):
        raise Refusal("gone")


def link_end(link: LinkRow, row: ObjectRow) -> int:
    """When a link ends, in seconds since 1970: never after its object."""
    return row.expires if link.expires is None else min(link.expires, row.expires)


def is_token(token: bytes, digest: bytes) -> bool:
    """Whether a token is the one whose hash is kept; in constant time."""
    return hmac.compare_digest(protocol.token_hash(token), digest)


# ---------------------------------------------------------------- uploads


def judge_part(row: ObjectRow, part: int, length: int, settings: Settings) -> None:
    """Refuses a part that has no place in its object, or not this length.

    Refuses `not-found` (no such part), `length-mismatch`, `too-large`, `limit`.
    """
    if length > row.part_size:
        raise Refusal("too-large")
    if row.length is None:
        if not 0 <= part < protocol.MAX_PARTS:
            raise Refusal("not-found")
        if length < 1:
            raise Refusal("length-mismatch")
        if part * row.part_size + length > settings.max_length:
            raise Refusal("limit")
        return
    if not 0 <= part < protocol.part_count(row.length, row.part_size):
        raise Refusal("object-complete" if row.complete else "not-found")
    if length != length_at(part, row.length, row.part_size):
        raise Refusal("length-mismatch")


def length_at(part: int, length: int, part_size: int) -> int:
    """How many bytes a part has in an object of `length` bytes."""
    return min(part_size, length - part * part_size)


def judge_final_length(row: ObjectRow, length: int, settings: Settings) -> None:
    """Refuses `length-mismatch` with what was declared or completed, `limit`."""
    if row.length is not None:
        if length != row.length:
            raise Refusal("length-mismatch")
        return
    judge_length(length, settings)
    if length > protocol.MAX_PARTS * row.part_size:
        raise Refusal("limit")


def judge_parts(parts: Iterable[tuple[int, int]], length: int, part_size: int) -> None:
    """Refuses `parts-missing` with what is, `length-mismatch` where parts and length disagree.

    `parts` are (number, bytes) in order.
    """
    missing: list[list[int]] = []
    wanted, count, disagree = 0, protocol.part_count(length, part_size), False
    for part, size in parts:
        if part > wanted:
            missing.append([wanted, min(part, count) - 1])
        disagree = disagree or part >= count or size != length_at(part, length, part_size)
        wanted = part + 1
    if disagree:
        raise Refusal("length-mismatch")
    if wanted < count:
        missing.append([wanted, count - 1])
    if missing:
        raise Refusal("parts-missing", extra={"missing": missing[:MAX_MISSING_LISTED]})


def merged(parts: Iterable[int]) -> list[list[int]]:
    """Part numbers in order as [first, last] pairs."""
    pairs: list[list[int]] = []
    for part in parts:
        if pairs and pairs[-1][1] == part - 1:
            pairs[-1][1] = part
        else:
            pairs.append([part, part])
    return pairs


# ---------------------------------------------------------------- links and downloads


def is_same_link(there: LinkRow, accepted: AcceptedLink, expires: int | None) -> bool:
    """Whether a link that is put again asks for what it is.

    A repetition can only come later, so its computed end is the same or later; the
    first one stays. An earlier end, or an end where there was none, is another link.
    """
    if there.expires is None or expires is None:
        same_end = there.expires is None and expires is None
    else:
        same_end = expires >= there.expires
    same_token = hmac.compare_digest(there.token_hash, accepted.token_hash)
    return same_token and same_end and (there.object, there.limit) == (accepted.object, accepted.limit)


def downloads_left(link: LinkRow) -> int | None:
    """How many downloads may still begin; None: any number."""
    return None if link.limit is None else max(0, link.limit - link.downloads)


def judge_download(link: LinkRow, unused: int) -> None:
    """Refuses `downloads-used-up`, `too-many-downloads`."""
    if downloads_left(link) == 0:
        raise Refusal("downloads-used-up")
    if unused >= MAX_UNUSED_TICKETS:
        raise Refusal("too-many-downloads")


def judge_ticket(ticket: TicketRow, link: LinkRow, object_id: bytes, now: float) -> None:
    """Refuses `token-wrong` a ticket that ended, or is for another object."""
    if link.object != object_id or now >= ticket.expires:
        raise Refusal("token-wrong")


def judge_charge(ticket: TicketRow, needed: int, length: int, reserve: int) -> int:
    """How many bytes to charge a ticket that lacks `needed`: up to `reserve` if it can be.

    `length` is the content's, or what is durable of it so far. Refuses `ticket-spent`.
    """
    affordable = protocol.ticket_budget(length) - ticket.served
    if needed > affordable:
        raise Refusal("ticket-spent")
    return max(needed, min(reserve, affordable), 0)


# ---------------------------------------------------------------- values


def _id(text: object) -> bytes:
    if isinstance(text, str):
        try:
            return protocol.unb64u(text)
        except ValueError:
            pass
    raise Refusal("bad-request")


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refusal("bad-request")
    return value


def _optional_count(value: object) -> int | None:
    return None if value is None else _count(value)

"""What a host is, said plainly: a few dictionaries, a clock, and one thing at a time.

No file, no transaction, no token: whoever asks is named by the number of an owner.
Each method answers as the service does, or raises No with the code of its refusal.
`test_model` holds the service against it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

PART, LENGTH = 4096, 2 * 4096 + 1000  # the test shrinks the parts of the real host to this
PARTS = (PART, PART, 1000)
FREE, LOCK = 3, 6  # wrong tokens before a delay, and before a lock; shrunk too
HOUR, DAY = 3600, 86_400
NEVER = math.inf


class No(Exception):  # noqa: N818  the code of a refusal, said plainly
    def __init__(self, code: str) -> None:
        self.code = code


def end_of(now: float, lifetime: int) -> int:
    step = DAY if lifetime >= DAY else HOUR
    return math.ceil((now + lifetime) / step) * step


@dataclass
class Thing:
    length: int | None
    expires: int
    day: int
    parts: dict[int, int] = field(default_factory=dict)
    complete: bool = False
    capsule: int | None = None


@dataclass
class Way:
    """A link."""

    object: int
    expires: float
    limit: float
    used: int = 0
    capsule: int | None = None
    wrong: int = 0
    not_before: int = 0


@dataclass
class Pass:
    """A ticket."""

    link: int
    expires: int
    counted: bool = False


@dataclass
class World:
    now: float
    objects: dict[int, Thing] = field(default_factory=dict)
    links: dict[int, Way] = field(default_factory=dict)
    tickets: dict[int, Pass] = field(default_factory=dict)
    gone: set[tuple[str, int]] = field(default_factory=set)

    # ------------------------------------------------------------ objects

    def begin(self, owner: int, length: int | None, lifetime: int) -> str:
        if ("object", owner) in self.gone:
            raise No("gone")
        if owner in self.objects:
            raise No("object-exists" if self._alive(owner) else "gone")
        self.objects[owner] = Thing(length, end_of(self.now, lifetime), int(self.now // DAY))
        return "done"

    def send(self, owner: int, by: int, part: int, size: int) -> str:
        thing = self._owned(owner, by)
        if size > PART:
            raise No("too-large")
        if thing.length is not None:
            if part * PART >= thing.length:
                raise No("object-complete" if thing.complete else "not-found")
            if size != min(PART, thing.length - part * PART):
                raise No("length-mismatch")
        if part not in thing.parts:
            thing.parts[part], thing.day = size, int(self.now // DAY)
        elif thing.parts[part] != size:
            raise No("length-mismatch")
        return "done"

    def complete(self, owner: int, by: int, length: int) -> str:
        thing = self._owned(owner, by)
        if thing.length not in (None, length):
            raise No("length-mismatch")
        if not thing.complete:
            wanted = {part: min(PART, length - part * PART) for part in range(-(-length // PART))}
            if any(wanted.get(part) != size for part, size in thing.parts.items()):
                raise No("length-mismatch")
            if wanted != thing.parts:
                raise No("parts-missing")
            thing.complete, thing.length = True, length
        return "done"

    def state(self, owner: int, by: int) -> tuple[object, ...]:
        thing = self._owned(owner, by)
        shared = {
            link: (self._end(way), way.used, way.wrong >= LOCK)
            for link, way in self.links.items()
            if way.object == owner
        }
        return thing.complete, thing.length, sorted(thing.parts), thing.expires, shared

    def extend(self, owner: int, by: int, lifetime: int) -> str:
        self._owned(owner, by).expires = end_of(self.now, lifetime)
        return "done"

    def remove(self, owner: int, by: int) -> str:
        self._owned(owner, by)
        self._forget(owner)
        return "done"

    def put_mine(self, owner: int, by: int, capsule: int, former: int | None) -> str:
        thing = self._owned(owner, by)
        if thing.capsule not in (capsule, former):
            raise No("capsule-changed")
        thing.capsule = capsule
        return "done"

    def mine(self, owner: int, by: int) -> int:
        capsule = self._owned(owner, by).capsule
        if capsule is None:
            raise No("not-found")
        return capsule

    # ------------------------------------------------------------ links

    def put_link(self, link: int, owner: int, by: int, lifetime: int | None, limit: int | None) -> str:
        self._owned(owner, by)
        if ("link", link) in self.gone:
            raise No("gone")
        expires = NEVER if lifetime is None else end_of(self.now, lifetime)
        most = NEVER if limit is None else limit
        way = self.links.setdefault(link, Way(owner, expires, most))
        same_end = way.expires == expires or way.expires <= expires < NEVER
        if not same_end or (way.object, way.limit) != (owner, most):
            raise No("link-exists")
        if self.now >= self._end(way):
            raise No("gone")
        return "done"

    def put_capsule(self, link: int, by: int, capsule: int) -> str:
        way = self._owned_link(link, by)
        if way.capsule not in (None, capsule):
            raise No("capsule-exists")
        way.capsule = capsule
        return "done"

    def capsule(self, link: int, right: bool) -> int | None:  # noqa: FBT001  as drawn
        return self._readable(link, right).capsule

    def revoke(self, link: int, by: int) -> str:
        self._owned_link(link, by)
        self._drop(link)
        return "done"

    def unlock(self, link: int, by: int) -> str:
        way = self._owned_link(link, by)
        way.wrong = way.not_before = 0
        return "done"

    def view(self, link: int, right: bool) -> tuple[object, ...]:  # noqa: FBT001  as drawn
        way = self._readable(link, right)
        thing = self.objects[way.object]
        return thing.complete, thing.length, self._end(way), way.used, max(0, way.limit - way.used)

    # ------------------------------------------------------------ downloads

    def ticket(self, link: int, right: bool, number: int) -> str:  # noqa: FBT001  as drawn
        way = self._readable(link, right)
        if way.used >= way.limit:
            raise No("downloads-used-up")
        self.tickets[number] = Pass(link, math.ceil((self.now + HOUR) / HOUR) * HOUR)
        return "done"

    def fetch(self, number: int, owner: int, span: tuple[int, int] | None) -> tuple[int, int]:
        """Which bytes of the owner's content come."""
        thing = self._there(owner)
        if self.now >= thing.expires:
            raise No("gone")
        ticket = self.tickets.get(number)
        if ticket is None or self.links[ticket.link].object != owner or self.now >= ticket.expires:
            raise No("token-wrong")
        way = self.links[ticket.link]
        if self.now >= self._end(way):
            raise No("gone")
        if not ticket.counted and way.used >= way.limit:
            raise No("downloads-used-up")
        served = _span(thing, span)
        if not ticket.counted:
            ticket.counted, ticket.expires = True, math.ceil((self.now + DAY) / HOUR) * HOUR
            way.used += 1
        return served

    # ------------------------------------------------------------ time

    def sweep(self) -> str:
        today = int(self.now // DAY)
        for owner, thing in list(self.objects.items()):
            stale = not thing.complete and thing.day < today - 2
            if self.now >= thing.expires or stale:
                shared = any(way.object == owner for way in self.links.values())
                if thing.parts or thing.capsule is not None or shared:
                    self._forget(owner)
                else:
                    del self.objects[owner]
        for link, way in list(self.links.items()):
            if self.now >= way.expires:
                self._drop(link)
        return "done"

    # ------------------------------------------------------------ who may

    def _there(self, owner: int) -> Thing:
        if owner not in self.objects:
            raise No("gone" if ("object", owner) in self.gone else "not-found")
        return self.objects[owner]

    def _alive(self, owner: int) -> bool:
        return self.now < self.objects[owner].expires

    def _owned(self, owner: int, by: int) -> Thing:
        thing = self._there(owner)
        if not self._alive(owner):
            raise No("gone")
        if by != owner:
            raise No("token-wrong")
        return thing

    def _end(self, way: Way) -> float:
        return min(way.expires, self.objects[way.object].expires)

    def _link(self, link: int) -> Way:
        if link not in self.links:
            raise No("gone" if ("link", link) in self.gone else "not-found")
        if self.now >= self._end(self.links[link]):
            raise No("gone")
        return self.links[link]

    def _owned_link(self, link: int, by: int) -> Way:
        way = self._link(link)
        if by != way.object:
            raise No("token-wrong")
        return way

    def _readable(self, link: int, right: bool) -> Way:  # noqa: FBT001  as drawn
        way = self._link(link)
        if way.wrong >= LOCK:
            raise No("link-locked")
        if self.now < way.not_before:
            raise No("slow-down")
        if not right:
            way.wrong += 1
            if way.wrong >= FREE:
                way.not_before = math.ceil(self.now + 2 ** (way.wrong - FREE))
            raise No("token-wrong")
        if way.capsule is None:
            raise No("not-found")
        return way

    def _forget(self, owner: int) -> None:
        for link in [link for link, way in self.links.items() if way.object == owner]:
            self._drop(link)
        self.gone.add(("object", owner))
        del self.objects[owner]

    def _drop(self, link: int) -> None:
        self.gone.add(("link", link))
        self.tickets = {number: each for number, each in self.tickets.items() if each.link != link}
        del self.links[link]


def _span(thing: Thing, span: tuple[int, int] | None) -> tuple[int, int]:
    if thing.complete:
        return span or (0, LENGTH)
    if span is None:
        raise No("not-yet")
    start, stop = span
    part = start // PART
    there = part * PART
    while part in thing.parts:
        there = part * PART + thing.parts[part]
        part += 1
        if there != part * PART:
            break
    if min(there, stop) <= start:
        raise No("not-yet")
    return start, min(there, stop)

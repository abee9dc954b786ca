"""What a host acknowledged while things went wrong, and whether it is still true later.

A ledger belongs to one owner's object at a time: it tries everything that an owner or reader
does, notes what was answered with success, and refuses any other answer than a 5xx problem
with a code of the storage.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from consigne import protocol
from tests.hosts import CAPSULE, Answer, Owner, ask

STORAGE = ("storage-failed", "storage-full")


@dataclass
class Entry:
    """One object: what was acknowledged of it."""

    owner: Owner
    data: bytes
    begun: bool = False
    part: bool = False
    complete: bool = False
    link: bool = False
    capsule: bool = False
    removed: bool = False
    touched: bool = False  # a removal was tried, and may have happened or not


@dataclass
class Ledger:
    """All objects of a test, on the host at `port`; `codes` are the problems that were told."""

    port: int
    seed: int = 1
    entries: list[Entry] = field(default_factory=list)
    codes: set[str] = field(default_factory=set)

    def put(self, size: int = 5000) -> Entry:
        """Try a whole put; what is refused is left out, and what needs it with it."""
        data = random.Random(self.seed * 1000 + len(self.entries)).randbytes(size)
        entry = Entry(Owner(self.port), data)
        self.entries.append(entry)
        self.go_on(entry)
        return entry

    def go_on(self, entry: Entry) -> None:
        """Try what is missing of a put."""
        owner = entry.owner
        if not entry.begun:
            answer = owner.begin(len(entry.data))
            # Begun and not told: the refused commit may have come to stay.
            entry.begun = self._well(answer) or answer.code == "object-exists"
        if entry.begun and not entry.part:
            entry.part = self._well(owner.send(0, entry.data))
        if entry.part and not entry.complete:
            entry.complete = self._well(owner.complete(len(entry.data)))
        if entry.begun and not entry.link:
            route = protocol.link_route(owner.link)
            entry.link = self._well(ask(self.port, "PUT", route, owner.token, owner.new_link()))
        if entry.link and not entry.capsule:
            route = protocol.link_capsule_route(owner.link)
            entry.capsule = self._well(ask(self.port, "PUT", route, owner.token, CAPSULE))

    def remove(self, entry: Entry) -> None:
        """Try to remove it."""
        entry.touched = True
        answer = ask(self.port, "DELETE", protocol.object_route(entry.owner.id), entry.owner.token)
        entry.removed = self._well(answer) or answer.code == "gone"

    def whole(self, entry: Entry) -> bool:
        """Whether every step of a put was acknowledged."""
        return entry.complete and entry.capsule

    def check(self, port: int) -> None:
        """All that was acknowledged is there, on the host at `port`, and nothing removed has come back."""
        for entry in self.entries:
            entry.owner.port = port
            state = ask(port, "GET", protocol.object_route(entry.owner.id), entry.owner.token)
            if entry.removed:
                assert state.code == "gone"
            elif entry.begun and not entry.touched:
                assert state.status == 200, state.body
                assert not entry.part or state.json["parts"] == [[0, 0]]
                assert not entry.complete or state.json["complete"]
            if self.whole(entry) and not entry.touched:
                assert self.fetch(entry, entry.owner.ticket()) == entry.data

    def fetch(self, entry: Entry, ticket: bytes) -> bytes:
        """Capsule and content, as a reader has them."""
        owner = entry.owner
        sealed = ask(owner.port, "GET", protocol.link_capsule_route(owner.link), owner.reader)
        assert sealed.body == CAPSULE, sealed.body
        answer = owner.content(ticket)
        assert answer.status == 200, answer.body
        return answer.body

    def _well(self, answer: Answer) -> bool:
        if answer.status < 300:
            return True
        if answer.code not in ("object-exists", "gone"):
            assert answer.status in (503, 507), answer.body
            assert answer.code in STORAGE, answer.code
            self.codes.add(answer.code)
        return False

"""Many clients at once: they put, get, compare and remove objects of mixed sizes, and remember.

To a host a client is somebody with random bytes; these speak its API without encrypting, so that
it is the host which is under load. What was not answered is asked again, as a client does;
what was acknowledged is noted, and must be true for ever after.
"""

from __future__ import annotations

import http.client
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from consigne import protocol
from consigne.protocol import MIB
from tests.hosts import CAPSULE, Answer, Owner, ask

BLOCK = secrets.token_bytes(48 * MIB)  # every content is a stretch of it
SIZES = [(1, 20_000), (1, 20_000), (1, 20_000), (100_000, 2 * MIB), (100_000, 2 * MIB), (8 * MIB, 24 * MIB)]
AGAIN = (408, 429, 503)  # the host's way of saying: later


class Unexpected(Exception):  # noqa: N818  reads as what happened
    """An answer that no client should get."""


@dataclass
class Thing:
    """One object, and what was acknowledged of it."""

    owner: Owner
    start: int
    size: int
    begun: bool = False
    parts: set[int] = field(default_factory=set)
    complete: bool = False
    shared: bool = False
    touched: bool = False  # a removal was asked for
    removed: bool = False

    @property
    def data(self) -> memoryview:
        return memoryview(BLOCK)[self.start : self.start + self.size]


class Clients:
    """`count` clients on the host at `port`, from `start` to `stop`."""

    def __init__(self, port: int, count: int, seed: int, most_bytes: int) -> None:
        self.things: list[Thing] = []
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self._port = port
        self._there: list[Thing] = []  # whole, and not asked to be removed
        self._held = 0  # bytes of those
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._live, args=(random.Random(f"{seed}/{number}"),))
            for number in range(count)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Each ends what it is at."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    # ---------------------------------------------------------------- one client

    def _live(self, chance: random.Random) -> None:
        try:
            while not self._over.is_set():
                thing = self._choose(chance)
                if thing is None:
                    self._put(chance)
                elif self._held > self._most_bytes or chance.random() < 0.1:
                    self._remove(thing)
                else:
                    self._get(thing)
        except Exception as error:  # noqa: BLE001  shown to the test
            self.failures.append(repr(error))

    def _choose(self, chance: random.Random) -> Thing | None:
        with self._lock:
            return chance.choice(self._there) if self._there and chance.random() < 0.6 else None

    def _put(self, chance: random.Random) -> None:
        size = chance.randint(*chance.choice(SIZES))
        thing = Thing(Owner(self._port), chance.randrange(len(BLOCK) - size), size)
        owner = thing.owner
        with self._lock:
            self.things.append(thing)
        self._insist(lambda: owner.begin(size), "object-exists")
        thing.begun = True
        part_size = protocol.part_size_for(size) or 0
        for number, start in enumerate(range(0, size, part_size)):
            piece = bytes(thing.data[start : start + part_size])
            self._insist(lambda number=number, piece=piece: owner.send(number, piece), "part-busy")
            thing.parts.add(number)
        self._insist(lambda: owner.complete(size))
        thing.complete = True
        route, sealed = protocol.link_route(owner.link), protocol.link_capsule_route(owner.link)
        self._insist(lambda: ask(self._port, "PUT", route, owner.token, owner.new_link()))
        self._insist(lambda: ask(self._port, "PUT", sealed, owner.token, CAPSULE))
        thing.shared = True
        with self._lock:
            self._there.append(thing)
            self._held += size
        self.counts.update(puts=1, bytes_put=size)

    def _get(self, thing: Thing) -> None:
        got = self._fetch(thing)
        if got is not None and got != thing.data:
            raise Unexpected("other bytes")
        self.counts.update(gets=1, bytes_got=thing.size)

    def _fetch(self, thing: Thing) -> bytes | None:
        """All of it; None where it was removed meanwhile."""
        owner, gone = thing.owner, ("gone", "token-wrong", "not-found")
        route = protocol.downloads_route(owner.link)
        started = self._insist(lambda: ask(self._port, "POST", route, owner.reader), *gone)
        if started.status == 201:
            ticket = protocol.unb64u(started.json["ticket"])
            answer = self._insist(lambda: owner.content(ticket), *gone)
            if answer.status == 200:
                return answer.body
        if not thing.touched:
            raise Unexpected("it is gone, and nobody removed it")
        return None

    def _remove(self, thing: Thing) -> None:
        with self._lock:
            if thing.touched:  # another client is at it
                return
            thing.touched = True
            self._there.remove(thing)
            self._held -= thing.size
        route = protocol.object_route(thing.owner.id)
        self._insist(lambda: ask(self._port, "DELETE", route, thing.owner.token), "gone")
        thing.removed = True
        self.counts["removals"] += 1

    def _insist(self, call: Callable[[], Answer], *fine: str) -> Answer:
        """Ask until there is an answer: 2xx, or a problem of one of the codes."""
        while True:
            try:
                answer = call()
            except (OSError, http.client.HTTPException):
                self.counts["broken"] += 1
                time.sleep(0.2)
                continue
            if answer.status < 300 or answer.code in fine:
                if not (answer.status < 300) and answer.code == "part-busy":
                    time.sleep(0.2)
                    continue
                return answer
            if answer.status not in AGAIN:
                raise Unexpected(f"{answer.status} {answer.code}")
            self.counts[answer.code] += 1
            time.sleep(0.2)

    # ---------------------------------------------------------------- afterwards

    def check(self) -> Counter[str]:
        """Compare everything that was acknowledged; how many objects were whole, partial, removed."""
        found: Counter[str] = Counter()
        for thing in self.things:
            state = ask(self._port, "GET", protocol.object_route(thing.owner.id), thing.owner.token)
            if thing.removed:
                assert state.code == "gone"
                found["removed"] += 1
            elif thing.touched or not thing.begun:
                found["neither"] += 1
            elif thing.shared:
                assert self._fetch(thing) == thing.data
                found["whole"] += 1
            else:
                assert state.status == 200, state.body
                listed = {n for first, last in state.json["parts"] for n in range(first, last + 1)}
                assert thing.parts <= listed
                found["partial"] += 1
        return found

"""The service held against a plain model of it (`plain_model`), one step at a time and in races.

Hypothesis draws what owners, readers, the clock and the sweep do, and what several of
them do at once. What comes of a race must be what comes of the same steps in some
order, one after the other. Where several orders explain it, all are followed, until
a later step tells which one it was.

`CONSIGNE_TEST_KILLS` sets how many stories are told, `CONSIGNE_TEST_SEED` which;
without one they are the same each time.
"""

from __future__ import annotations

import asyncio
import copy
import os
import random
import secrets
import tempfile
from itertools import permutations
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from consigne import protocol
from consigne.server.policy import guessing, naming
from consigne.server.policy.days import rfc3339
from consigne.server.refusal import Refusal
from consigne.server.service.service import Range, Slice
from consigne.server.stores import StoreError
from tests.server.lodging import (
    NOON,
    Link,
    Lodging,
    Owner,
    pieces,
    put_link_capsule,
    put_owner_capsule,
    read_all,
)
from tests.server.plain_model import DAY, FREE, HOUR, LENGTH, LOCK, NEVER, PART, PARTS, No, World
from tests.soak import KILLS

STORIES = (3 if KILLS < 200 else 10) * KILLS
SEED = os.environ.get("CONSIGNE_TEST_SEED")

OWNERS, LINKS, TICKETS = range(2), range(3), range(5)
CAPSULES = [bytes([1, number]) + bytes(200) for number in range(3)]
CONTENTS = [random.Random(owner).randbytes(LENGTH) for owner in OWNERS]
TAKE_AWAY = ("remove", "revoke", "sweep")
READ = ("fetch", "mine", "capsule")
CUT = "cut off"

Act = tuple[Any, ...]  # a method of World, and what it takes


class Actors:
    """The acts of the model, done to the real service. What each answers is said as the model says it."""

    def __init__(self, host: Lodging) -> None:
        self.host = host
        self.owners = [Owner(host.service) for _ in OWNERS]
        self.links = [Link(host.service) for _ in LINKS]
        self.tickets = {number: secrets.token_bytes(32) for number in TICKETS}

    async def act(self, act: Act) -> object:
        try:
            return await getattr(self, act[0])(*act[1:])
        except Refusal as refusal:
            return refusal.code

    async def begin(self, owner: int, length: int | None, lifetime: int) -> str:
        await self.host.service.begin(self.owners[owner].new(length, lifetime))
        return "done"

    async def send(self, owner: int, by: int, part: int, size: int) -> str:
        data = CONTENTS[owner][part * PART :][:size].ljust(size)
        await self.host.service.receive_part(
            self.owners[owner].id, self.owners[by].token, part, size, pieces(data, 3000)
        )
        return "done"

    async def complete(self, owner: int, by: int, length: int) -> str:
        await self.host.service.complete(self.owners[owner].id, self.owners[by].token, length)
        return "done"

    async def state(self, owner: int, by: int) -> tuple[object, ...]:
        found = await self.host.service.object_state(self.owners[owner].id, self.owners[by].token)
        numbers = {protocol.b64u(link.id): number for number, link in enumerate(self.links)}
        parts = [part for first, last in found["parts"] for part in range(first, last + 1)]
        shared = {
            numbers[link["id"]]: (link["expires"], link["downloads"], link["locked"])
            for link in found["links"]
        }
        return found["complete"], found["length"], parts, found["expires"], shared

    async def extend(self, owner: int, by: int, lifetime: int) -> str:
        await self.host.service.extend(self.owners[owner].id, self.owners[by].token, lifetime)
        return "done"

    async def remove(self, owner: int, by: int) -> str:
        await self.host.service.remove(self.owners[owner].id, self.owners[by].token)
        return "done"

    async def put_mine(self, owner: int, by: int, capsule: int, former: int | None) -> str:
        tag = None if former is None else protocol.capsule_etag(CAPSULES[former])
        await put_owner_capsule(
            self.host.service, self.owners[owner].id, self.owners[by].token, CAPSULES[capsule], tag
        )
        return "done"

    async def mine(self, owner: int, by: int) -> object:
        found, tag = await self.host.service.owner_capsule(self.owners[owner].id, self.owners[by].token)
        capsule = await _read(found)
        assert capsule == CUT or tag == protocol.capsule_etag(capsule)
        return capsule if capsule == CUT else CAPSULES.index(capsule)

    async def put_link(self, link: int, owner: int, by: int, lifetime: int | None, limit: int | None) -> str:
        new = self.owners[owner].new_link(self.links[link], lifetime, limit)
        await self.host.service.put_link(self.links[link].id, self.owners[by].token, new)
        return "done"

    async def put_capsule(self, link: int, by: int, capsule: int) -> str:
        token = self.owners[by].token
        await put_link_capsule(self.host.service, self.links[link].id, token, CAPSULES[capsule])
        return "done"

    async def capsule(self, link: int, right: bool) -> object:  # noqa: FBT001  as drawn
        found = await self.host.service.link_capsule(self.links[link].id, self._token(link, right))
        capsule = await _read(found)
        return capsule if capsule == CUT else CAPSULES.index(capsule)

    async def revoke(self, link: int, by: int) -> str:
        await self.host.service.revoke(self.links[link].id, self.owners[by].token)
        return "done"

    async def unlock(self, link: int, by: int) -> str:
        await self.host.service.unlock(self.links[link].id, self.owners[by].token)
        return "done"

    async def view(self, link: int, right: bool) -> tuple[object, ...]:  # noqa: FBT001  as drawn
        found = await self.host.service.link_view(self.links[link].id, self._token(link, right))
        left = NEVER if found["downloads_left"] is None else found["downloads_left"]
        return found["complete"], found["length"], found["expires"], found["downloads"], left

    async def ticket(self, link: int, right: bool, number: int) -> str:  # noqa: FBT001  as drawn
        given = await self.host.service.start_download(self.links[link].id, self._token(link, right))
        self.tickets[number] = protocol.unb64u(given["ticket"])
        return "done"

    async def fetch(self, number: int, owner: int, span: tuple[int, int] | None) -> object:
        wanted = None if span is None else Range(span[0], span[1] - 1, None)
        found = await self.host.service.content(self.owners[owner].id, self.tickets[number], wanted)
        content = await _read(found)
        if content == CUT:
            return CUT
        assert content == CONTENTS[owner][found.start : found.stop]
        return found.start, found.stop

    async def sweep(self) -> str:
        assert (await self.host.service.sweep()).failed == 0
        return "done"

    def _token(self, link: int, right: bool) -> bytes:  # noqa: FBT001  as drawn
        return self.links[link].token if right else bytes(32)


async def _read(found: Slice) -> Any:  # noqa: ANN401  bytes, or that they were cut off
    try:
        return await read_all(found)
    except (Refusal, StoreError):
        return CUT


# ---------------------------------------------------------------- what explains an outcome


def expected(world: World, act: Act) -> object:
    """What the model answers; the world has moved on."""
    try:
        answer = getattr(world, act[0])(*act[1:])
    except No as no:
        return no.code
    return _said(answer)


def _said(answer: object) -> object:
    """Ends as the service writes them."""
    if isinstance(answer, tuple) and len(answer) == 5:
        one, two, three, four, five = answer
        if isinstance(five, dict):
            five = {link: (rfc3339(int(end)), used, locked) for link, (end, used, locked) in five.items()}
            return one, two, three, rfc3339(four), five
        return one, two, rfc3339(int(three)), four, five
    return answer


def explained(world: World, acts: list[Act], outcomes: list[object], order: tuple[int, ...]) -> World | None:
    """The world after these acts in this order, if their outcomes were those."""
    after = copy.deepcopy(world)
    for place, number in enumerate(order):
        before = copy.deepcopy(after)
        wanted, came = expected(after, acts[number]), outcomes[number]
        if came == wanted:
            continue
        later = [acts[other] for other in order[place + 1 :]]
        if _was_cut(acts[number], came, wanted, later):
            continue
        if _was_busy(acts[number], came, [acts[other] for other in order if other != number]):
            after = before
            continue
        return None
    return after


def _was_cut(act: Act, came: object, wanted: object, later: list[Act]) -> bool:
    """What is taken away while it is being read ends early, and says so."""
    taken = any(other[0] in TAKE_AWAY for other in later)
    return act[0] in READ and came in (CUT, "storage-failed") and not isinstance(wanted, str) and taken


def _was_busy(act: Act, came: object, others: list[Act]) -> bool:
    """Two senders of one part: the second is told so, and nothing comes of it."""
    sends = [other for other in others if other[0] == "send"]
    return came == "part-busy" and any((other[1], other[3]) == (act[1], act[3]) for other in sends)


# ---------------------------------------------------------------- what is drawn

owner = st.sampled_from(OWNERS)
link = st.sampled_from(LINKS)
number = st.sampled_from(TICKETS)
mostly = st.sampled_from([True] * 5 + [False])
RARELY = mostly.map(lambda often: not often)
lifetime = st.sampled_from([HOUR, 2 * DAY, 7 * DAY])
capsule = st.sampled_from(range(len(CAPSULES)))


@st.composite
def owners(draw: st.DrawFn) -> tuple[int, int]:
    """Whose it is, and who asks: mostly the same."""
    whose = draw(owner)
    return whose, whose if draw(mostly) else draw(owner)


@st.composite
def parts(draw: st.DrawFn) -> tuple[int, int]:
    """A part and its size, mostly the one that it must have."""
    part = draw(st.sampled_from(range(len(PARTS))))
    return part, PARTS[part] if draw(mostly) else draw(st.sampled_from([1, 1000, PART, PART + 1]))


SPANS = st.sampled_from([None, (0, LENGTH), (0, PART), (PART, LENGTH), (100, PART + 100)])
LENGTHS = st.sampled_from([LENGTH, LENGTH, None])
FINAL = st.sampled_from([LENGTH] * 4 + [PART, LENGTH - 1])
ACTS: dict[str, st.SearchStrategy[Act]] = {
    "begin": st.tuples(owner, LENGTHS, lifetime),
    "send": st.builds(lambda one, other: one + other, owners(), parts()),
    "complete": st.builds(lambda one, length: (*one, length), owners(), FINAL),
    "state": owners(),
    "extend": st.builds(lambda one, time: (*one, time), owners(), lifetime),
    "remove": owners(),
    "put_mine": st.builds(lambda one, new, old: (*one, new, old), owners(), capsule, st.none() | capsule),
    "mine": owners(),
    "put_link": st.builds(
        lambda new, one, time, limit: (new, *one, time, limit),
        link,
        owners(),
        st.sampled_from([None, None, HOUR, 2 * DAY]),
        st.sampled_from([None, 1, 1, 2]),
    ),
    "put_capsule": st.tuples(link, owner, st.sampled_from([0, 0, 0, 1])),
    "capsule": st.tuples(link, mostly),
    "revoke": st.tuples(link, owner),
    "unlock": st.tuples(link, owner),
    "view": st.tuples(link, mostly),
    "ticket": st.tuples(link, mostly, number),
    "fetch": st.builds(lambda ticket, twin, span: (ticket, (ticket + twin) % 2, span), number, RARELY, SPANS),
    "sweep": st.just(()),
}
OFTEN = ["begin", "send", "send", "send", "complete", "put_link", "put_capsule", "ticket", "fetch", "fetch"]


@st.composite
def acts(draw: st.DrawFn) -> Act:
    name = draw(st.sampled_from([*ACTS, *OFTEN]))
    return name, *draw(ACTS[name])


class Machine(RuleBasedStateMachine):
    """One host, and the worlds that may be the case."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="consigne-model-")
        self.runner = asyncio.Runner()
        self.host = Lodging(Path(self.folder.name))
        self.runner.run(self.host.open())
        self.host.service.wait_for_bytes = 0.0
        self.actors = Actors(self.host)
        self.worlds = [World(NOON)]

    @rule(act=acts())
    def one(self, act: Act) -> None:
        self._race([act])

    @rule(race=st.lists(acts(), min_size=2, max_size=4))
    def several(self, race: list[Act]) -> None:
        self._race(race)

    @rule(act=acts(), times=st.integers(2, 3), other=acts())
    def the_same_at_once(self, act: Act, times: int, other: Act) -> None:
        """And something beside it: guesses, senders of one part, fetches with one ticket."""
        self._race([act] * times + [other])

    @rule(whose=owner, span=SPANS, other=acts())
    def many_fetch_at_once(self, whose: int, span: tuple[int, int] | None, other: Act) -> None:
        self._race([*(("fetch", ticket, whose, span) for ticket in TICKETS[whose::2]), other])

    @rule(whose=owner, new=link)
    def capsules_at_once(self, whose: int, new: int) -> None:
        """Several for one place: one of them stays, and it is the one that is read."""
        self._race([("put_link", new, whose, whose, None, None)])
        self._race([*(("put_capsule", new, whose, each) for each in (0, 1)), ("mine", whose, whose)])
        self._race([("put_mine", whose, whose, each, None) for each in (0, 1, 2)])
        self._race([("capsule", new, True), ("mine", whose, whose)])

    @rule(known=link, other=acts())
    def guesses(self, known: int, other: Act) -> None:
        self._race([("view", known, False), ("ticket", known, False, 0), ("view", known, True), other])

    @initialize(length=LENGTHS)
    def two_shares(self, length: int | None) -> None:
        self.a_whole_share(0, 0, length, 1)
        self.a_whole_share(1, 1, length, None)

    @rule(whose=owner, new=link, length=LENGTHS, limit=st.sampled_from([None, 1, 2]))
    def a_whole_share(self, whose: int, new: int, length: int | None, limit: int | None) -> None:
        """What chance alone seldom brings about: something to be raced for."""
        if whose not in self.worlds[0].objects and new not in self.worlds[0].links:
            self.somebody_new(whose, new)
            self._race([("begin", whose, length, 7 * DAY)])
            self._race([("send", whose, whose, part, size) for part, size in enumerate(PARTS)])
            self._race([("complete", whose, whose, LENGTH)])
            self._race([("put_link", new, whose, whose, None, limit)])
            self._race([("put_capsule", new, whose, 0)])
            for number in TICKETS[new % 2 :: 2]:
                self._race([("ticket", new, True, number)])

    @rule(whose=owner, new=link)
    def somebody_new(self, whose: int, new: int) -> None:
        """In the place of an object and a link that are gone."""
        if all(("object", whose) in world.gone for world in self.worlds):
            self.actors.owners[whose] = Owner(self.host.service)
            for world in self.worlds:
                world.gone.discard(("object", whose))
        if all(("link", new) in world.gone for world in self.worlds):
            self.actors.links[new] = Link(self.host.service)
            for world in self.worlds:
                world.gone.discard(("link", new))

    @rule(seconds=st.sampled_from([1, 5, 5, HOUR, HOUR, HOUR, DAY, 3 * DAY]))
    def time_passes(self, seconds: int) -> None:
        self.host.clock.now += seconds
        for world in self.worlds:
            world.now += seconds

    @rule()
    def restart(self) -> None:
        async def again() -> None:
            await self.host.service.settle()
            await self.host.restart()
            self.host.service.wait_for_bytes = 0.0

        self.runner.run(again())

    def _race(self, race: list[Act]) -> None:
        numbers = [act[3] for act in race if act[0] == "ticket"]
        if len(numbers) > len(set(numbers)):
            return  # a number stands for one ticket

        async def run() -> list[object]:
            return await asyncio.gather(*(self.actors.act(act) for act in race))

        outcomes = self.runner.run(run())
        found: list[World] = []
        for world in self.worlds:
            for order in permutations(range(len(race))):
                after = explained(world, race, outcomes, order)
                if after is not None and after not in found:
                    found.append(after)
        told = [expected(copy.deepcopy(self.worlds[0]), act) for act in race]
        assert found, f"no order explains it: {list(zip(race, outcomes, told, strict=True))}"
        self.worlds = found

    def teardown(self) -> None:
        try:
            self.time_passes(3 * DAY)
            self.host.age(10)
            self._race([("sweep",)])
            there = set(self.runner.run(self.host.names()))
            assert there in [self._names(world) for world in self.worlds]
        finally:
            self.runner.run(self.host.close())
            self.runner.close()
            self.folder.cleanup()

    def _names(self, world: World) -> set[tuple[str, str]]:
        """All that may lie in the store after a sweep."""
        names = set()
        for number, thing in world.objects.items():
            object_id = self.actors.owners[number].id
            if thing.parts:
                names.add(("object", protocol.b64u(object_id)))
            if thing.capsule is not None:
                tag = protocol.capsule_etag(CAPSULES[thing.capsule]).strip('"')
                names.add(("capsule", naming.owner_capsule(object_id, protocol.unb64u(tag))))
        shared = {number for number, way in world.links.items() if way.capsule is not None}
        return names | {("capsule", protocol.b64u(self.actors.links[number].id)) for number in shared}


@pytest.mark.slow
@pytest.mark.timeout(400 + 2 * STORIES)
def test_the_service_is_what_the_model_says() -> None:
    examples = settings(
        max_examples=STORIES,
        stateful_step_count=40,
        deadline=None,
        derandomize=SEED is None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    machine = seed(int(SEED))(Machine) if SEED is not None else Machine
    with (
        patch.object(protocol, "PART_SIZES", (PART,)),
        patch.object(protocol, "UNKNOWN_LENGTH_PART_SIZE", PART),
        patch.object(guessing, "FREE", FREE),
        patch.object(guessing, "LOCK", LOCK),
    ):
        run_state_machine_as_test(machine, settings=examples)

"""The lives of a few objects, told step by step, and what must be true whenever the teller stops.

Every step is told when it was acknowledged. After a crash the same story is taken up on
what is left: `check` holds what is there against what was told, `audit` the catalog
against the store, and `tell` goes on with the first step that nobody was told of,
which may have been done all the same.

    long     an object with all that an owner does, until it is removed
    short    expires;  idle    of two parts, stays unfinished;  empty    never gets one
"""

from __future__ import annotations

import hashlib
import mmap
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from consigne import protocol
from consigne.protocol import DAY, MIB
from consigne.server.catalog import links, objects
from consigne.server.main import held, opened
from consigne.server.policy import naming
from consigne.server.refusal import Refusal
from consigne.server.service.service import Service
from consigne.server.settings import Settings
from tests.server.lodging import (
    CAPSULE,
    Clock,
    Link,
    Owner,
    link_capsule,
    owner_capsule,
    pieces,
    put_link_capsule,
    put_owner_capsule,
    read_all,
)

LENGTH: Final = MIB + 5000
HALF: Final = LENGTH // 2
CHANCE: Final = random.Random(38)
CONTENT: Final = CHANCE.randbytes(LENGTH)
SECRETS: Final = [CHANCE.randbytes(32) for _ in range(20)]
ALIGNED: Final = mmap.mmap(-1, LENGTH)  # as receive buffers are, so that parts go past the page cache
ALIGNED.write(CONTENT)
SECOND: Final = CAPSULE * 2
Tell = Callable[[str, Any], None]


@asynccontextmanager
async def living(folder: Path, clock: Clock) -> AsyncIterator[Service]:
    """A host on a folder, begun and ended as `serve` does, with a clock to set."""
    settings = replace(Settings(min_free=0), data=str(folder / "data"))
    with held(settings.data_folder):
        async with opened(settings) as service:
            service.clock = clock
            yield service


class Step(NamedTuple):
    """`done` is how the host says that it had been done already, without anybody having been told."""

    name: str
    do: Callable[[Story], Awaitable[Any]]
    done: str | None = None


class Story:
    """All actors on one host. `told` says what was acknowledged, in this life or one before."""

    def __init__(self, service: Service, clock: Clock, told: dict[str, Any]) -> None:
        self.service, self.clock, self.told = service, clock, told
        secrets = iter(SECRETS)
        self.long, self.short, self.idle, self.empty = (
            Owner(service, next(secrets), next(secrets)) for _ in range(4)
        )
        self.link, self.once, self.brief = (Link(service, next(secrets), next(secrets)) for _ in range(3))
        self.parts = {self.long.id: [CONTENT], self.short.id: [CAPSULE], self.idle.id: [CAPSULE, SECOND]}

    async def tell(self, tell: Tell) -> None:
        """Every step that was not told yet."""
        for step in STEPS:
            if step.name not in self.told:
                self.told[step.name] = value = await self._do(step)
                tell(step.name, value)

    async def _do(self, step: Step) -> Any:  # noqa: ANN401  whatever is told
        try:
            return await step.do(self)
        except Refusal as refusal:
            if refusal.code != step.done:
                raise
            return None

    # ------------------------------------------------------------ what must be true

    async def check(self) -> None:
        """What was told is so, before a sweep and after it."""
        for _ in range(2):
            await self.audit()
            await self._check_kept()
            await self._check_deleted()
            await self._check_files()
            await self.service.sweep()

    async def audit(self) -> None:
        """Whatever the catalog speaks of is in the store, told or not."""
        known, shared = await self.service.read(_rows)
        for row, parts in known:
            for part, length in [(0, row.length)] if row.complete else parts:
                start = part * row.part_size
                source = self.service.store.read(row.id, row.part_size, start, start + length)
                assert b"".join([bytes(piece) async for piece in source]) == self.parts[row.id][part]
            if row.capsule is not None:
                await self._audit_capsule(naming.owner_capsule(row.id, row.capsule), row.capsule)
        for link in shared:
            if link.capsule is not None:
                await self._audit_capsule(naming.link_capsule(link.id), link.capsule)

    async def _audit_capsule(self, name: str, digest: bytes) -> None:
        _, source = await self.service.store.get_capsule(name)
        assert hashlib.sha256(b"".join([bytes(piece) async for piece in source])).digest() == digest

    async def _check_kept(self) -> None:
        told = self.told
        long = await state(self.long)
        if "begin" in told and long != "gone":
            assert isinstance(long, dict), long
            assert long["complete"] or "complete" not in told
            assert long["parts"] == [[0, 0]] or "part" not in told
            if "extend" in told:
                assert long["expires"] == told["extend"]["expires"]
            if "mine" in told:
                mine, tag = await owner_capsule(self.service, self.long.id, self.long.token)
                assert mine in ([SECOND] if "mine again" in told else [CAPSULE, SECOND])
                assert tag == protocol.capsule_etag(mine)
            if "capsule" in told:
                assert await link_capsule(self.service, self.link.id, self.link.token) == CAPSULE
            if "half" in told and "revoke" not in told and await view(self.once) != "gone":
                assert (await view(self.once))["downloads_left"] == 0
        elif "begin" in told:
            assert next_step(told) == "remove" or "remove" in told, "it went by itself"
        if "short" in told and "days" not in told:
            assert (await state(self.short))["complete"]
        if "idle" in told and "days" not in told:
            assert (await state(self.idle))["parts"] in ([[0, 1]], [[1, 1]][: "idle again" not in told])

    async def _check_deleted(self) -> None:
        """What was told to be gone is, and cannot be made again."""
        told = self.told
        if "remove" in told:
            await self._stays_gone(self.long)
        if "sweep" in told:
            await self._stays_gone(self.short)
            await self._stays_gone(self.idle)
            assert await state(self.empty) == "not-found"
        if "revoke" in told:
            assert await view(self.once) == "gone"

    async def _check_files(self) -> None:
        """Files whose deletion was told do not come back, not even until a sweep."""
        names = {name.name async for name in self.service.store.names()}
        former = naming.owner_capsule(self.long.id, hashlib.sha256(CAPSULE).digest())
        for step, name in (
            ("mine again", former),
            ("revoke", naming.link_capsule(self.once.id)),
            ("sweep", protocol.b64u(self.short.id)),
            ("sweep", protocol.b64u(self.idle.id)),
            ("remove", protocol.b64u(self.long.id)),
            ("remove", naming.link_capsule(self.link.id)),
        ):
            assert step not in self.told or name not in names, f"{step}: the file is there again"

    async def _stays_gone(self, owner: Owner) -> None:
        assert await state(owner) == "gone"
        assert await code(owner.begin(1)) == "gone"


def _rows(tx: Any) -> tuple[list[Any], list[Any]]:  # noqa: ANN401  a Transaction
    known = [objects.find(tx, row[0]) for row in list(tx.rows("SELECT id FROM objects"))]
    shared = [links.find(tx, row[0]) for row in list(tx.rows("SELECT id FROM links"))]
    return [(row, list(objects.parts(tx, row.id))) for row in known if row], shared


def next_step(told: dict[str, Any]) -> str | None:
    """The step that may have been under way."""
    return next((step.name for step in STEPS if step.name not in told), None)


async def code(work: Awaitable[Any]) -> Any:  # noqa: ANN401  what it gives, or why not
    try:
        return await work
    except Refusal as refusal:
        return refusal.code


async def state(owner: Owner) -> Any:  # noqa: ANN401  as `code`
    return await code(owner.state())


async def view(link: Link) -> Any:  # noqa: ANN401  as `code`
    return await code(link.view())


# ---------------------------------------------------------------- the steps


async def _part(story: Story) -> None:
    body = pieces(memoryview(ALIGNED))
    await story.service.receive_part(story.long.id, story.long.token, 0, LENGTH, body)


async def _share(story: Story, link: Link, owner: Owner, downloads: int | None = None) -> None:
    await story.service.put_link(link.id, owner.token, owner.new_link(link, downloads=downloads))
    await put_link_capsule(story.service, link.id, owner.token, CAPSULE)


async def _mine_again(story: Story) -> str:
    former = protocol.capsule_etag(CAPSULE)
    return await put_owner_capsule(story.service, story.long.id, story.long.token, SECOND, former)


async def _content(story: Story, ticket: str, first: int, last: int) -> None:
    found = await story.long.fetch(protocol.unb64u(ticket), first, last)
    assert found == CONTENT[first : last + 1]


async def _once(story: Story) -> str:
    await _share(story, story.once, story.long, downloads=1)
    return protocol.b64u(await story.once.ticket())


async def _half(story: Story) -> None:
    await _content(story, story.told["ticket"], 0, HALF - 1)


async def _other_half(story: Story) -> None:
    """The same download still, whatever happened in between; another is one too many."""
    await _content(story, story.told["ticket"], HALF, LENGTH - 1)
    assert await code(story.once.ticket()) == "downloads-used-up"


async def _all_of_it(story: Story) -> None:
    found = await story.service.content(story.long.id, await story.link.ticket(), None)
    assert await read_all(found) == CONTENT


async def _short(story: Story) -> None:
    """Begun, sent, complete: told in one, so that a crash inside is taken up in the middle."""
    begun = await code(story.short.begin(len(CAPSULE), expires_in=3600))
    assert begun == "object-exists" or isinstance(begun, dict)
    await story.short.send(0, CAPSULE)
    await story.short.complete(len(CAPSULE))
    await _share(story, story.brief, story.short)


async def _idle(story: Story) -> None:
    begun = await code(story.idle.begin())
    assert begun == "object-exists" or isinstance(begun, dict)
    await story.idle.send(1, SECOND)


async def _days(story: Story) -> None:
    story.clock.pass_days(3)


async def _sweep(story: Story) -> None:
    await story.service.sweep()


async def _revoke(story: Story) -> None:
    await story.service.revoke(story.once.id, story.long.token)


STEPS: Final = [
    Step("begin", lambda story: story.long.begin(LENGTH), "object-exists"),
    Step("capsule", lambda story: _share(story, story.link, story.long)),
    Step(
        "mine",
        lambda story: put_owner_capsule(story.service, story.long.id, story.long.token, CAPSULE, None),
    ),
    Step("part", _part),
    Step("mine again", _mine_again),
    Step("complete", lambda story: story.long.complete(LENGTH)),
    Step("ticket", _once),
    Step("half", _half),
    Step("other half", _other_half),
    Step("all of it", _all_of_it),
    Step("extend", lambda story: story.service.extend(story.long.id, story.long.token, 20 * DAY)),
    Step("short", _short),
    Step("idle", _idle),
    Step("idle again", lambda story: story.idle.send(0, CAPSULE)),
    Step("empty", lambda story: story.empty.begin(), "object-exists"),
    Step("revoke", _revoke, "gone"),
    Step("days", _days),
    Step("sweep", _sweep),
    Step("remove", lambda story: story.long.remove(), "gone"),
    Step("last sweep", _sweep),
]

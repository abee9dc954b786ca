"""A crash between any two steps leaves leftovers for the sweep, never a lie (attack 38).

The whole story of an object is told over and over, with the process ended before or
after each change of the store, or a catalog that fails or ends after each commit.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from consigne import protocol
from consigne.server.catalog import CatalogFailed
from consigne.server.catalog.writer import Operation
from consigne.server.refusal import Refusal
from consigne.server.stores.disk import DiskStore
from tests.server.lodging import (
    CAPSULE,
    Link,
    Lodging,
    Owner,
    link_capsule,
    lodging,
    owner_capsule,
    put_link_capsule,
    put_owner_capsule,
    refused,
)


class Crash(BaseException):
    """The process ends here."""


class CrashingStore(DiskStore):
    """Ends the process before or after its nth change."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.left = None

    def _step(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Crash

    async def write_part(self, *values: object) -> None:
        self._step()
        await super().write_part(*values)
        self._step()

    async def put_capsule(self, *values: object) -> None:
        self._step()
        await super().put_capsule(*values)
        self._step()

    async def delete_capsule(self, *values: object) -> None:
        self._step()
        await super().delete_capsule(*values)
        self._step()

    async def delete_object(self, *values: object) -> None:
        self._step()
        await super().delete_object(*values)
        self._step()


def crash_catalog_after(host: Lodging, steps: int) -> None:
    """The catalog ends the process after, or fails before, one of its changes."""
    real, left = host.catalog.write, [steps]

    async def write(operation: Operation) -> object:
        left[0] -= 1
        if left[0] == -1:
            raise CatalogFailed
        outcome = await real(operation)
        if left[0] == -2:
            raise Crash
        return outcome

    host.catalog.write = write


async def story(owner: Owner, link: Link, acknowledged: list[str]) -> None:
    """Everything an owner does; what was acknowledged is noted."""
    service, data = owner.service, b"content" * 100
    steps = [
        ("begun", lambda: owner.begin(len(data))),
        ("link", lambda: service.put_link(link.id, owner.token, owner.new_link(link))),
        ("capsule", lambda: put_link_capsule(service, link.id, owner.token, CAPSULE)),
        ("mine", lambda: put_owner_capsule(service, owner.id, owner.token, CAPSULE, None)),
        ("part", lambda: owner.send(0, data)),
        (
            "replaced",
            lambda: put_owner_capsule(
                service, owner.id, owner.token, CAPSULE * 2, protocol.capsule_etag(CAPSULE)
            ),
        ),
        ("complete", lambda: owner.complete(len(data))),
        ("fetched", lambda: _fetch(owner, link)),
        ("removed", owner.remove),
    ]
    for name, step in steps:
        if name not in acknowledged:
            try:
                await step()
            except Refusal as refusal:
                # Told or not told: the step may have happened before the crash.
                done = {"begun": "object-exists", "removed": "gone"}
                if refusal.code != done.get(name):
                    raise
            acknowledged.append(name)


async def _fetch(owner: Owner, link: Link) -> None:
    assert await owner.fetch(await link.ticket(), whole=True) == b"content" * 100


async def check(host: Lodging, owner: Owner, link: Link, acknowledged: list[str]) -> None:
    """What was acknowledged is there, before and after a sweep."""
    service = host.service
    for _ in range(2):
        if "removed" in acknowledged:
            async with refused("gone"):
                await owner.state()
        elif "begun" in acknowledged and not await _is_gone(owner):
            state = await owner.state()
            assert ("complete" not in acknowledged) or state["complete"]
            assert ("part" not in acknowledged) or state["parts"] == [[0, 0]]
            if "mine" in acknowledged:
                assert (await owner_capsule(service, owner.id, owner.token))[0][: len(CAPSULE)] == CAPSULE
            if "capsule" in acknowledged:
                assert await link_capsule(service, link.id, link.token) == CAPSULE
        await service.sweep()


async def _is_gone(owner: Owner) -> bool:
    try:
        await owner.state()
    except Refusal as refusal:
        assert refusal.code == "gone"  # noqa: PT017 - one of two outcomes
        return True
    return False


@pytest.mark.parametrize("where", ["store", "catalog"])
@pytest.mark.parametrize("steps", range(18))
def test_a_crash_at_every_step(tmp_path: Path, where: str, steps: int) -> None:
    async def run() -> None:
        async with lodging(tmp_path, store_class=CrashingStore) as host:
            owner, acknowledged = Owner(host.service), []
            link = Link(host.service)
            if where == "store":
                host.store.left = steps
            else:
                crash_catalog_after(host, steps)
            try:
                await story(owner, link, acknowledged)
            except (Crash, Refusal):
                await host.restart()
                owner.service = link.service = host.service
                await check(host, owner, link, acknowledged)
                if not ("complete" in acknowledged and await _is_gone(owner)):
                    await story(owner, link, acknowledged)
            else:
                host.store.left = None
                with contextlib.suppress(AttributeError):
                    del host.catalog.write
            await check(host, owner, link, acknowledged)
            host.clock.pass_days(3)
            host.age(3)
            await host.service.sweep()
            assert await host.names() == []
            assert await host.rows("objects") == []

    asyncio.run(run())

"""The sweep: what goes, what stays, and that nothing live is touched."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncIterator
from typing import Never

import pytest

from consigne import protocol
from consigne.server.policy import naming
from consigne.server.service import sweep
from consigne.server.service.sweep import SweepReport
from consigne.server.stores import StoredName, StoreFailed
from tests.server.lodging import (
    CAPSULE,
    Link,
    Lodging,
    Owner,
    hosted,
    keep,
    link_capsule,
    owner_capsule,
    pieces,
    put_link_capsule,
    put_owner_capsule,
    refused,
)

B64U = protocol.b64u


@hosted
async def test_nothing_to_do(host: Lodging) -> None:
    assert await host.service.sweep() == SweepReport(store_skipped=True)
    await host.put()
    names = await host.names()
    assert await host.service.sweep() == SweepReport()
    assert await host.names() == names


@hosted
async def test_what_expired_goes_with_all_its_files(host: Lodging) -> None:
    owner, stays = await host.put(expires_in=3600), await host.begin(5, 20 * protocol.DAY)
    await put_owner_capsule(host.service, owner.id, owner.token, CAPSULE, None)
    await owner.ticket()
    await stays.send(0, b"stays")
    await stays.complete(5)
    host.clock.now += 2 * 3600
    report = await host.service.sweep()
    assert (report.objects, report.links, report.tickets) == (0, 1, 0)
    assert ("capsule", B64U(owner.links[0].id)) not in await host.names()
    host.clock.pass_days(8)
    assert (await host.service.sweep()).objects == 1
    assert await host.names() == [("object", B64U(stays.id))]
    for table in ("links", "tickets", "parts"):
        assert await host.rows(table) == []
    host.clock.pass_days(-8)  # and a clock set back brings nothing back
    async with refused("gone"):
        await owner.state()
    async with refused("gone"):
        await owner.begin(5000)


@hosted
async def test_tickets_end(host: Lodging) -> None:
    owner = await host.put()
    ticket = await owner.ticket()
    await owner.fetch(ticket, 0, 0)
    host.clock.pass_days(1.5)
    assert (await host.service.sweep()).tickets == 1
    assert (await owner.links[0].view())["downloads"] == 1


@hosted
async def test_what_was_never_completed(host: Lodging) -> None:
    left, goes_on, done = await host.begin(9, 20 * protocol.DAY), await host.begin(), await host.put()
    await left.send(0, b"leftover!")
    size = protocol.UNKNOWN_LENGTH_PART_SIZE
    for part in range(4):
        await goes_on.send(part, bytes(size) if part == 0 else secrets.token_bytes(size))
        report = await host.service.sweep()
        host.clock.pass_days(1)
    assert report.objects == 1
    async with refused("gone"):
        await left.state()
    await goes_on.complete(4 * size)
    host.clock.pass_days(2.9)
    assert (await host.service.sweep()).objects == 0
    await done.state()


@hosted
async def test_bounded_batches(host: Lodging, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "OBJECTS_AT_ONCE", 2)
    monkeypatch.setattr(sweep, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(sweep, "NAMES_AT_ONCE", 2)
    owner = await host.put()
    for _ in range(5):
        await host.put()
        await owner.link(expires_in=60)
        await owner.ticket()
    host.clock.pass_days(1.9)
    report = await host.service.sweep()
    assert (report.links, report.tickets) == (5, 5)
    host.clock.pass_days(7)
    assert (await host.service.sweep()).objects == 6
    assert await host.names() == []


@hosted
async def test_leftovers(host: Lodging) -> None:
    owner = await host.put()
    await put_owner_capsule(host.service, owner.id, owner.token, CAPSULE, None)
    known = await host.names()
    stray, version = secrets.token_bytes(32), B64U(secrets.token_bytes(12))
    await host.store.write_part(stray, 0, 100, 3, pieces(b"abc"))
    await keep(host.store, B64U(secrets.token_bytes(32)), CAPSULE)
    await keep(host.store, f"{B64U(stray)}.{version}", CAPSULE)
    await keep(host.store, f"{B64U(owner.id)}.{version}", CAPSULE)
    await keep(host.store, "not.ours", CAPSULE)
    host.age(1)
    report = await host.service.sweep()  # what the catalog never knew may be another's
    assert (report.stray_objects, report.stray_capsules) == (0, 0)
    host.age(2)
    (host.folder / "store/capsules" / B64U(owner.id)[:2] / f"{B64U(owner.id)}.{version}").touch()
    report = await host.service.sweep()
    assert (report.stray_objects, report.stray_capsules) == (1, 2)
    young = ("capsule", f"{B64U(owner.id)}.{version}")  # a row may be about to speak of it
    assert await host.names() == sorted([*known, young, ("capsule", "not.ours")])
    host.age(2)
    assert (await host.service.sweep()).stray_capsules == 1
    assert await host.names() == sorted([*known, ("capsule", "not.ours")])
    assert await owner_capsule(host.service, owner.id, owner.token)
    assert await owner.fetch(await owner.ticket(), whole=True)


@hosted
async def test_a_stray_is_gone_before_its_file_is(host: Lodging) -> None:
    """Or somebody could begin it between the judgement and the deletion."""
    await host.put()
    owner = Owner(host.service)
    await host.store.write_part(owner.id, 0, 100, 3, pieces(b"abc"))
    host.age(2)
    await host.service.sweep()
    async with refused("gone"):
        await owner.begin(3)


@hosted
async def test_temporaries_are_left_for_two_days(host: Lodging) -> None:
    await host.put()
    today, deleted = int(host.clock.now // protocol.DAY), []

    async def names() -> AsyncIterator[StoredName]:
        for days in range(5):
            yield StoredName("temporary", f"{days} days", today - days)

    async def delete(name: str) -> None:
        deleted.append(name)
        if name.startswith("3"):
            raise ValueError  # no name that this store gave

    host.store.names, host.store.delete_temporary = names, delete
    assert (await host.service.sweep()).temporaries == 2
    assert deleted == ["2 days", "3 days", "4 days"]


@hosted
async def test_an_empty_catalog_is_not_believed(host: Lodging) -> None:
    """A catalog of another place must not cost anyone their files."""
    stray = secrets.token_bytes(32)
    await host.store.write_part(stray, 0, 100, 3, pieces(b"abc"))
    assert (await host.service.sweep()).store_skipped
    assert await host.names() == [("object", B64U(stray))]


@hosted
async def test_a_sweep_that_fails_goes_on_the_next_time(host: Lodging) -> None:
    owner = await host.put()
    await host.put()
    real = host.store.delete_object

    async def failing(_: object) -> Never:
        raise StoreFailed

    host.store.delete_object = failing
    await owner.remove()  # the rows are gone, which is what was asked
    assert (await host.service.sweep()).failed == 1
    host.store.delete_object = real
    assert (await host.service.sweep()).stray_objects == 1


@hosted
async def test_a_catalog_that_fails(host: Lodging) -> None:
    await host.catalog.close()
    for attempt in (host.service.sweep(), host.service.tidy(), host.service.ready()):
        async with refused("storage-failed"):
            await attempt


@hosted
async def test_names_that_fail(host: Lodging) -> None:
    await host.put()

    async def names() -> AsyncIterator[StoredName]:
        yield StoredName("object", "x", 0)
        raise StoreFailed

    host.store.names = names
    async with refused("storage-failed"):
        await host.service.sweep()


@hosted
async def test_beside_uploads_and_downloads(host: Lodging) -> None:
    """Attack 39, in small: time passes, everything is swept all the time, nothing live goes."""
    stop = False

    async def sweeping() -> None:
        while not stop:
            await host.service.sweep()
            host.clock.now += 40  # a ticket lasts for many sweeps
            await asyncio.sleep(0)

    async def living() -> None:
        for _ in range(15):
            data = secrets.token_bytes(3000)
            owner = Owner(host.service)
            await owner.begin(len(data), 20 * protocol.DAY)
            link = Link(host.service)
            await host.service.put_link(link.id, owner.token, owner.new_link(link))
            await put_link_capsule(host.service, link.id, owner.token, CAPSULE)
            tag = await put_owner_capsule(host.service, owner.id, owner.token, CAPSULE, None)
            await owner.send(0, data)
            await put_owner_capsule(host.service, owner.id, owner.token, CAPSULE + data[:50], tag)
            await owner.complete(len(data))
            ticket = await link.ticket()
            assert await owner.fetch(ticket, whole=True) == data
            assert await link_capsule(host.service, link.id, link.token) == CAPSULE
            assert (await owner_capsule(host.service, owner.id, owner.token))[0] == CAPSULE + data[:50]
            await owner.remove()

    sweeper = asyncio.create_task(sweeping())
    await asyncio.gather(*(living() for _ in range(4)))
    stop = True
    await sweeper
    await host.service.sweep()
    assert await host.names() == []


@hosted
async def test_odd_files_end_no_sweep(host: Lodging) -> None:
    owner, tidied, real = await host.put(), [], host.catalog.tidy
    (host.folder / "store/objects/README").write_text("what is this?")
    odd = host.folder / "store/objects" / "AA" / B64U(bytes(32))
    odd.mkdir(parents=True)
    await put_owner_capsule(host.service, owner.id, owner.token, CAPSULE, None)
    await keep(host.store, f"{B64U(secrets.token_bytes(32))}", CAPSULE)
    host.age(3)
    os.utime(odd, (0, 0))

    async def tidy() -> None:
        tidied.append(True)
        await real()

    host.catalog.tidy = tidy
    report = await host.service.sweep()
    assert (report.failed, report.stray_capsules) == (1, 1)  # a folder cannot be unlinked
    host.store.names = None
    with pytest.raises(TypeError):
        await host.service.sweep()
    assert len(tidied) == 2


@hosted
async def test_what_was_never_more_than_a_row_leaves_nothing(host: Lodging) -> None:
    empty, linked, sent = await host.begin(5), await host.begin(5), await host.begin(5)
    await linked.link()
    await sent.send(0, b"bytes")
    host.clock.pass_days(30)
    assert (await host.service.sweep()).objects == 3
    assert len(await host.rows("gone")) == 3  # two objects and a link
    await empty.begin(5)
    for owner in (linked, sent):
        async with refused("gone"):
            await owner.begin(5)


@hosted
async def test_an_old_version_that_becomes_the_current_one_stays(host: Lodging) -> None:
    """The owner puts the very capsule whose leftover the sweep has just judged."""
    owner = await host.put()
    left = naming.owner_capsule(owner.id, hashlib.sha256(CAPSULE).digest())
    await keep(host.store, left, CAPSULE)
    host.age(3)
    real = host.service._delete

    async def late(stray: StoredName, report: SweepReport) -> None:
        if "." in stray.name:
            await put_owner_capsule(host.service, owner.id, owner.token, CAPSULE, None)
        await real(stray, report)

    host.service._delete = late
    await host.service.sweep()
    assert (await owner_capsule(host.service, owner.id, owner.token))[0] == CAPSULE

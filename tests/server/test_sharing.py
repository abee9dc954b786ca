"""Links and capsules: made once, looked at, guessed at, revoked."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from consigne import protocol
from consigne.server.policy import rules
from consigne.server.service import slices
from consigne.server.service.service import Service
from tests.server.lodging import (
    CAPSULE,
    MIB,
    Link,
    Lodging,
    hosted,
    link_capsule,
    owner_capsule,
    pieces,
    put_link_capsule,
    put_owner_capsule,
    refused,
)

OTHER_CAPSULE = CAPSULE + b"other"


@hosted
async def test_a_link_is_made_once(host: Lodging) -> None:
    owner, link = await host.put(), Link(host.service)
    same = owner.new_link(link, 2 * protocol.DAY, 3)
    for fresh in (True, False):
        state, created = await host.service.put_link(link.id, owner.token, same)
        assert (created, state["downloads_left"], state["locked"]) == (fresh, 3, False)
    host.clock.pass_days(1)  # a retry comes later, and moves nothing
    assert (await host.service.put_link(link.id, owner.token, same))[0] == state
    for other in (
        same | {"downloads": None},
        same | {"downloads": 4},
        same | {"expires_in": None},
        same | {"expires_in": 60},
        same | {"token_hash": protocol.b64u(bytes(32))},
    ):
        async with refused("link-exists"):
            await host.service.put_link(link.id, owner.token, other)


@hosted
async def test_a_link_stays_with_its_object(host: Lodging) -> None:
    owner, other = await host.put(), await host.put()
    link = owner.links[0]
    async with refused("link-exists"):
        await host.service.put_link(link.id, other.token, other.new_link(link))
    async with refused("link-exists"):  # nor can a link take the id of an object
        await host.service.put_link(owner.id, other.token, other.new_link(Link(host.service)))
    async with refused("token-wrong"):
        await host.service.put_link(link.id, other.token, owner.new_link(link))


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"downloads": 0}, "limit"),
        ({"downloads": -1}, "limit"),
        ({"downloads": 1_000_001}, "limit"),
        ({"downloads": True}, "bad-request"),
        ({"expires_in": 0}, "limit"),
        ({"expires_in": 31 * protocol.DAY}, "limit"),
        ({"token_hash": "x"}, "bad-request"),
        ({"object": "x"}, "bad-request"),
    ],
)
@hosted
async def test_bounds_of_links(host: Lodging, values: dict[str, object], code: str) -> None:
    owner, link = await host.put(), Link(host.service)
    async with refused(code):
        await host.service.put_link(link.id, owner.token, owner.new_link(link) | values)


@hosted
async def test_links_of_one_object_are_bounded(host: Lodging, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAX_LINKS", 3)
    owner = await host.put()
    for _ in range(2):
        await owner.link()
    async with refused("limit"):
        await owner.link()


@hosted
async def test_a_link_never_outlives_its_object(host: Lodging) -> None:
    owner = await host.put(expires_in=30 * protocol.DAY)
    assert (await owner.links[0].view())["expires"] == (await owner.state())["expires"]


@hosted
async def test_a_link_ends_by_itself(host: Lodging) -> None:
    owner = await host.put(expires_in=3600)
    link, ticket = owner.links[0], await owner.ticket()
    same = owner.new_link(link, 3600)
    await owner.fetch(ticket, 0, 0)
    host.clock.now += 2 * 3600
    for attempt in (
        link.view(),
        link.ticket(),
        link_capsule(host.service, link.id, link.token),
        host.service.content(owner.id, ticket, None),
        host.service.put_link(link.id, owner.token, same),
        host.service.revoke(link.id, owner.token),
    ):
        async with refused("gone"):
            await attempt
    await owner.state()  # the object lives on


@hosted
async def test_view_and_capsule_count_nothing(host: Lodging) -> None:
    owner = await host.put(downloads=1)
    link = owner.links[0]
    for _ in range(3):
        view = await link.view()
        assert await link_capsule(host.service, link.id, link.token) == CAPSULE
    assert view == {
        "object": protocol.b64u(owner.id),
        "complete": True,
        "length": 5000,
        "part_size": 8 * protocol.MIB,
        "expires": view["expires"],
        "downloads": 0,
        "downloads_left": 1,
    }


@hosted
async def test_a_link_without_its_capsule_is_not_there_for_readers(host: Lodging) -> None:
    owner = await host.put()
    link = await owner.link(capsule=None)
    for attempt in (link.view(), link.ticket(), link_capsule(host.service, link.id, link.token)):
        async with refused("not-found"):
            await attempt
    await put_link_capsule(host.service, link.id, owner.token, CAPSULE)
    await link.view()


@hosted
async def test_a_links_capsule_is_written_once(host: Lodging) -> None:
    owner = await host.put()
    link = owner.links[0]
    await put_link_capsule(host.service, link.id, owner.token, CAPSULE)
    async with refused("capsule-exists"):
        await put_link_capsule(host.service, link.id, owner.token, OTHER_CAPSULE)
    assert await link_capsule(host.service, link.id, link.token) == CAPSULE


@hosted
async def test_two_capsules_at_once_for_one_link(host: Lodging) -> None:
    owner = await host.put()
    link = await owner.link(capsule=None)
    capsules = [CAPSULE + bytes([n]) for n in range(10)]
    outcomes = await asyncio.gather(
        *(put_link_capsule(host.service, link.id, owner.token, capsule) for capsule in capsules),
        return_exceptions=True,
    )
    taken = [capsule for capsule, outcome in zip(capsules, outcomes, strict=True) if outcome is None]
    assert [await link_capsule(host.service, link.id, link.token)] == taken


@hosted
async def test_sizes_of_capsules(host: Lodging) -> None:
    owner = await host.put()
    link = await owner.link(capsule=None)
    host.service.settings = replace(host.settings, max_capsule=8192)
    for capsule, code in (
        (b"", "bad-request"),
        (bytes(protocol.CAPSULE_OVERHEAD), "bad-request"),
        (bytes(8193), "too-large"),
    ):
        async with refused(code):
            await put_link_capsule(host.service, link.id, owner.token, capsule)
        async with refused(code):
            await put_owner_capsule(host.service, owner.id, owner.token, capsule, None)


@hosted
async def test_a_link_revoked_while_its_capsule_comes_in(host: Lodging) -> None:
    owner = await host.put()
    link, real = await owner.link(capsule=None), host.store.put_capsule

    async def revoked_meanwhile(name: str, data: bytes) -> None:
        await real(name, data)
        await host.service.revoke(link.id, owner.token)

    host.store.put_capsule = revoked_meanwhile
    async with refused("gone"):
        await put_link_capsule(host.service, link.id, owner.token, CAPSULE)
    assert ("capsule", protocol.b64u(link.id)) not in await host.names()


@hosted
async def test_revoke(host: Lodging) -> None:
    owner = await host.put()
    link, other, ticket = owner.links[0], await owner.link(), await owner.ticket()
    await host.service.revoke(link.id, owner.token)
    for attempt in (
        link.view(),
        host.service.put_link(link.id, owner.token, owner.new_link(link)),
        host.service.revoke(link.id, owner.token),
        host.service.unlock(link.id, owner.token),
    ):
        async with refused("gone"):
            await attempt
    async with refused("token-wrong"):
        await host.service.content(owner.id, ticket, None)
    await other.view()
    assert await owner.fetch(await other.ticket(), whole=True)
    assert ("capsule", protocol.b64u(link.id)) not in await host.names()


# ---------------------------------------------------------------- guessing


async def guess(host: Lodging, link: Link, times: int) -> None:
    for _ in range(times):
        async with refused("token-wrong"):
            await host.service.link_view(link.id, secrets.token_bytes(32))


@hosted
async def test_guessing_slows_then_locks(host: Lodging) -> None:
    owner = await host.put()
    link, other = owner.links[0], await owner.link()
    host.clock.now = round(host.clock.now)
    await guess(host, link, 10)
    waits = []
    for _ in range(90):
        async with refused("slow-down") as told:  # the right token too
            await link.view()
        waits.append(told[0].retry_after)
        host.clock.now += told[0].retry_after
        await guess(host, link, 1)
    assert waits[:5] == [1, 2, 4, 8, 16]
    assert max(waits) == waits[-1] == 3600
    host.clock.now += 3600
    for attempt in (link.view(), link.ticket(), link_capsule(host.service, link.id, link.token)):
        async with refused("link-locked"):
            await attempt
    await other.view()  # others are unaffected
    assert [state["locked"] for state in (await owner.state())["links"]].count(True) == 1
    await host.service.unlock(link.id, owner.token)
    await link.view()
    await guess(host, link, 10)  # counted from nothing again


@hosted
async def test_a_right_token_forgives_nothing(host: Lodging) -> None:
    owner = await host.put()
    link = owner.links[0]
    await guess(host, link, 9)
    await link.view()
    await guess(host, link, 1)
    async with refused("slow-down"):
        await link.view()


@hosted
async def test_guesses_are_counted_exactly_and_survive_a_restart(host: Lodging) -> None:
    owner = await host.put()
    link = owner.links[0]
    outcomes = await asyncio.gather(
        *(host.service.link_view(link.id, secrets.token_bytes(32)) for _ in range(50)), return_exceptions=True
    )
    assert sorted(outcome.code for outcome in outcomes) == ["slow-down"] * 40 + ["token-wrong"] * 10
    await host.restart()
    async with refused("slow-down"):
        await host.service.link_view(link.id, link.token)


@hosted
async def test_a_clock_set_back_does_not_shut_a_link(host: Lodging) -> None:
    owner = await host.put()
    await guess(host, owner.links[0], 9)
    async with refused("token-wrong"):
        await host.service.start_download(owner.links[0].id, secrets.token_bytes(32))
    async with refused("slow-down"):
        await owner.ticket()
    host.clock.pass_days(-365)
    await owner.links[0].view()


# ---------------------------------------------------------------- owner capsules


@hosted
async def test_owner_capsule_is_replaced_under_its_etag(host: Lodging) -> None:
    owner, service = await host.put(), host.service
    async with refused("not-found"):
        await owner_capsule(service, owner.id, owner.token)
    async with refused("capsule-changed"):
        await put_owner_capsule(service, owner.id, owner.token, CAPSULE, '"anything"')
    first = await put_owner_capsule(service, owner.id, owner.token, CAPSULE, None)
    assert first == protocol.capsule_etag(CAPSULE)
    assert await put_owner_capsule(service, owner.id, owner.token, CAPSULE, None) == first
    for wrong in (None, '"other"', ""):
        async with refused("capsule-changed"):
            await put_owner_capsule(service, owner.id, owner.token, OTHER_CAPSULE, wrong)
    second = await put_owner_capsule(service, owner.id, owner.token, OTHER_CAPSULE, f'"x", {first}')
    assert await owner_capsule(service, owner.id, owner.token) == (OTHER_CAPSULE, second)
    # A repetition whose first answer was lost is fine.
    assert await put_owner_capsule(service, owner.id, owner.token, OTHER_CAPSULE, first) == second
    assert len([kind for kind, name in await host.names() if kind == "capsule" and "." in name]) == 1
    await put_owner_capsule(service, owner.id, owner.token, CAPSULE, "*")


@hosted
async def test_one_of_many_replacements_wins(host: Lodging) -> None:
    owner, service = await host.put(), host.service
    first = await put_owner_capsule(service, owner.id, owner.token, CAPSULE, None)
    capsules = [CAPSULE + bytes([n]) for n in range(10)]
    outcomes = await asyncio.gather(
        *(put_owner_capsule(service, owner.id, owner.token, capsule, first) for capsule in capsules),
        return_exceptions=True,
    )
    won = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, str)]
    assert len(won) == 1
    assert (await owner_capsule(service, owner.id, owner.token))[0] == capsules[won[0]]
    await owner.remove()
    assert await host.names() == []


@hosted
async def test_service_info(host: Lodging) -> None:
    info = await host.service.service_info()
    assert info["upload"] == "open"
    assert info["default_expires_in"] == 7 * protocol.DAY
    await host.service.ready()


@hosted
async def test_another_process_is_faster(host: Lodging) -> None:
    """Turns hold within a process only; between two, the catalog decides."""
    owner, other = await host.put(), Service(host.catalog, host.store, host.settings, host.clock)
    link, real = await owner.link(capsule=None), host.store.put_capsule

    async def overtaken(name: str, data: bytes) -> None:
        host.store.put_capsule = real
        if "." in name:
            await put_owner_capsule(other, owner.id, owner.token, OTHER_CAPSULE, None)
        else:
            await put_link_capsule(other, link.id, owner.token, OTHER_CAPSULE)
        await real(name, data)

    host.store.put_capsule = overtaken
    async with refused("capsule-changed"):
        await put_owner_capsule(host.service, owner.id, owner.token, CAPSULE, None)
    assert (await owner_capsule(other, owner.id, owner.token))[0] == OTHER_CAPSULE
    host.store.put_capsule = overtaken
    async with refused("capsule-exists"):
        await put_link_capsule(host.service, link.id, owner.token, CAPSULE)


# ---------------------------------------------------------------- capsules come and go in pieces


@hosted
async def test_nobody_without_a_right_makes_the_host_read_a_capsule(host: Lodging) -> None:
    owner, stranger = await host.put(), secrets.token_bytes(32)
    link, service = owner.links[0], host.service
    touched = []

    async def body() -> AsyncIterator[bytes]:
        touched.append(True)
        yield CAPSULE

    for code, token, known, link_id in (
        ("token-wrong", stranger, owner.id, link.id),
        ("not-found", owner.token, stranger, stranger),
    ):
        async with refused(code):
            await service.put_owner_capsule(known, token, len(CAPSULE), body(), None)
        async with refused(code):
            await service.put_link_capsule(link_id, token, len(CAPSULE), body())
    host.service.settings = replace(host.settings, min_free=2**62)
    async with refused("storage-full"):
        await service.put_owner_capsule(owner.id, owner.token, len(CAPSULE), body(), None)
    assert touched == []


@hosted
async def test_a_body_that_breaks_off_leaves_nothing(host: Lodging) -> None:
    owner = await host.put()
    before = await host.names()
    for length, code in ((len(CAPSULE) + 1, "bad-request"), (len(CAPSULE) - 1, "too-large")):
        async with refused(code):
            await host.service.put_owner_capsule(owner.id, owner.token, length, pieces(CAPSULE), None)
    assert await host.names() == before
    assert host.service.receiving.bytes == 0


@hosted
async def test_a_slow_body_holds_up_nobody(host: Lodging) -> None:
    owner, more = await host.put(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield CAPSULE
        await more.wait()
        yield b"!"

    first = asyncio.create_task(
        host.service.put_owner_capsule(owner.id, owner.token, len(CAPSULE) + 1, slow(), None)
    )
    await asyncio.sleep(0.02)
    await put_owner_capsule(host.service, owner.id, owner.token, CAPSULE, None)
    more.set()
    async with refused("capsule-changed"):
        await first
    assert (await owner_capsule(host.service, owner.id, owner.token))[0] == CAPSULE


@hosted
async def test_a_capsule_of_a_revoked_link_is_cut(host: Lodging) -> None:
    owner = await host.put()
    link = await owner.link(capsule=bytes(3 * MIB))
    found = await host.service.link_capsule(link.id, link.token)
    assert await anext(found.chunks)
    await host.service.revoke(link.id, owner.token)
    async with refused("gone"):
        await anext(found.chunks)
    await found.aclose()
    assert host.service.arrivals._waiting == {}


@hosted
async def test_a_capsule_is_served_for_as_long_as_its_link_lives(
    host: Lodging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody tells that a link ended; it is judged again after a minute."""
    monkeypatch.setattr(slices, "JUDGED_EVERY", 0)
    owner = await host.put()
    link = await owner.link(capsule=bytes(3 * MIB), expires_in=3600)
    found = await host.service.link_capsule(link.id, link.token)
    for _ in range(2):
        assert await anext(found.chunks)
    host.clock.now += 2 * 3600
    async with refused("gone"):
        await anext(found.chunks)
    await found.aclose()


@hosted
async def test_a_full_disk_takes_no_links_and_no_tickets(host: Lodging) -> None:
    owner = await host.put()
    host.service.settings = replace(host.settings, min_free=2**40)

    async def free() -> int:
        return 2**50

    host.store.free = free  # it is the catalog's disk that is full
    async with refused("storage-full"):
        await owner.link(capsule=None)
    async with refused("storage-full"):
        await owner.ticket()
    async with refused("storage-full"):
        await host.begin(5)
    await owner.remove()

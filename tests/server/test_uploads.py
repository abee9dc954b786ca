"""Objects: begin, parts, complete, expiry, removal."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Never

import pytest

from consigne import protocol
from consigne.server.service import uploads
from consigne.server.stores import StoreFull
from tests.server.lodging import (
    CAPSULE,
    MIB,
    NOON,
    Link,
    Lodging,
    Owner,
    hosted,
    link_capsule,
    owner_capsule,
    pieces,
    put_link_capsule,
    put_owner_capsule,
    refused,
)

PART = 8 * MIB


@hosted
async def test_begin_answers_part_size_and_a_rounded_expiry(host: Lodging) -> None:
    state = await Owner(host.service).begin(length=9 * MIB)
    assert state["part_size"] == PART
    assert state["parts"] == []
    assert not state["complete"]
    midnight = (20_000 + 8) * protocol.DAY  # seven days, up to the next midnight
    assert (await host.rows("objects"))[0][5] == midnight


@hosted
async def test_a_short_life_ends_at_a_full_hour(host: Lodging) -> None:
    await host.begin(length=1, expires_in=60)
    assert (await host.rows("objects"))[0][5] == 20_000 * protocol.DAY + 13 * 3600


@hosted
async def test_an_id_must_follow_from_commitment_and_owner(host: Lodging) -> None:
    new = Owner(host.service).new(5)
    async with refused("id-mismatch"):
        await host.service.begin(new | {"commitment": protocol.b64u(bytes(32))})
    async with refused("id-mismatch"):
        await host.service.begin(new | {"owner_hash": protocol.b64u(bytes(32))})


@pytest.mark.parametrize("member", ["id", "commitment", "owner_hash"])
@pytest.mark.parametrize("value", ["", "é" * 43, "A" * 42, "A" * 42 + "B", "=" * 43, 5, None])
@hosted
async def test_malformed_values_are_refused(host: Lodging, member: str, value: object) -> None:
    async with refused("bad-request"):
        await host.service.begin(Owner(host.service).new(5) | {member: value})


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"length": 0}, "limit"),
        ({"length": -1}, "limit"),
        ({"length": 100 * 2**30 + 1}, "limit"),
        ({"length": True}, "bad-request"),
        ({"length": 1.0}, "bad-request"),
        ({"expires_in": 0}, "limit"),
        ({"expires_in": -5}, "limit"),
        ({"expires_in": 30 * protocol.DAY + 1}, "limit"),
        ({"expires_in": "7"}, "bad-request"),
    ],
)
@hosted
async def test_bounds_of_begin(host: Lodging, values: dict[str, object], code: str) -> None:
    async with refused(code):
        await host.service.begin(Owner(host.service).new(5) | values)
    assert await host.rows("objects") == []


@hosted
async def test_begin_twice(host: Lodging) -> None:
    owner = await host.begin(5)
    async with refused("object-exists"):
        await owner.begin(5)


@hosted
async def test_only_the_owner(host: Lodging) -> None:
    owner, other = await host.put(), secrets.token_bytes(32)
    service, object_id = host.service, owner.id
    for attempt in (
        service.receive_part(object_id, other, 0, 5000, pieces(b"y" * 5000)),
        service.complete(object_id, other, 5000),
        service.object_state(object_id, other),
        service.extend(object_id, other, 100),
        service.remove(object_id, other),
        owner_capsule(service, object_id, other),
        put_owner_capsule(service, object_id, other, CAPSULE, None),
        service.revoke(owner.links[0].id, other),
        service.unlock(owner.links[0].id, other),
        put_link_capsule(service, owner.links[0].id, other, CAPSULE),
    ):
        async with refused("token-wrong"):
            await attempt


@hosted
async def test_what_never_was_is_not_found(host: Lodging) -> None:
    service, unknown, token = host.service, secrets.token_bytes(32), secrets.token_bytes(32)
    for attempt in (
        service.receive_part(unknown, token, 0, 1, pieces(b"y")),
        service.complete(unknown, token, 1),
        service.object_state(unknown, token),
        service.extend(unknown, token, 100),
        service.remove(unknown, token),
        owner_capsule(service, unknown, token),
        service.link_view(unknown, token),
        link_capsule(service, unknown, token),
        service.start_download(unknown, token),
        service.revoke(unknown, token),
        service.content(unknown, token, None),
        service.content_head(unknown, token),
    ):
        async with refused("not-found"):
            await attempt


@hosted
async def test_parts_in_any_order_then_complete(host: Lodging) -> None:
    data = secrets.token_bytes(2 * PART + 3)
    owner = await host.begin(len(data))
    await owner.send(2, data[2 * PART :])
    await owner.send(0, data[:PART])
    assert (await owner.state())["parts"] == [[0, 0], [2, 2]]
    async with refused("parts-missing") as told:
        await owner.complete(len(data))
    assert told[0].extra == {"missing": [[1, 1]]}
    await owner.send(1, data[PART : 2 * PART])
    for _ in range(2):  # idempotent
        state = await owner.complete(len(data))
        assert (state["complete"], state["parts"], state["length"]) == (True, [[0, 2]], len(data))
    assert await host.rows("parts") == []
    await owner.link()
    assert await owner.fetch(await owner.ticket(), whole=True) == data


@hosted
async def test_parts_have_their_place_and_length(host: Lodging) -> None:
    owner = await host.begin(PART + 5)
    for part, size, code in (
        (0, PART - 1, "length-mismatch"),
        (0, PART + 1, "too-large"),
        (1, 4, "length-mismatch"),
        (1, PART, "length-mismatch"),
        (2, 5, "not-found"),
        (-1, 5, "not-found"),
    ):
        async with refused(code):
            await host.service.receive_part(owner.id, owner.token, part, size, pieces(bytes(size)))
    assert await host.names() == []


@hosted
async def test_unknown_length(host: Lodging) -> None:
    part = protocol.UNKNOWN_LENGTH_PART_SIZE
    owner = await host.begin()
    async with refused("not-found"):
        await owner.send(protocol.MAX_PARTS, b"x")
    async with refused("length-mismatch"):
        await owner.send(0, b"")
    await owner.send(0, bytes(part))
    await owner.send(1, b"end")
    async with refused("length-mismatch"):  # durable already, and of another length
        await owner.send(1, b"longer")
    for wrong in (part, part + 2, part + 4):
        async with refused("length-mismatch"):
            await owner.complete(wrong)
    async with refused("parts-missing") as told:
        await (await host.begin()).complete(part + 1)
    assert told[0].extra == {"missing": [[0, 1]]}
    assert (await owner.complete(part + 3))["length"] == part + 3


@hosted
async def test_lengths_of_unknown_objects_are_bounded(host: Lodging) -> None:
    owner = await host.begin()
    for length in (0, -1, 100 * 2**30 + 1):
        async with refused("limit"):
            await owner.complete(length)
    async with refused("limit"):
        await owner.send(6400, b"x")  # byte 100 GiB
    host.service.settings = replace(host.settings, max_length=protocol.MAX_CONTENT)
    async with refused("limit"):
        await owner.complete(protocol.MAX_PARTS * protocol.UNKNOWN_LENGTH_PART_SIZE + 1)


@hosted
async def test_declared_and_final_length_agree(host: Lodging) -> None:
    owner = await host.put()
    async with refused("length-mismatch"):
        await owner.complete(4999)
    other = await host.begin(5000)
    async with refused("length-mismatch"):
        await other.complete(5001)


@hosted
async def test_what_is_durable_is_never_rewritten(host: Lodging) -> None:
    owner = await host.begin(5000)
    await owner.send(0, b"a" * 5000)
    touched = []

    async def body() -> AsyncIterator[bytes]:
        touched.append(True)
        yield b"b" * 5000

    await host.service.receive_part(owner.id, owner.token, 0, 5000, body())
    await owner.complete(5000)
    await host.service.receive_part(owner.id, owner.token, 0, 5000, body())
    async with refused("object-complete"):
        await host.service.receive_part(owner.id, owner.token, 1, 5000, body())
    await owner.link()
    assert await owner.fetch(await owner.ticket(), whole=True) == b"a" * 5000
    assert not touched


@hosted
async def test_two_senders_of_one_part(host: Lodging) -> None:
    owner = await host.begin(10)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"first"
        begun.set()
        await go_on.wait()
        yield b"first"

    first = asyncio.create_task(host.service.receive_part(owner.id, owner.token, 0, 10, slow()))
    await begun.wait()
    async with refused("part-busy"):
        await owner.send(0, b"x" * 10)
    assert host.service.receiving.bytes == 10
    go_on.set()
    await first
    await owner.send(0, b"x" * 10)  # durable: nothing rewritten
    assert host.service.receiving.bytes == 0
    await owner.complete(10)
    await owner.link()
    assert await owner.fetch(await owner.ticket(), whole=True) == b"firstfirst"


@hosted
async def test_parts_of_one_object_and_of_two_come_in_at_once(host: Lodging) -> None:
    owner, other = await host.begin(PART + 5), await host.begin(5)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"he"
        begun.set()
        await go_on.wait()
        yield b"llo"

    slowly = asyncio.create_task(host.service.receive_part(owner.id, owner.token, 1, 5, slow()))
    await begun.wait()
    await owner.send(0, bytes(PART))
    begun.clear()
    as_slowly = asyncio.create_task(host.service.receive_part(other.id, other.token, 0, 5, slow()))
    await begun.wait()
    third = await host.begin(5)
    await third.send(0, b"third")
    go_on.set()
    await asyncio.gather(slowly, as_slowly)
    assert [(await each.state())["parts"] for each in (owner, other, third)] == [[[0, 1]], [[0, 0]], [[0, 0]]]


@hosted
async def test_short_and_long_bodies(host: Lodging) -> None:
    owner = await host.begin(10)
    async with refused("bad-request"):
        await host.service.receive_part(owner.id, owner.token, 0, 10, pieces(b"short"))
    async with refused("too-large"):
        await host.service.receive_part(owner.id, owner.token, 0, 10, pieces(b"much too long"))
    assert (await owner.state())["parts"] == []
    await owner.send(0, b"right size")


@hosted
async def test_removed_while_a_part_comes_in(host: Lodging) -> None:
    owner = await host.begin(10)

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await owner.remove()
        yield b"first"

    async with refused("gone"):
        await host.service.receive_part(owner.id, owner.token, 0, 10, body())
    assert await host.names() == []


@hosted
async def test_swept_while_its_first_part_comes_in(host: Lodging) -> None:
    """Of an object that was never more than a row, nothing is remembered."""
    owner = await host.begin(10)

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        host.clock.pass_days(30)
        assert (await host.service.sweep()).objects == 1
        yield b"first"

    async with refused("not-found"):
        await host.service.receive_part(owner.id, owner.token, 0, 10, body())
    assert await host.names() == []


@hosted
async def test_completed_while_a_part_comes_in(host: Lodging) -> None:
    owner = await host.begin()
    await owner.send(0, b"all")

    async def body() -> AsyncIterator[bytes]:
        yield b"more"
        await owner.complete(3)

    async with refused("object-complete"):
        await host.service.receive_part(owner.id, owner.token, 1, 4, body())


@hosted
async def test_gone_is_gone(host: Lodging) -> None:
    owner = await host.put()
    link = owner.links[0]
    await owner.remove()
    for attempt in (
        owner.begin(5000),
        owner.state(),
        owner.remove(),
        owner.send(0, b"x" * 5000),
        host.service.put_link(link.id, owner.token, owner.new_link(link)),
        link.view(),
        link.ticket(),
        host.service.content(owner.id, bytes(32), None),
        host.service.revoke(link.id, owner.token),
    ):
        async with refused("gone"):
            await attempt
    await host.restart()
    again = Owner(host.service, owner.token, owner.commitment)
    async with refused("gone"):
        await again.begin(5000)
    for table in ("objects", "links", "tickets", "parts"):
        assert await host.rows(table) == []
    assert len(await host.rows("gone")) == 2
    assert await host.names() == []


@hosted
async def test_expiry_is_judged_at_each_request(host: Lodging) -> None:
    owner = await host.put()
    ticket = await owner.ticket()
    assert await owner.fetch(ticket, 0, 9) == b"x" * 10
    host.clock.pass_days(7)
    await owner.state()  # lives until midnight
    host.clock.pass_days(0.5)
    for attempt in (
        owner.state(),
        owner.begin(5000),
        owner.links[0].view(),
        host.service.content(owner.id, ticket, None),
        host.service.extend(owner.id, owner.token, 100),
        owner.remove(),
    ):
        async with refused("gone"):
            await attempt


@hosted
async def test_extend(host: Lodging) -> None:
    owner = await host.put()
    short = await owner.link(expires_in=protocol.DAY)
    state = await host.service.extend(owner.id, owner.token, 30 * protocol.DAY)
    assert state["expires"] == (await owner.links[0].view())["expires"]  # follows its object
    assert (await short.view())["expires"] < state["expires"]
    assert len(state["links"]) == 2
    for seconds in (0, -1, 30 * protocol.DAY + 1):
        async with refused("limit"):
            await host.service.extend(owner.id, owner.token, seconds)
    shorter = await host.service.extend(owner.id, owner.token, 60)
    assert shorter["expires"] < (await host.service.extend(owner.id, owner.token, 5 * 3600))["expires"]


@hosted
async def test_no_room(host: Lodging) -> None:
    owner = await host.begin(10)
    more_than_there_is = await host.store.free() + 2**40
    host.service.settings = replace(host.settings, min_free=more_than_there_is)
    for attempt in (
        host.begin(1),
        owner.send(0, b"x" * 10),
        put_owner_capsule(host.service, owner.id, owner.token, CAPSULE, None),
    ):
        async with refused("storage-full"):
            await attempt


@hosted
async def test_room_for_all_that_is_declared(host: Lodging) -> None:
    room = 100

    async def free() -> int:
        return room

    host.store.free = free
    async with refused("storage-full"):
        await host.begin(room + 1)
    await host.begin(room)
    host.service.settings = replace(host.settings, min_free=room)
    await host.begin()  # of unknown length: nothing is asked for yet
    async with refused("storage-full"):
        await host.begin(1)


@hosted
async def test_a_full_or_broken_disk_acknowledges_nothing(host: Lodging) -> None:
    owner = await host.begin(10)
    real = host.store.write_part

    async def full(*_: object) -> Never:
        raise StoreFull

    host.store.write_part = full
    async with refused("storage-full"):
        await owner.send(0, b"x" * 10)
    assert (await owner.state())["parts"] == []
    host.store.write_part = real
    await owner.send(0, b"x" * 10)


@hosted
async def test_a_clock_set_back_loses_nothing(host: Lodging) -> None:
    owner = await host.put()
    host.clock.pass_days(-400)
    assert await owner.fetch(await owner.ticket(), whole=True) == b"x" * 5000
    assert host.clock.now < NOON


@hosted
async def test_many_missing_parts_are_listed_up_to_a_bound(host: Lodging) -> None:
    owner = await host.begin()  # of unknown length: no room is asked for
    part_size = (await owner.state())["part_size"]
    await host.catalog.write(
        lambda tx: [
            tx.run(
                "INSERT INTO parts (object, part, length) VALUES (:o, :p, :l)", o=owner.id, p=n, l=part_size
            )
            for n in range(1, 5000, 2)
        ]
    )
    async with refused("parts-missing") as told:
        await owner.complete(part_size * 5000)
    assert len(told[0].extra["missing"]) == 1000
    assert told[0].extra["missing"][:2] == [[0, 0], [2, 2]]


@hosted
async def test_an_id_is_one_thing(host: Lodging) -> None:
    owner, other = await host.put(), Owner(host.service)
    link = Link(host.service, id=other.id)
    await host.service.put_link(link.id, owner.token, owner.new_link(link))
    async with refused("object-exists"):
        await other.begin(5)


@hosted
async def test_objects_without_a_part_are_bounded(host: Lodging, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_EMPTY", 5)
    monkeypatch.setattr(uploads, "COUNT_EVERY", 3600)
    owners = await asyncio.gather(*(host.begin(5) for _ in range(5)))
    async with refused("busy") as told:
        await host.begin(5)
    assert told[0].retry_after == uploads.COUNT_EVERY
    for owner in owners[:2]:
        await owner.send(0, b"bytes")
    async with refused("busy"):  # they are not counted for everyone who asks
        await host.begin(5)
    monkeypatch.setattr(host.service, "_count_again", 0.0)
    for _ in range(2):
        await host.begin(5)
    async with refused("busy"):
        await host.begin(5)

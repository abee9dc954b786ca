"""Tickets and content: counted exactly, charged, waited for."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest

from consigne import protocol
from consigne.server.policy import rules
from consigne.server.refusal import Refusal
from consigne.server.service import downloads, prepaid
from consigne.server.service import slices as slices_of
from consigne.server.service.service import Range, Slice
from consigne.server.stores import StoreDamaged
from tests.server.lodging import MIB, Lodging, Owner, hosted, refused

PART = 8 * MIB


@hosted
async def test_whole_and_ranges(host: Lodging) -> None:
    data = secrets.token_bytes(5000)
    owner = await host.put(data)
    ticket = await owner.ticket()
    assert await owner.fetch(ticket, whole=True) == data
    assert await owner.fetch(ticket, 10, 19) == data[10:20]
    assert await owner.fetch(ticket, 4990, None) == data[4990:]
    assert await owner.fetch(ticket, 4990, 10**12) == data[4990:]
    assert await owner.fetch(ticket, suffix=7) == data[-7:]
    assert await owner.fetch(ticket, suffix=10**12) == data
    for wanted in (Range(5000, None, None), Range(9, 8, None), Range(None, None, 0)):
        async with refused("range-not-satisfiable") as told:
            await host.service.content(owner.id, ticket, wanted)
        assert told[0].extra == {"length": 5000}
    piece = await host.service.content(owner.id, ticket, Range(0, 4, None))
    assert (piece.start, piece.stop, piece.total, piece.partial) == (0, 5, 5000, True)
    await piece.aclose()
    await piece.aclose()
    whole = await host.service.content(owner.id, ticket, None)
    assert (whole.start, whole.stop, whole.total, whole.partial) == (0, 5000, 5000, False)
    await whole.aclose()


@hosted
async def test_a_hundred_at_once_on_a_one_download_link(host: Lodging) -> None:
    owner = await host.put(downloads=1)
    tickets = [await owner.ticket() for _ in range(100)]
    outcomes = await asyncio.gather(
        *(owner.fetch(ticket, whole=True) for ticket in tickets), return_exceptions=True
    )
    refusals = [outcome.code for outcome in outcomes if isinstance(outcome, Refusal)]
    assert refusals == ["downloads-used-up"] * 99
    async with refused("downloads-used-up"):
        await owner.ticket()
    winner = tickets[next(n for n, outcome in enumerate(outcomes) if isinstance(outcome, bytes))]
    assert await owner.fetch(winner, 100, 199) == b"x" * 100  # resumes on its own ticket
    view = await owner.links[0].view()
    assert (view["downloads"], view["downloads_left"]) == (1, 0)
    await host.restart()
    owner.service = host.service
    assert await owner.fetch(winner, 100, 199) == b"x" * 100


@hosted
async def test_only_served_content_counts(host: Lodging) -> None:
    owner = await host.put(downloads=1)
    ticket = await owner.ticket()
    head = await host.service.content_head(owner.id, ticket)
    assert (head.start, head.stop, head.total, head.partial) == (0, 5000, 5000, False)
    await head.aclose()
    async with refused("range-not-satisfiable"):
        await host.service.content(owner.id, ticket, Range(5000, None, None))
    assert (await owner.links[0].view())["downloads"] == 0
    other = await owner.ticket()
    await owner.fetch(other, 0, 0)
    async with refused("downloads-used-up"):
        await host.service.content_head(owner.id, ticket)


@hosted
async def test_tickets_open_nothing_else(host: Lodging) -> None:
    owner, other = await host.put(), await host.put()
    ticket = await owner.ticket()
    stored = (await host.rows("tickets"))[0][0]
    for wrong in (secrets.token_bytes(32), stored, owner.token, owner.links[0].token):
        async with refused("token-wrong"):
            await host.service.content(owner.id, wrong, None)
    async with refused("token-wrong"):
        await host.service.content(other.id, ticket, None)
    for wrong in (ticket, stored, owner.hash):
        async with refused("token-wrong"):
            await host.service.object_state(owner.id, wrong)


@hosted
async def test_a_ticket_lives_a_day_and_up_to_an_hour_more(host: Lodging) -> None:
    owner = await host.put()
    ticket, unused = await owner.ticket(), await owner.ticket()
    assert await owner.fetch(ticket, 0, 0)
    host.clock.now += 3600
    assert await owner.fetch(await owner.ticket(), 0, 0)
    host.clock.now += 3600
    async with refused("token-wrong"):
        await owner.fetch(unused, 0, 0)
    host.clock.now += 22 * 3600
    assert await owner.fetch(ticket, 0, 0)
    host.clock.now += 3600
    async with refused("token-wrong"):
        await owner.fetch(ticket, 0, 0)


@hosted
async def test_a_ticket_says_when_it_ends(host: Lodging) -> None:
    owner = await host.put()
    answer = await host.service.start_download(owner.links[0].id, owner.links[0].token)
    assert sorted(answer) == ["expires", "ticket"]
    assert answer["expires"] == "2024-10-04T14:00:00Z"  # an hour after NOON, up to the next full one
    assert [row[2] for row in await host.rows("tickets")] == [20_000 * protocol.DAY + 14 * 3600]


@hosted
async def test_unused_tickets_are_bounded(host: Lodging, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAX_UNUSED_TICKETS", 3)
    owner = await host.put()
    tickets = [await owner.ticket() for _ in range(3)]
    async with refused("too-many-downloads"):
        await owner.ticket()
    await owner.fetch(tickets[0], 0, 0)
    await owner.ticket()


@hosted
async def test_a_ticket_is_spent(host: Lodging) -> None:
    owner = await host.put(bytes(PART))
    ticket = await owner.ticket()
    served = 0
    with pytest.raises(Refusal) as caught:
        while True:
            served += len(await owner.fetch(ticket, whole=True))
    assert caught.value.code == "ticket-spent"
    assert served == protocol.ticket_budget(PART)
    async with refused("ticket-spent"):
        await owner.fetch(ticket, 0, 0)
    assert await owner.fetch(await owner.ticket(), 0, 0)


@hosted
async def test_unserved_bytes_are_refunded(host: Lodging, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepaid, "RESERVE", MIB)
    monkeypatch.setattr(downloads, "RESERVE", MIB)
    owner = await host.put(bytes(PART))
    ticket = await owner.ticket()
    for _ in range(30):  # 240 MiB if nothing came back
        piece = await host.service.content(owner.id, ticket, None)
        async for chunk in piece.chunks:
            assert len(chunk) <= MIB
            break
        await piece.aclose()
    assert (await host.rows("tickets"))[0][4] <= 31 * MIB + MIB
    assert len(await owner.fetch(ticket, whole=True)) == PART


@hosted
async def test_what_was_not_handed_over_comes_back_to_the_byte(
    host: Lodging, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (prepaid, downloads, slices_of):
        monkeypatch.setattr(module, "RESERVE", 60)
    owner = await host.put()
    ticket = await owner.ticket()
    broken = [await host.service.content(owner.id, ticket, Range(0, 59, None)) for _ in range(2)]
    assert (await host.rows("tickets"))[0][4] == 120
    for piece in broken:  # one reserve stays at hand, the other goes back to the catalog
        await piece.aclose()
    assert host.service.prepaid.left(protocol.token_hash(ticket)) == 60
    assert (await host.rows("tickets"))[0][4] == 60
    await owner.fetch(ticket, 0, 59)
    assert (await host.rows("tickets"))[0][4] == 60


@hosted
async def test_ranges_do_not_wait_for_the_disk(host: Lodging, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within its reserve a ticket costs no commit; a crash loses it at most that reserve."""
    owner = await host.put(bytes(PART))
    ticket = await owner.ticket()
    await owner.fetch(ticket, 0, 0)
    charged = (await host.rows("tickets"))[0][4]
    assert charged == prepaid.RESERVE
    for first in range(0, PART, MIB):
        await owner.fetch(ticket, first, first + MIB - 1)
    assert (await host.rows("tickets"))[0][4] == charged
    monkeypatch.setattr(prepaid, "MOST_TICKETS", 1)  # another download pushes it out: it is paid back
    await owner.fetch(await owner.ticket(), 0, 0)
    by_hash = {row[0]: row[4] for row in await host.rows("tickets")}
    assert by_hash[protocol.token_hash(ticket)] == PART + 1


@hosted
async def test_a_ticket_is_charged_a_reserve_when_it_lacks_one(
    host: Lodging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the byte: what is left is used up first, and the budget to its end."""
    for module in (prepaid, downloads, slices_of):
        monkeypatch.setattr(module, "RESERVE", 60)
    monkeypatch.setattr(protocol, "ticket_budget", lambda _: 150)
    owner = await host.put()
    ticket = await owner.ticket()
    for size, charged in ((30, 60), (30, 60), (20, 120), (60, 150), (10, 150)):
        assert await owner.fetch(ticket, 0, size - 1) == b"x" * size
        assert (await host.rows("tickets"))[0][4] == charged
    async with refused("ticket-spent"):
        await owner.fetch(ticket, 0, 0)


@hosted
async def test_the_budget_of_an_unknown_length_follows_what_is_durable(
    host: Lodging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "ticket_budget", lambda length: 2 * length)
    owner = await host.begin()
    await owner.link()
    await owner.send(0, b"begun")
    ticket = await owner.ticket()
    for _ in range(2):
        assert await owner.fetch(ticket, 0) == b"begun"
    async with refused("ticket-spent"):
        await owner.fetch(ticket, 0, 0)


@hosted
async def test_a_failed_commit_is_no_credit(host: Lodging) -> None:
    owner = await host.put(bytes(PART))
    ticket = await owner.ticket()
    piece = await host.service.content(owner.id, ticket, Range(0, 9, None))
    await host.catalog.close()
    await piece.aclose()  # a refund that cannot be kept is no failure
    host.service.prepaid.set(protocol.token_hash(ticket), 5)
    async with refused("storage-failed"):
        await host.service.content(owner.id, ticket, None)
    assert host.service.prepaid.left(protocol.token_hash(ticket)) == 0


@hosted
async def test_a_failed_commit_under_way_is_no_credit(host: Lodging, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "RESERVE", MIB)
    owner = await host.put(bytes(PART))
    ticket = await owner.ticket()
    piece = await begun(host, owner, ticket)
    host.service.prepaid.set(protocol.token_hash(ticket), 5)
    await host.catalog.close()
    async with refused("storage-failed"):
        await anext(piece.chunks)
    assert host.service.prepaid.left(protocol.token_hash(ticket)) == 0
    await piece.aclose()


# ---------------------------------------------------------------- reading while it is written


@hosted
async def test_what_is_contiguous_is_served(host: Lodging) -> None:
    data = secrets.token_bytes(3 * PART + 10)
    owner = await host.begin(len(data))
    await owner.link()
    ticket = await owner.ticket()
    await owner.send(0, data[:PART])
    await owner.send(1, data[PART : 2 * PART])
    await owner.send(3, data[3 * PART :])
    assert await owner.fetch(ticket, 5) == data[5 : 2 * PART]
    assert await owner.fetch(ticket, PART + 7, PART + 9) == data[PART + 7 : PART + 10]
    assert await owner.fetch(ticket, suffix=4) == data[-4:]
    piece = await host.service.content(owner.id, ticket, Range(0, None, None))
    assert (piece.stop, piece.total, piece.partial) == (2 * PART, len(data), True)
    await piece.aclose()
    async with refused("not-yet") as told:
        await owner.fetch(ticket, 2 * PART)
    assert told[0].retry_after == 1
    async with refused("range-not-satisfiable"):
        await owner.fetch(ticket, len(data))
    async with refused("not-yet") as told:
        await owner.fetch(ticket, whole=True)
    assert (told[0].retry_after, told[0].extra) == (1, {"hint": downloads.ASK_FOR_A_RANGE})
    head = await host.service.content_head(owner.id, ticket)
    assert head.total == len(data)


@hosted
async def test_a_store_is_asked_by_the_part_size_that_it_was_given(host: Lodging) -> None:
    """The disk keeps one file of all parts and has no use for it; another store may."""
    told, real = [], host.store.read

    def read(object_id: bytes, part_size: int, start: int, stop: int) -> AsyncIterator[memoryview]:
        told.append(part_size)
        return real(object_id, part_size, start, stop)

    host.store.read = read
    owner = await host.put()
    await owner.fetch(await owner.ticket(), whole=True)
    assert told == [PART]


@hosted
async def test_of_unknown_length(host: Lodging) -> None:
    owner = await host.begin()
    await owner.link()
    ticket = await owner.ticket()
    async with refused("not-yet"):
        await owner.fetch(ticket, 0)
    await owner.send(0, b"begun")
    piece = await host.service.content(owner.id, ticket, Range(1, None, None))
    assert (piece.start, piece.stop, piece.total, piece.partial) == (1, 5, None, True)
    await piece.aclose()
    assert await owner.fetch(ticket, 1, 2) == b"eg"
    for wanted in (Range(5, None, None), Range(None, None, 3)):
        async with refused("not-yet"):
            await host.service.content(owner.id, ticket, wanted)
    async with refused("not-yet") as told:
        await host.service.content_head(owner.id, ticket)
    assert (told[0].retry_after, told[0].extra) == (1, {"hint": downloads.ASK_FOR_A_RANGE})
    async with refused("range-not-satisfiable"):
        await owner.fetch(ticket, 10**15)
    view = await owner.links[0].view()
    assert (view["length"], view["complete"]) == (None, False)


@hosted
async def test_a_reader_is_woken(host: Lodging) -> None:
    host.service.wait_for_bytes = 20.0
    owner = await host.begin(10)
    await owner.link()
    ticket = await owner.ticket()
    reader = asyncio.create_task(owner.fetch(ticket, 0))
    await asyncio.sleep(0.02)
    before = asyncio.get_running_loop().time()
    await owner.send(0, b"0123456789")
    assert await reader == b"0123456789"
    assert asyncio.get_running_loop().time() - before < 0.9
    assert host.service.arrivals._waiting == {}


@hosted
async def test_a_reader_waits_no_longer_than_the_host_does(
    host: Lodging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "LOOK_AGAIN", 60.0)
    owner = await host.begin(10)
    await owner.link()
    async with asyncio.timeout(20), refused("not-yet"):
        await owner.fetch(await owner.ticket(), 0)


@hosted
async def test_a_reader_learns_of_the_end(host: Lodging, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for more of an unknown length is woken by its completion."""
    monkeypatch.setattr(downloads, "LOOK_AGAIN", 60.0)
    host.service.wait_for_bytes = 60.0
    owner = await host.begin()
    await owner.link()
    await owner.send(0, b"begun")
    reader = asyncio.create_task(owner.fetch(await owner.ticket(), 5))
    await asyncio.sleep(0.02)
    await owner.complete(5)
    async with asyncio.timeout(20), refused("range-not-satisfiable"):
        await reader


@hosted
async def test_progress_of_another_process_is_found(host: Lodging) -> None:
    """Nobody wakes the reader; it looks again by itself."""
    host.service.wait_for_bytes = 20.0
    owner = await host.begin(10)
    await owner.link()
    reader = asyncio.create_task(owner.fetch(await owner.ticket(), 0))
    await asyncio.sleep(0.02)
    host.service.arrivals.tell = lambda _: None
    await owner.send(0, b"0123456789")
    assert await reader == b"0123456789"


@hosted
async def test_removed_while_a_reader_waits(host: Lodging) -> None:
    host.service.wait_for_bytes = 20.0
    owner = await host.begin(10)
    await owner.link()
    reader = asyncio.create_task(owner.fetch(await owner.ticket(), 0))
    await asyncio.sleep(0.02)
    await owner.remove()
    async with refused("gone"):
        await reader


# ---------------------------------------------------------------- what is under way


async def begun(host: Lodging, owner: Owner, ticket: bytes) -> Slice:
    """A download that has had its first piece."""
    piece = await host.service.content(owner.id, ticket, None)
    assert await anext(piece.chunks)
    return piece


@hosted
async def test_what_is_removed_before_it_is_opened_is_gone_and_not_a_broken_disk(host: Lodging) -> None:
    removed, damaged = await host.put(bytes(PART)), await host.put(bytes(PART))
    slices = [
        await host.service.content(owner.id, await owner.ticket(), None) for owner in (removed, damaged)
    ]
    await removed.remove()
    async with refused("gone"):
        await anext(slices[0].chunks)
    await host.store.delete_object(damaged.id)
    with pytest.raises(StoreDamaged):
        await anext(slices[1].chunks)
    for piece in slices:
        await piece.aclose()


@hosted
async def test_what_is_removed_or_revoked_is_served_no_further(host: Lodging) -> None:
    removed, revoked, other = [await host.put(bytes(PART)) for _ in range(3)]
    slices = [await begun(host, owner, await owner.ticket()) for owner in (removed, revoked, other)]
    await removed.remove()
    await host.service.revoke(revoked.links[0].id, revoked.token)
    for piece, code in zip(slices, ("gone", "token-wrong"), strict=False):
        async with refused(code):
            await anext(piece.chunks)
        await piece.aclose()
    assert await anext(slices[2].chunks)
    await slices[2].aclose()
    assert host.service.arrivals._waiting == {}


@hosted
async def test_what_expires_is_served_no_further(host: Lodging, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody tells; it is judged again after a minute."""
    monkeypatch.setattr(slices_of, "JUDGED_EVERY", 0)
    owner = await host.put(bytes(PART), expires_in=3600)
    piece = await begun(host, owner, await owner.ticket())
    assert await anext(piece.chunks)
    host.clock.now += 2 * 3600
    async with refused("gone"):
        await anext(piece.chunks)
    await piece.aclose()


@hosted
async def test_broken_connections_do_not_spend_a_ticket(
    host: Lodging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each was to serve all of it, and the host has not noticed yet that it broke."""
    monkeypatch.setattr(slices_of, "RESERVE", MIB)
    monkeypatch.setattr(downloads, "RESERVE", MIB)
    monkeypatch.setattr(protocol, "ticket_budget", lambda length: 2 * length)
    owner = await host.put(bytes(PART))
    ticket = await owner.ticket()
    broken = [await begun(host, owner, ticket) for _ in range(7)]
    assert len(await owner.fetch(ticket, MIB)) == PART - MIB
    for piece in broken:
        await piece.aclose()


@hosted
async def test_a_ticket_spent_under_way_cuts(host: Lodging, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices_of, "RESERVE", MIB)
    monkeypatch.setattr(downloads, "RESERVE", MIB)
    monkeypatch.setattr(protocol, "ticket_budget", lambda _: 3 * MIB)
    owner = await host.put(bytes(PART))
    piece, served = await host.service.content(owner.id, await owner.ticket(), None), 0
    async with refused("ticket-spent"):
        async for chunk in piece.chunks:
            served += len(chunk)
    await piece.aclose()
    assert served == 3 * MIB


@hosted
async def test_a_graceful_stop_gives_reserves_back(host: Lodging) -> None:
    owner = await host.put(bytes(PART))
    for _ in range(3):
        await owner.fetch(await owner.ticket(), 0, 9)
    await host.service.settle()
    assert [row[4] for row in await host.rows("tickets")] == [10, 10, 10]
    await host.catalog.close()
    await host.service.settle()  # no failure

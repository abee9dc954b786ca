"""The judge's verdicts at their bounds, one value to each side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from consigne import protocol
from consigne.protocol import MAX_PARTS, MIB, b64u, token_hash
from consigne.server.catalog.links import LinkRow
from consigne.server.catalog.objects import ObjectRow
from consigne.server.catalog.tickets import TicketRow
from consigne.server.policy import rules
from consigne.server.refusal import Refusal
from consigne.server.settings import Settings

SETTINGS = Settings(
    max_length=1000,
    max_expires_in=100,
    default_expires_in=50,
    max_downloads=5,
    max_capsule=200,
)
TOKEN = bytes(32)
OWNER_HASH, COMMITMENT = token_hash(TOKEN), bytes(range(32))
ID = protocol.derive_object_id(COMMITMENT, OWNER_HASH)
ROW = ObjectRow(ID, OWNER_HASH, 25, 10, complete=False, expires=1000, capsule=None)
LINK = LinkRow(b"link", ID, OWNER_HASH, expires=500, limit=3)
TICKET = TicketRow(b"hash", b"link", expires=900)
NEW: protocol.NewObject = {
    "id": b64u(ID),
    "commitment": b64u(COMMITMENT),
    "owner_hash": b64u(OWNER_HASH),
    "length": 1000,
    "expires_in": 100,
}
NEW_LINK: protocol.NewLink = {
    "object": b64u(ID),
    "token_hash": b64u(OWNER_HASH),
    "expires_in": 100,
    "downloads": 5,
}


def refusal(judge: Callable[..., object], *values: Any) -> str | None:  # noqa: ANN401 - of any judge
    """The code of the refusal, or None."""
    try:
        judge(*values)
    except Refusal as refused:
        return refused.code
    return None


# ---------------------------------------------------------------- what is asked for


def test_a_new_object_is_taken_as_it_was_asked_for() -> None:
    assert rules.judge_new_object(NEW, SETTINGS) == (ID, OWNER_HASH, 1000, 8 * MIB, 100)
    asked = {**NEW, "length": None, "expires_in": None}
    assert rules.judge_new_object(asked, SETTINGS) == (ID, OWNER_HASH, None, 16 * MIB, 50)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"id": b64u(bytes(32))}, "id-mismatch"),
        ({"commitment": b64u(bytes(32))}, "id-mismatch"),
        ({"id": "x"}, "bad-request"),
        ({"id": None}, "bad-request"),
        ({"owner_hash": 1}, "bad-request"),
        ({"length": 0}, "limit"),
        ({"length": 1}, None),
        ({"length": -1}, "limit"),
        ({"length": 1001}, "limit"),
        ({"length": True}, "bad-request"),
        ({"length": 1.0}, "bad-request"),
        ({"length": "1"}, "bad-request"),
        ({"expires_in": 0}, "limit"),
        ({"expires_in": 1}, None),
        ({"expires_in": 101}, "limit"),
        ({"expires_in": True}, "bad-request"),
    ],
)
def test_new_objects(change: dict[str, Any], code: str | None) -> None:
    assert refusal(rules.judge_new_object, {**NEW, **change}, SETTINGS) == code


def test_no_host_takes_more_than_the_parts_can_hold() -> None:
    generous = replace(SETTINGS, max_length=2**60)
    assert refusal(rules.judge_new_object, {**NEW, "length": protocol.MAX_CONTENT}, generous) is None
    assert refusal(rules.judge_new_object, {**NEW, "length": protocol.MAX_CONTENT + 1}, generous) == "limit"


def test_a_default_that_is_over_the_limit_is_no_way_around_it() -> None:
    careless = replace(SETTINGS, default_expires_in=101)
    assert refusal(rules.judge_new_object, {**NEW, "expires_in": None}, careless) == "limit"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, None),
        ({"downloads": 1}, None),
        ({"downloads": 0}, "limit"),
        ({"downloads": 6}, "limit"),
        ({"downloads": True}, "bad-request"),
        ({"expires_in": 1}, None),
        ({"expires_in": 0}, "limit"),
        ({"expires_in": 101}, "limit"),
        ({"object": "x"}, "bad-request"),
        ({"token_hash": None}, "bad-request"),
    ],
)
def test_new_links(change: dict[str, Any], code: str | None) -> None:
    assert refusal(rules.judge_new_link, {**NEW_LINK, **change}, SETTINGS) == code


def test_a_new_link_is_taken_as_it_was_asked_for() -> None:
    assert rules.judge_new_link(NEW_LINK, SETTINGS) == (ID, OWNER_HASH, 100, 5)
    unlimited: protocol.NewLink = {**NEW_LINK, "expires_in": None, "downloads": None}
    assert rules.judge_new_link(unlimited, SETTINGS) == (ID, OWNER_HASH, None, None)


@pytest.mark.parametrize(
    ("length", "code"), [(0, "bad-request"), (81, "bad-request"), (82, None), (200, None), (201, "too-large")]
)
def test_capsules(length: int, code: str | None) -> None:
    assert refusal(rules.judge_capsule, length, SETTINGS) == code


@pytest.mark.parametrize(("needed", "code"), [(90, None), (91, "storage-full")])
def test_room(needed: int, code: str | None) -> None:
    assert refusal(rules.judge_room, needed, 100, 10) == code


@pytest.mark.parametrize(
    ("if_match", "tag", "code"),
    [
        ('"a"', '"a"', None),
        (' "b" , "a" ', '"a"', None),
        (" * ", '"a"', None),
        ('"a"', '"b"', "capsule-changed"),
        ("a", '"a"', "capsule-changed"),
        ('"a","b"', '"a","b"', "capsule-changed"),
    ],
)
def test_what_an_if_match_names(if_match: str, tag: str, code: str | None) -> None:
    assert refusal(rules.judge_if_match, if_match, tag) == code


# ---------------------------------------------------------------- rights


@pytest.mark.parametrize(("now", "code"), [(999.9, None), (1000, "gone"), (1001, "gone")])
def test_an_object_lives_until_its_end(now: float, code: str | None) -> None:
    assert refusal(rules.judge_alive, ROW, now) == code
    assert refusal(rules.judge_owner, ROW, TOKEN, now) == code


def test_another_token_is_wrong_and_what_is_gone_is_gone_for_everyone() -> None:
    assert refusal(rules.judge_owner, ROW, bytes(31) + b"x", 0) == "token-wrong"
    assert refusal(rules.judge_owner, ROW, OWNER_HASH, 0) == "token-wrong"
    assert refusal(rules.judge_owner, ROW, bytes(31) + b"x", 1000) == "gone"


@pytest.mark.parametrize(
    ("expires", "now", "code"),
    [
        (500, 499.9, None),
        (500, 500, "gone"),
        (None, 999.9, None),
        (None, 1000, "gone"),
        (2000, 999.9, None),
        (2000, 1000, "gone"),
    ],
)
def test_a_link_never_outlives_its_object(expires: int | None, now: float, code: str | None) -> None:
    assert refusal(rules.judge_link_alive, replace(LINK, expires=expires), ROW, now) == code


# ---------------------------------------------------------------- uploads


@pytest.mark.parametrize(
    ("part", "length", "code"),
    [
        (0, 10, None),
        (2, 5, None),
        (0, 9, "length-mismatch"),
        (2, 6, "length-mismatch"),
        (2, 10, "length-mismatch"),
        (0, 11, "too-large"),
        (3, 5, "not-found"),
        (-1, 10, "not-found"),
    ],
)
def test_parts_of_a_known_length(part: int, length: int, code: str | None) -> None:
    assert refusal(rules.judge_part, ROW, part, length, SETTINGS) == code


def test_a_part_behind_a_complete_object() -> None:
    complete = replace(ROW, complete=True)
    assert refusal(rules.judge_part, complete, 3, 5, SETTINGS) == "object-complete"
    assert refusal(rules.judge_part, complete, 2, 5, SETTINGS) is None


@pytest.mark.parametrize(
    ("part", "length", "code"),
    [
        (0, 1, None),
        (0, 10, None),
        (99, 10, None),
        (0, 0, "length-mismatch"),
        (100, 1, "limit"),
        (-1, 10, "not-found"),
        (MAX_PARTS, 1, "not-found"),
        (0, 11, "too-large"),
    ],
)
def test_parts_of_an_unknown_length(part: int, length: int, code: str | None) -> None:
    assert refusal(rules.judge_part, replace(ROW, length=None), part, length, SETTINGS) == code


def test_the_last_part_of_an_unknown_length_may_be_the_last_that_there_is() -> None:
    generous = replace(SETTINGS, max_length=MAX_PARTS * 10)
    assert refusal(rules.judge_part, replace(ROW, length=None), MAX_PARTS - 1, 10, generous) is None


@pytest.mark.parametrize(
    ("declared", "length", "code"),
    [
        (25, 25, None),
        (25, 24, "length-mismatch"),
        (2000, 2000, None),  # was judged when it began; the limit may be another one by now
        (None, 1, None),
        (None, 0, "limit"),
        (None, 1000, None),
        (None, 1001, "limit"),
    ],
)
def test_final_lengths(declared: int | None, length: int, code: str | None) -> None:
    assert refusal(rules.judge_final_length, replace(ROW, length=declared), length, SETTINGS) == code


@pytest.mark.parametrize(("more", "code"), [(0, None), (1, "limit")])
def test_a_final_length_is_what_parts_can_hold(more: int, code: str | None) -> None:
    generous, unknown = replace(SETTINGS, max_length=2**60), replace(ROW, length=None)
    assert refusal(rules.judge_final_length, unknown, 10 * MAX_PARTS + more, generous) == code


# ---------------------------------------------------------------- links and downloads

ACCEPTED = rules.AcceptedLink(ID, OWNER_HASH, 100, 3)


@pytest.mark.parametrize(
    ("there", "expires", "same"),
    [
        (LINK, 500, True),
        (LINK, 501, True),
        (LINK, 499, False),
        (LINK, None, False),
        (replace(LINK, expires=None), None, True),
        (replace(LINK, expires=None), 500, False),
        (replace(LINK, token_hash=bytes(32)), 500, False),
        (replace(LINK, object=bytes(32)), 500, False),
        (replace(LINK, limit=4), 500, False),
        (replace(LINK, limit=None), 500, False),
    ],
)
def test_whether_a_link_is_the_one_that_is_there(there: LinkRow, expires: int | None, same: bool) -> None:  # noqa: FBT001
    assert rules.is_same_link(there, ACCEPTED, expires) == same


@pytest.mark.parametrize(
    ("limit", "downloads", "left"), [(3, 0, 3), (3, 2, 1), (3, 3, 0), (3, 4, 0), (None, 9, None)]
)
def test_downloads_left(limit: int | None, downloads: int, left: int | None) -> None:
    assert rules.downloads_left(replace(LINK, limit=limit, downloads=downloads)) == left


@pytest.mark.parametrize(
    ("downloads", "unused", "code"),
    [
        (2, 999, None),
        (3, 0, "downloads-used-up"),
        (3, 1000, "downloads-used-up"),
        (2, 1000, "too-many-downloads"),
    ],
)
def test_whether_a_download_may_start(downloads: int, unused: int, code: str | None) -> None:
    assert refusal(rules.judge_download, replace(LINK, downloads=downloads), unused) == code


@pytest.mark.parametrize(
    ("object_id", "now", "code"), [(ID, 899.9, None), (ID, 900, "token-wrong"), (bytes(32), 0, "token-wrong")]
)
def test_tickets(object_id: bytes, now: float, code: str | None) -> None:
    assert refusal(rules.judge_ticket, TICKET, LINK, object_id, now) == code


@pytest.mark.parametrize(
    ("served_less", "needed", "charged"),
    [
        (1000, 10, 50),  # the reserve
        (1000, 60, 60),  # more than the reserve is needed
        (40, 10, 40),  # what is left
        (40, 40, 40),
        (40, 41, None),
        (0, 0, 0),
        (0, -5, 0),
        (-5, -7, 0),  # the content turned out shorter than what was served
    ],
)
def test_charges(served_less: int, needed: int, charged: int | None) -> None:
    """Of a ticket whose budget is all but `served_less` bytes spent."""
    ticket = replace(TICKET, served=protocol.ticket_budget(100) - served_less)
    if charged is None:
        assert refusal(rules.judge_charge, ticket, needed, 100, 50) == "ticket-spent"
    else:
        assert rules.judge_charge(ticket, needed, 100, 50) == charged

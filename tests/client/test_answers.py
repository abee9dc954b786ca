"""What a host may answer, member by member, before anything is believed."""

from __future__ import annotations

from typing import Any

import pytest

from consigne.client import answers
from consigne.client.patience import TransientError
from consigne.errors import ConsigneError, GoneError, HostError, PasswordError, UsageError
from consigne.protocol import MAX_PARTS, MIB

LINK = {"id": "x", "expires": "2026-11-23T00:00:00Z", "downloads": 0, "downloads_left": None, "locked": False}
STATE = {
    "id": "x",
    "complete": False,
    "length": 1,
    "part_size": 8 * MIB,
    "parts": [[0, 1], [3, 3]],
    "expires": "2026-11-23T00:00:00Z",
}
VIEW = {
    "object": "x",
    "complete": True,
    "length": None,
    "part_size": 1,
    "expires": "2026-11-23T00:00:00Z",
    "downloads": 0,
    "downloads_left": 3,
}


def test_what_is_in_order_is_taken() -> None:
    assert answers.object_state(STATE) == {**STATE, "links": []}
    assert answers.object_state({**STATE, "links": [LINK], "more": 1})["links"] == [LINK]
    assert answers.link_view(VIEW) == VIEW


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("id", None),
        ("complete", 1),
        ("length", -1),
        ("length", 2**53),
        ("length", 1.0),
        ("length", True),
        ("part_size", 1),
        ("part_size", "8388608"),
        ("parts", {}),
        ("parts", [0]),
        ("parts", [[0]]),
        ("parts", [[1, 0]]),
        ("parts", [[0, 0], [1, 1]]),
        ("parts", [[2, 3], [0, 0]]),
        ("parts", [[0, MAX_PARTS]]),
        ("parts", [[0, True]]),
        ("expires", "tomorrow"),
        ("expires", "2026-11-23T00:00:00Z\n"),
        ("expires", "\u0662026-11-23T00:00:00Z"),
        ("expires", 0),
        ("links", [None]),
        ("links", 1),
        ("links", [{**LINK, "downloads": -1}]),
        ("links", [{**LINK, "locked": "no"}]),
    ],
)
def test_what_is_not_is_the_hosts_fault(member: str, value: object) -> None:
    with pytest.raises(HostError) as caught:
        answers.object_state({**STATE, member: value})
    assert caught.value.code == "host-broken"


@pytest.mark.parametrize("member", list(STATE))
def test_nothing_may_be_missing(member: str) -> None:
    with pytest.raises(HostError):
        answers.object_state({name: value for name, value in STATE.items() if name != member})


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("bytes 5-9/20", None),
        ("bytes 5-7/8", None),
        ("bytes 5-10/20", "host-broken"),
        ("bytes 4-9/20", "host-broken"),
        ("bytes 5-4/20", "host-broken"),
        ("bytes 5-9/9", "host-broken"),
        ("bytes 5-9/*", "host-broken"),
        ("bytes 5-9/20 ", "host-broken"),
        ("bytes \u0665-9/20", "host-broken"),
        ("", "host-broken"),
        ("bytes 5-9/" + "9" * 16, "host-broken"),
    ],
)
def test_ranges_start_where_they_were_asked_to(header: str, code: str | None) -> None:
    if code is None:
        first, after, total = answers.content_range(header, 5, 10)
        assert (first, after <= 10, total >= after) == (5, True, True)
        return
    with pytest.raises(HostError) as caught:
        answers.content_range(header, 5, 10)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("status", "body", "retry_after", "kind", "code"),
    [
        (404, b'{"code":"not-found"}', "", GoneError, "not-found"),
        (410, b'{"code":"downloads-used-up"}', "", GoneError, "downloads-used-up"),
        (400, b'{"code":"limit"}', "", UsageError, "limit"),
        (429, b'{"code":"slow-down"}', "7", PasswordError, "slow-down"),
        (503, b'{"code":"busy"}', "7", TransientError, "busy"),
        (502, b"<html>", "", TransientError, "host-broken"),
        (302, b"", "", HostError, "host-redirects"),
        (418, b"[" * 100_000, "", HostError, "host-broken"),
        (418, b'["code"]', "", HostError, "host-broken"),
        (418, b'{"code":["not-found"]}', "", HostError, "host-broken"),
        (418, b'{"code":"\\u001b[2Jhello"}', "", HostError, "host-broken"),
        (403, b'{"code":"token-wrong","title":"\\u001b[2J"}', "", HostError, "token-wrong"),
    ],
)
def test_refusals_are_said_in_our_words(
    status: int, body: bytes, retry_after: str, kind: type[ConsigneError], code: str
) -> None:
    error = answers.refused(status, body, retry_after)
    assert (type(error), error.code) == (kind, code)
    assert "\x1b" not in f"{error}{error.hint}"
    if kind is PasswordError:
        assert str(error).endswith("(7 seconds)")


@pytest.mark.parametrize(
    "text", ["", "-1", "1.5", "soon", "1" * 7, "\u0661", "Wed, 21 Oct 2026 07:28:00 GMT"]
)
def test_a_wait_that_makes_no_sense_is_none(text: str) -> None:
    error: Any = answers.refused(503, b'{"code":"busy"}', text)
    assert error.retry_after is None

"""The Range header as it is read: one range, clamped; everything else is passed over."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from consigne.server.api.requests import BEYOND, range_of
from consigne.server.policy.ranges import Range


def asked(*ranges: str) -> Range | None:
    headers = [(b"range", each.encode()) for each in ranges]
    return range_of(Request({"type": "http", "headers": headers}), '"etag"')


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes=0-9", Range(0, 9, None)),
        ("BYTES=5-", Range(5, None, None)),
        ("Bytes=-5", Range(None, None, 5)),
        ("bytes=007-0000000000000000000000009", Range(7, 9, None)),
        ("bytes=12345678901234567-", Range(BEYOND, None, None)),
        ("bytes=0-" + "9" * 30_000, Range(0, BEYOND, None)),
        ("bytes=-" + "9" * 17, Range(None, None, BEYOND)),
        (f"bytes={BEYOND}-{BEYOND + 7}", Range(BEYOND, BEYOND, None)),
    ],
)
def test_numbers_of_any_length_are_clamped(text: str, expected: Range) -> None:
    assert asked(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *["", "bytes", "bytes=", "bytes=-", "Bytes=-", "bytes=5-4", "bytes=0-1,3-4"],
        *["bytes=a-", "bits=0-1", "bytes=٣-", "bytes = 0-1", "bytes=0x1-", "bytes=+1-"],
    ],
)
def test_what_is_no_range_is_passed_over(text: str) -> None:
    headers = [(b"range", text.encode("utf-8"))]
    assert range_of(Request({"type": "http", "headers": headers}), '"etag"') is None


def test_two_ranges_are_passed_over() -> None:
    assert asked("bytes=0-1", "bytes=0-1") is None

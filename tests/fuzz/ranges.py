"""The Range header: never refused for its form, and never a byte beyond what there is."""

from __future__ import annotations

import re

from starlette.requests import Request

from consigne.server.api.requests import BEYOND, range_of
from consigne.server.policy import ranges
from consigne.server.policy.ranges import Range, Span
from consigne.server.refusal import Refusal
from tests.fuzz.target import Target

LENGTHS = (1, 10, 4152, 671_088_640_000)
ETAG = '"etag"'


def check(data: bytes) -> None:
    text, *condition = data.split(b"\n")[:2]
    headers = [(b"range", text), *((b"if-range", value) for value in condition)]
    wanted = range_of(Request({"type": "http", "headers": headers}), ETAG)
    plain = re.fullmatch(rb"[Bb][Yy][Tt][Ee][Ss]=([0-9]*)-([0-9]*)", text)
    if plain is None or (condition and condition[0] != ETAG.encode()):
        assert wanted is None
        return
    if wanted is None:
        first, last = (number.lstrip(b"0").rjust(len(text)) for number in plain.groups())
        assert not plain[2] if not plain[1] else plain[2] and last < first
        return
    assert all(part is None or 0 <= part <= BEYOND for part in wanted)
    for length in LENGTHS:
        _serve(wanted, length)


def _serve(wanted: Range, length: int) -> None:
    try:
        span = ranges.within(wanted, length)
        first = ranges.first_wanted(wanted, length, length)
    except Refusal as refusal:
        assert (refusal.code, refusal.extra) == ("range-not-satisfiable", {"length": length})
        return
    assert 0 <= span.start < span.stop <= length
    assert first == span.start
    for durable in (span.start, span.start + 1, length):
        served = ranges.so_far(wanted, length, span.start, durable)
        assert served == (Span(span.start, min(span.stop, durable)) if durable > span.start else None)


def seeds() -> list[bytes]:
    return [
        b"bytes=0-9",
        b"bytes=5-",
        b"bytes=-5",
        b"BYTES=007-9\n" + ETAG.encode(),
        b"bytes=0-1,3-4",
        b"bytes=-0",
    ]


TARGET = Target(
    "ranges", check, seeds, words=(b"bytes=", b"-", b",", b"9" * 17, b"\n" + ETAG.encode()), most=200
)

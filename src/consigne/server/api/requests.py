"""What a request says, read strictly: ids, tokens, lengths, ranges, JSON.

Everything here is bounded before it is read, and whatever is not exactly as
spec/http-api.md says is refused by code. No value of the request gets into an error.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import msgspec

from consigne import protocol
from consigne.server.policy.ranges import Range
from consigne.server.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request

_T = TypeVar("_T")

BEARER: Final = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] ([A-Za-z0-9_-]{43})")
RANGE: Final = re.compile(r"bytes=([0-9]*)-([0-9]*)", re.ASCII | re.IGNORECASE)
BEYOND: Final = 10**15  # no content is as long; every number from there on means the same
PART: Final = re.compile(r"0|[1-9][0-9]{0,5}", re.ASCII)


def id_of(request: Request) -> bytes:
    """The id in the path; one that is none is `not-found`."""
    try:
        return protocol.unb64u(request.path_params["id"])
    except ValueError:
        raise Refusal("not-found") from None


def part_of(request: Request) -> int:
    """The part number in the path, from 0; one that is none is `not-found`."""
    text = request.path_params["part"]
    if not PART.fullmatch(text):
        raise Refusal("not-found")
    return int(text)


def token_of(request: Request) -> bytes:
    """The bearer token. Refuses `token-missing` and, for what can be none, `token-wrong`."""
    found = request.headers.getlist("authorization")
    if not found:
        raise Refusal("token-missing")
    match = BEARER.fullmatch(found[0])
    if match is None or len(found) > 1:
        raise Refusal("token-wrong")
    try:
        return protocol.unb64u(match[1])
    except ValueError:
        raise Refusal("token-wrong") from None


def length_of(request: Request, most: int) -> int:
    """The announced length of the body, at most `most`. Refuses `length-required`, `too-large`."""
    announced = request.headers.get("content-length")
    if announced is None:
        raise Refusal("length-required")
    length = int(announced)  # digits only: the head was refused otherwise
    if length > most:
        raise Refusal("too-large")
    return length


async def pieces_of(request: Request) -> AsyncGenerator[memoryview, None]:
    """The body, piece by piece; each is valid until the next is asked for."""
    more = int(request.headers.get("content-length", "0")) > 0
    while more:
        message = await request.receive()
        more = message["more_body"]
        yield cast("memoryview", message["body"])


async def json_of(request: Request, shape: type[_T]) -> _T:
    """The body as JSON of exactly this shape, a TypedDict of protocol.py. Refuses `bad-request`."""
    length_of(request, protocol.MAX_JSON)
    data = b"".join([bytes(piece) async for piece in pieces_of(request)])
    try:
        value = msgspec.json.decode(data)
        converted: _T = msgspec.convert(value, type=shape, strict=True)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise Refusal("bad-request") from None
    if set(cast("dict[str, Any]", value)) != set(cast("dict[str, Any]", converted)):
        raise Refusal("bad-request")
    if len(json.loads(data, object_pairs_hook=list)) != len(value):  # a name that stands there twice
        raise Refusal("bad-request")
    return converted


async def drain(pieces: AsyncGenerator[memoryview, None]) -> None:
    """Read a body to its end and forget it, so that the connection can go on."""
    async for _ in pieces:
        pass


def range_of(request: Request, etag: str) -> Range | None:
    """The one range asked for, or None for everything.

    As RFC 9110 has it, a range that is malformed, manifold, or conditional on
    another ETag is ignored.
    """
    found = request.headers.getlist("range")
    match = RANGE.fullmatch(found[0]) if len(found) == 1 else None
    if match is None or match[0].endswith("=-") or request.headers.get("if-range", etag) != etag:
        return None
    first, last = (_clamped(number) if number else None for number in match.groups())
    if first is None:
        return Range(None, None, last)
    if last is not None and last < first:
        return None
    return Range(first, last, None)


def _clamped(number: str) -> int:
    """A number of any length, at most BEYOND; int() alone would refuse the longest."""
    digits = number.lstrip("0")
    return min(int(digits or "0"), BEYOND) if len(digits) <= len(str(BEYOND)) else BEYOND

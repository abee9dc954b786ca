"""Byte ranges (RFC 9110, section 14): what was asked for, against what there is. Pure.

An incomplete object is answered with what is contiguous and durable from the first
byte asked for; None then stands for "not yet".
"""

from __future__ import annotations

from typing import NamedTuple

from consigne.server.refusal import Refusal


class Range(NamedTuple):
    """One range as asked for: `first`-`last`, `first`-, or the last `suffix` bytes."""

    first: int | None
    last: int | None
    suffix: int | None


class Span(NamedTuple):
    """Bytes [start, stop)."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        """How many bytes."""
        return self.stop - self.start


def within(wanted: Range | None, length: int) -> Span:
    """The span of a content of `length` bytes; None asks for all of it.

    Raises Refusal `range-not-satisfiable`, with the length as an extra member.
    """
    if wanted is None:
        return Span(0, length)
    if wanted.first is None:
        suffix = wanted.suffix or 0
        start, stop = max(0, length - suffix), length
    else:
        start = wanted.first
        stop = length if wanted.last is None else min(wanted.last + 1, length)
    if not 0 <= start < stop:
        raise Refusal("range-not-satisfiable", extra={"length": length})
    return Span(start, stop)


def first_wanted(wanted: Range, length: int | None, ceiling: int) -> int | None:
    """The first byte asked for of an incomplete object; None while nobody can say.

    `ceiling` is the most that an object of unknown length can ever hold.
    """
    if length is not None:
        return within(wanted, length).start
    if wanted.first is None:
        return None
    if wanted.first >= ceiling or (wanted.last is not None and wanted.last < wanted.first):
        raise Refusal("range-not-satisfiable")
    return wanted.first


def so_far(wanted: Range, length: int | None, start: int, durable_until: int) -> Span | None:
    """The span to serve of an incomplete object, durable from `start` to `durable_until`."""
    stop = durable_until
    if length is not None:
        stop = min(stop, within(wanted, length).stop)
    elif wanted.last is not None:
        stop = min(stop, wanted.last + 1)
    return Span(start, stop) if start < stop else None

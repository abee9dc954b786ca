"""A set of segment numbers that is mostly a few long runs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consigne.client.fetching import Run


class SegmentSet:
    """Grows from several threads. A byte a segment: 2.5 MB for the longest content."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bits = bytearray()
        self.count = 0

    def add(self, segment: int) -> None:
        """Put one segment in."""
        self.add_run(segment, segment)

    def add_run(self, first: int, last: int) -> None:
        """Put `first` to `last` in, both included."""
        with self._lock:
            if last >= len(self._bits):
                self._bits.extend(bytes(last + 1 - len(self._bits)))
            for segment in range(first, last + 1):
                self.count += not self._bits[segment]
                self._bits[segment] = 1

    def runs(self) -> list[Run]:
        """What is in, as runs in order."""
        with self._lock:
            bits = bytes(self._bits)
        return _runs(bits, 1)

    def missing(self, wanted: list[Run]) -> list[Run]:
        """What of `wanted` is not in, as runs in order."""
        gaps: list[Run] = []
        for first, last in wanted:
            with self._lock:
                bits = bytes(self._bits[first : last + 1])
            bits = bits.ljust(last + 1 - first, b"\0")
            gaps.extend((first + start, first + stop) for start, stop in _runs(bits, 0))
        return gaps


def _runs(bits: bytes, value: int) -> list[Run]:
    runs = []
    other = b"\1" if value == 0 else b"\0"
    here = b"\0" if value == 0 else b"\1"
    start = bits.find(here)
    while start >= 0:
        stop = bits.find(other, start)
        stop = len(bits) if stop < 0 else stop
        runs.append((start, stop - 1))
        start = bits.find(here, stop)
    return runs

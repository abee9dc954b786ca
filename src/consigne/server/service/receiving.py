"""What is coming in right now, and how many bytes that may still write."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from consigne.server.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator


class Receiving:
    """Claims on parts and on room, within this process. `bytes` is the sum of what they hold."""

    def __init__(self) -> None:
        self._parts: set[tuple[bytes, int]] = set()
        self.bytes = 0

    @contextmanager
    def claim(self, object_id: bytes, part: int, length: int) -> Iterator[None]:
        """One sender of a part at a time, so that nothing durable is ever written over.

        Refuses `part-busy`.
        """
        key = (object_id, part)
        if key in self._parts:
            raise Refusal("part-busy", retry_after=1)
        self._parts.add(key)
        try:
            with self.room(length):
                yield
        finally:
            self._parts.discard(key)

    @contextmanager
    def room(self, length: int) -> Iterator[None]:
        """Count `length` bytes as about to be written."""
        self.bytes += length
        try:
            yield
        finally:
            self.bytes -= length

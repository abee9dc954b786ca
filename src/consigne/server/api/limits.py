"""How much the host does at once: requests, and bytes of capsules held in memory.

Neither waits: what is over the limit is answered `busy`, and whoever asked comes back.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from consigne.protocol import MIB
from consigne.server.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

RETRY_AFTER: Final = 1
CAPSULE_BYTES: Final = 160 * MIB  # two of the largest; usual ones have 4 KiB and do not count


class Gate:
    """Lets a number of requests in at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._inside = 0

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Be one of them. Refuses `busy`."""
        if self._inside >= self._most:
            raise Refusal("busy", retry_after=RETRY_AFTER)
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1


class Stock:
    """Bytes that may lie in memory, all requests together."""

    def __init__(self, most: int = CAPSULE_BYTES) -> None:
        self._most = most
        self._used = 0

    @contextmanager
    def budget(self) -> Iterator[Budget]:
        """One request's share, given back at its end."""
        budget = Budget(self)
        try:
            yield budget
        finally:
            self._used -= budget.used

    def take(self, size: int) -> None:
        """Use `size` more bytes. Refuses `busy`."""
        if self._used + size > self._most:
            raise Refusal("busy", retry_after=RETRY_AFTER)
        self._used += size


class Budget:
    """What one request holds of a stock."""

    def __init__(self, stock: Stock) -> None:
        self._stock = stock
        self.used = 0

    def add(self, size: int) -> None:
        """Hold `size` more bytes. Refuses `busy`."""
        self._stock.take(size)
        self.used += size

"""Whether a body moves: some bytes in every period, and at least at a rate in each.

A period is judged by itself: neither a head start nor a fast past buys hours of
trickle. Time in which the host itself would not read is not the sender's.

What goes out is judged by what the peer acknowledged. The kernel holds up to 4 MiB for a
connection and asks for more only when a third of it went; by our own buffer alone, whoever
reads 40 KiB a second would seem to stand still for half a minute.
"""

from __future__ import annotations

import fcntl
import sys
import termios
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


def held_by_kernel(transport: asyncio.Transport) -> int:
    """Bytes that were sent and not acknowledged yet; 0 of a connection that is over."""
    try:
        count = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
    except (OSError, ValueError):  # ValueError: the descriptor is -1 by now
        return 0
    return int.from_bytes(count, sys.byteorder)


class Watch:
    """Judges one connection, period by period; the connection's timer says when one is over."""

    def __init__(self) -> None:
        self.moved = 0  # bytes of the body that came in this period
        self._since = 0.0
        self._unsent = 0
        self._paused_at: float | None = None

    def receiving(self) -> None:
        """A period of receiving begins."""
        self.moved = 0
        self._since = time.monotonic()
        if self._paused_at is not None:
            self._paused_at = self._since

    def pause(self) -> None:
        """The host does not read for now."""
        self._paused_at = time.monotonic()

    def resume(self) -> None:
        """The host reads again."""
        if self._paused_at is not None:
            self._since += time.monotonic() - self._paused_at
            self._paused_at = None

    def receives_too_slowly(self, period: float, least_rate: float) -> bool:
        """Judge a period of receiving, of `period` seconds, and begin the next.

        While the host did not read for more than half of it, it goes on instead.
        """
        took = time.monotonic() - self._since
        if self._paused_at is not None or took < period / 2:
            return False
        slow = self.moved < max(least_rate * took, 1)
        self.receiving()
        return slow

    def sending(self, unsent: int) -> None:
        """So much waits to be sent from now on."""
        self._unsent = unsent

    def sends_too_slowly(self, unsent: int, least: float) -> bool:
        """Judge a period of sending, and begin the next."""
        sent, self._unsent = self._unsent - unsent, unsent
        return sent < max(least, 1)

"""Where bodies arrive: two buffers for each upload, taken from a bounded stock.

Bytes go from the socket into a buffer and from the same buffer to the disk, with
no copy between. Large ones are mmaps, thus aligned as writing past the page cache
demands, and are used again: fresh memory costs a page fault for every 4 KiB. When
the stock is out, uploads go on with small ones, slower, so that memory is bounded
however many come at once.
"""

from __future__ import annotations

import mmap
from typing import Final

from consigne.protocol import MIB

LARGE: Final = MIB
SMALL: Final = 64 * 1024
STOCK: Final = 48  # large buffers at once: 24 uploads at full speed


class Buffers:
    """A stock of receive buffers. Not for more than one thread."""

    def __init__(self, stock: int = STOCK) -> None:
        self._free: list[memoryview] = []
        self._left = stock

    def take(self, wanted: int) -> memoryview:
        """A buffer for a body with `wanted` bytes still to come, perhaps smaller than that."""
        if wanted <= SMALL:
            return memoryview(bytearray(wanted))
        if self._free:
            return self._free.pop()
        if self._left:
            self._left -= 1
            return memoryview(mmap.mmap(-1, LARGE))
        return memoryview(mmap.mmap(-1, SMALL))

    def give(self, buffer: memoryview) -> None:
        """Hand back a buffer that nobody looks at any more."""
        if len(buffer) == LARGE:
            self._free.append(buffer)

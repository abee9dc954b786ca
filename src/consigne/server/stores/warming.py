"""Bringing what was just completed into the page cache, where its first reader looks for it.

Parts are written past the page cache, and a link is mostly used soon after it was made:
its first download would read the disk while everybody else wants it too. So one thread,
which leaves the cores to all others, reads new objects once, as long as each takes
little of the memory that is free. It promises nothing, and what comes too fast is left out.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import queue
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from consigne.protocol import MIB
from consigne.server.stores.content_reader import open_to_read

if TYPE_CHECKING:
    from collections.abc import Callable

WAITING: Final = 16
SHARE: Final = 8  # an object may take one eighth of what is available
LOWEST_PRIORITY: Final = 19
MEMINFO: Final = Path("/proc/meminfo")


class Warmer:
    """One thread that reads files to no end but that the kernel has them. Starts with the first."""

    def __init__(self, available: Callable[[], int] | None = None) -> None:
        self._available = available or available_memory
        self._queue: queue.Queue[Path | None] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None
        self._closed = False

    def warm(self, path: Path) -> None:
        """Read the file some time soon, or never. Does not wait."""
        if self._closed:
            return
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(path)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="disk-warmer", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop, in the middle of a file too. Blocks for a piece at most. Idempotent."""
        self._closed = True
        if self._thread is not None:
            with contextlib.suppress(queue.Full):  # then it finds another one, and that it is closed
                self._queue.put_nowait(None)
            self._thread.join()

    def _work(self) -> None:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
        buffer = memoryview(mmap.mmap(-1, MIB))
        while not self._closed:
            path = self._queue.get()
            if path is not None:
                with contextlib.suppress(OSError):  # removed meanwhile, or a disk that its reader will name
                    self._read(path, buffer)

    def _read(self, path: Path, buffer: memoryview) -> None:
        file = open_to_read(path, 0, first=True)
        try:
            if file.past_cache or file.size > self._available() // SHARE:
                return
            offset = 0
            while not self._closed and (count := os.preadv(file.descriptor, [buffer], offset)):
                offset += count
        finally:
            os.close(file.descriptor)


def available_memory() -> int:
    """Bytes that could be used without swapping, as the kernel estimates it; 0 where it does not say."""
    with contextlib.suppress(OSError, ValueError):
        for line in MEMINFO.read_text("ascii").splitlines():
            name, _, rest = line.partition(":")
            if name == "MemAvailable":
                return int(rest.split()[0]) * 1024
    return 0

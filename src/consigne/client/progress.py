"""How far a transfer is: what a caller's callback is given."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """`done` of `total` ciphertext bytes after `seconds`; `already` were there before.

    `total` is None while a length is unknown. `waiting` tells that the host does
    not answer just now and the transfer tries again.
    """

    done: int
    total: int | None
    already: int
    seconds: float
    waiting: bool = False

    @property
    def rate(self) -> float:
        """Bytes per second of this run."""
        return (self.done - self.already) / self.seconds if self.seconds > 0 else 0.0


ProgressCallback = Callable[[Progress], None]


class Meter:
    """Counts bytes from any thread; tells when nothing has moved for too long."""

    def __init__(self, total: int | None, already: int = 0) -> None:
        self._lock = threading.Lock()
        self._done = already
        self._already = already
        self._total = total
        self._start = self._moved = time.monotonic()
        self._waiting = 0

    def add(self, count: int) -> None:
        """`count` more bytes are where they belong."""
        with self._lock:
            self._done += count
            self._moved = time.monotonic()

    def still_for(self) -> float:
        """Seconds since anything moved."""
        return time.monotonic() - self._moved

    def waiting(self, change: int) -> None:
        """One more (+1) or one less (-1) sender or fetcher waits for the host."""
        with self._lock:
            self._waiting += change

    def now(self) -> Progress:
        """The state at this moment."""
        seconds = time.monotonic() - self._start
        return Progress(self._done, self._total, self._already, seconds, waiting=self._waiting > 0)

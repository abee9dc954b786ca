"""How far a transfer is: what a caller's callback is given."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from consigne.client.patience import patience_seconds, stalled


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


SILENCE: Final = 30.0  # seconds in which a host may say nothing while a request waits for bytes
ProgressCallback = Callable[[Progress], None]


class Meter:
    """Counts bytes from any thread; tells when nothing has moved for too long."""

    def __init__(self, total: int | None, already: int = 0) -> None:
        self._lock = threading.Lock()
        self._done = already
        self._already = already
        self._total = total
        self._start = self._moved = self._flowed = time.monotonic()
        self._waiting = 0

    def flow(self, count: int) -> None:
        """`count` more bytes went over the wire; negative takes back what went in vain."""
        with self._lock:
            self._done += count
            if count > 0:
                self._flowed = time.monotonic()

    def heard(self) -> None:
        """The host said something, if only that there is nothing yet."""
        self._flowed = time.monotonic()

    def moved(self) -> None:
        """Bytes are where they belong: what went so far was not in vain."""
        self._moved = time.monotonic()

    def still_for(self) -> float:
        """Seconds since anything got where it belongs."""
        return time.monotonic() - self._moved

    def silent_for(self) -> float:
        """Seconds since anything went over the wire."""
        return time.monotonic() - max(self._moved, self._flowed)

    def waiting(self, change: int) -> None:
        """One more (+1) or one less (-1) sender or fetcher waits for the host."""
        with self._lock:
            self._waiting += change

    def now(self) -> Progress:
        """The state at this moment."""
        seconds = time.monotonic() - self._start
        return Progress(self._done, self._total, self._already, seconds, waiting=self._waiting > 0)


class Watcher:
    """Looks at a transfer ten times a second: tells whoever asked, and notices when it stands still.

    A connection that drips says something now and then, and never fails by itself.
    """

    def __init__(self, on_progress: ProgressCallback = lambda _: None) -> None:
        self._on_progress = on_progress

    def look(self, meter: Meter) -> None:
        """Raises HostError `host-stalled`."""
        self._on_progress(meter.now())
        if meter.silent_for() > SILENCE + patience_seconds():
            raise stalled()

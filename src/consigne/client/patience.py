"""Trouble that may pass, and how long a caller waits for it to."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from consigne.errors import HostError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from consigne.client.progress import Meter

DEFAULT_SECONDS: Final = 30.0
MAX_SECONDS: Final = 86_400.0
TRIES: Final = 3


def patience_seconds() -> float:
    """Seconds without any progress: `CONSIGNE_PATIENCE`, or 30. Raises UsageError `setting-invalid`."""
    text = os.environ.get("CONSIGNE_PATIENCE", "")
    try:
        seconds = float(text) if text else DEFAULT_SECONDS
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_SECONDS:
        raise UsageError("setting-invalid", "CONSIGNE_PATIENCE is not a number of seconds.")
    return seconds


class TransientError(HostError):
    """Trouble that may pass: worth another try. `cut`: bytes that were promised did not come."""

    cut = False


class Patience:
    """How long a caller waits while nothing moves: `seconds`, then the trouble is final.

    With a meter, whatever any thread brings home renews it. A few tries are granted
    however long they took, for links on which one part takes longer; not to a host
    that answers and says no. `stop` ends it at once.
    """

    def __init__(
        self,
        meter: Meter | None = None,
        stop: Callable[[], bool] | None = None,
        *,
        seconds: float | None = None,
        tries: int = TRIES,
    ) -> None:
        self._seconds = patience_seconds() if seconds is None else seconds
        self._tries = tries
        self._meter = meter
        self.stopped = stop or (lambda: False)
        self._since = time.monotonic()

    def moved(self) -> None:
        """Something went well: start counting anew."""
        self._since = time.monotonic()

    def pause(self, trouble: HostError, attempt: int) -> None:
        """Wait before attempt number `attempt` + 1, or raise `trouble` when it has been too long."""
        delay = trouble.retry_after if trouble.retry_after is not None else min(0.1 * 2**attempt, 3.0)
        until = time.monotonic() + min(delay, self._seconds)
        tries = self._tries if trouble.status is None else 0
        if self._meter:
            self._meter.waiting(+1)
            if trouble.status is not None:
                self._meter.heard()
        try:
            while True:
                if self.stopped() or (attempt >= tries and self._still_for() > self._seconds):
                    raise trouble
                left = until - time.monotonic()
                if left <= 0:
                    return
                time.sleep(min(left, 0.2))
        finally:
            if self._meter:
                self._meter.waiting(-1)

    def _still_for(self) -> float:
        still = time.monotonic() - self._since
        return min(still, self._meter.still_for()) if self._meter else still


def unreachable(base: str) -> TransientError:
    """No connection to the host."""
    return TransientError(
        "host-unreachable", f"No host answers at {base}.", hint="Is it running, and is the address right?"
    )


def lost(*, cut: bool = False) -> TransientError:
    """The connection broke, or (`cut`) was ended in good order before its time."""
    trouble = TransientError(
        "connection-lost",
        "The connection to the host was lost.",
        hint="Give the same command again to go on.",
    )
    trouble.cut = cut
    return trouble


def stalled() -> HostError:
    """The connection stands, and next to nothing comes."""
    return HostError(
        "host-stalled",
        "The host or the network does not move any more.",
        hint="Give the same command again to go on.",
    )

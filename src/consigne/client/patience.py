"""Trouble that may pass, and how long a caller waits for it to."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from consigne.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Callable

    from consigne.client.progress import Meter

PATIENCE: Final = float(os.environ.get("CONSIGNE_PATIENCE", "30"))  # seconds without any progress


class TransientError(HostError):
    """Trouble that may pass: worth another try."""


class Patience:
    """How long a caller waits while nothing moves: `seconds`, then the trouble is final.

    With a meter, any byte that any thread moves renews it. `stop` ends it at once.
    """

    def __init__(
        self,
        meter: Meter | None = None,
        stop: Callable[[], bool] | None = None,
        *,
        seconds: float = PATIENCE,
    ) -> None:
        self._seconds = seconds
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
        if self._meter:
            self._meter.waiting(+1)
        try:
            while True:
                if self.stopped() or self._still_for() > self._seconds:
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


def lost() -> TransientError:
    """The connection broke."""
    return TransientError(
        "connection-lost",
        "The connection to the host was lost.",
        hint="Give the same command again to go on.",
    )

"""Whether the clock has leapt ahead: the time of day held against the time that has passed.

By a wrong clock everything has expired. To say so is no harm, and is over when the clock is
right again; to delete it is for good. So what a leap tells is doubted for a day in which the
clock must stand by it (docs/decisions/0037).
"""

from __future__ import annotations

from typing import Final

from consigne.protocol import DAY

LEAP: Final = 3600  # seconds; no clock that is set by others' drifts as much between two sweeps
DOUBTED_FOR: Final = DAY


class Leaps:
    """Follows one clock. Ask now and then."""

    def __init__(self) -> None:
        self._ahead: float | None = None  # of the time that has passed, as long as it was believed
        self._doubted_since: float | None = None

    def doubts(self, now: float, passed: float) -> bool:
        """Whether `now` is not to be acted on yet; `passed` are seconds since any fixed instant."""
        ahead = now - passed
        if self._ahead is None or ahead - self._ahead <= LEAP or self._is_believed(passed):
            self._ahead, self._doubted_since = ahead, None
            return False
        if self._doubted_since is None:
            self._doubted_since = passed
        return True

    def _is_believed(self, passed: float) -> bool:
        return self._doubted_since is not None and passed - self._doubted_since >= DOUBTED_FOR

"""The progress line: how far, how fast, how long still.

    [=======>            ]  412.3 MiB of 1.0 GiB  40 %  215.0 MiB/s  3 s left

`line` is text out of numbers; `Bar` decides when to draw it: at most ten times a
second, on a terminal, and never in a pipe.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

from consigne.cli import sizes

if TYPE_CHECKING:
    from consigne.cli.voice import Voice
    from consigne.client import Progress

REDRAW: Final = 0.1  # seconds
RECENT: Final = 5.0  # seconds over which the rate is taken
FIRST_GUESS: Final = 0.5  # seconds before a rate says anything
MAX_BAR: Final = 30
MIN_BAR: Final = 10


class Bar:
    """A callback for `on_progress` that draws what it is told."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._draws = voice.draws
        self._last = -REDRAW
        self._seen: deque[tuple[float, int]] = deque()

    def __call__(self, progress: Progress) -> None:
        """Draw, if it is time to."""
        now = time.monotonic()
        if self._draws and now - self._last >= REDRAW:
            self._last = now
            self._voice.draw(line(progress, self._rate(progress), self._voice.width))

    def _rate(self, progress: Progress) -> float | None:
        """Bytes per second over the last few seconds; None while that is a guess."""
        self._seen.append((progress.seconds, progress.done))
        while self._seen[-1][0] - self._seen[0][0] > RECENT:
            self._seen.popleft()
        seconds = self._seen[-1][0] - self._seen[0][0]
        return (self._seen[-1][1] - self._seen[0][1]) / seconds if seconds > FIRST_GUESS else None


def line(progress: Progress, rate: float | None, width: int) -> str:
    """The progress line in at most `width` columns, the least important left out first."""
    parts = [_how_far(progress)]
    if progress.total:
        parts.append(f"{100 * progress.done // progress.total} %")
    if progress.waiting:
        parts.append("waiting for the host")
    elif rate is not None:
        parts.append(f"{sizes.say(rate)}/s")
        parts.extend(_time_left(progress, rate))
    while len(parts) > 1 and len("  ".join(parts)) > width:
        parts.pop()
    text = "  ".join(parts)[:width]
    return _bar(progress, width - len(text) - 2) + text


def _how_far(progress: Progress) -> str:
    done = sizes.say(progress.done)
    return f"{done} of {sizes.say(progress.total)}" if progress.total is not None else done


def _time_left(progress: Progress, rate: float) -> list[str]:
    if progress.total is None or rate <= 0:
        return []
    seconds = round((progress.total - progress.done) / rate)
    if seconds < 60:
        return [f"{seconds} s left"]
    minutes, seconds = divmod(seconds, 60)
    return [
        f"{minutes} min {seconds:02} s left"
        if minutes < 60
        else f"{minutes // 60} h {minutes % 60:02} min left"
    ]


def _bar(progress: Progress, room: int) -> str:
    """A bar with two spaces behind it, if there is room for one that says anything."""
    inner = min(room - 2, MAX_BAR)
    if not progress.total or inner < MIN_BAR:
        return ""
    filled = inner * progress.done // progress.total
    return f"[{('=' * filled + '>')[:inner]:<{inner}}]  "

"""Times of files and folders that tell the day and no more: nobody needs to know the minute."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from consigne.protocol import DAY

if TYPE_CHECKING:
    from pathlib import Path


def to_the_day(file: int) -> None:
    """Set an open file's times to the beginning of today (UTC)."""
    os.utime(file, _today())


def folder_to_the_day(folder: Path) -> None:
    """The same for a folder, whose entries have just changed."""
    os.utime(folder, _today())


def _today() -> tuple[int, int]:
    day = int(time.time()) // DAY * DAY
    return day, day

"""Instants, rounded up so that they tell no moment of an upload (docs/decisions/0010)."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

from consigne.protocol import DAY

HOUR: Final = 3600
LAST: Final = 253_402_214_400  # midnight before the last day that RFC 3339 can write


def day_of(now: float) -> int:
    """The UTC day of an instant, as days since 1970."""
    return int(now // DAY)


def end_of(now: float, lifetime: int) -> int:
    """When something ends that is to live `lifetime` seconds, as seconds since 1970.

    A life of a day or more ends at a midnight (UTC), a shorter one at a full hour,
    never before its time.
    """
    step = DAY if lifetime >= DAY else HOUR
    return min(-(-math.ceil(now + lifetime) // step) * step, LAST)


def full_hour_after(now: float, lifetime: int) -> int:
    """The first full hour that is at least `lifetime` seconds away."""
    return -(-math.ceil(now + lifetime) // HOUR) * HOUR


def rfc3339(instant: int) -> str:
    """An instant as the API writes it."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

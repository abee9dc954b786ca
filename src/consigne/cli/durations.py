"""Times as people write and read them: `30m`, `12h`, `7d`, `4w`; "in 6 days"."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

UNITS: Final = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_NAMES: Final = (("day", 86_400), ("hour", 3600), ("minute", 60))


def parse(text: str) -> int:
    """Seconds out of a number and a unit. ValueError, in words for people, for anything else."""
    match = re.fullmatch(r"([0-9]{1,6})([mhdw])", text.strip(), re.ASCII)
    if match is None or int(match[1]) == 0:
        raise ValueError("a time looks like 30m, 12h, 7d or 4w.")
    return int(match[1]) * UNITS[match[2]]


def span(seconds: float) -> str:
    """About how long: "6 days", "1 hour", "less than a minute"."""
    for name, size in _NAMES:
        count = int(seconds // size)
        if count:
            return f"{count} {name}{'s' if count > 1 else ''}"
    return "less than a minute"


def until(expires: str, now: datetime | None = None) -> str:
    """When (RFC 3339, UTC) and how long until then: "2026-11-30 10:00 UTC, in 6 days"."""
    instant = moment(expires)
    if instant is None:
        return "unknown"
    left = (instant - (now or datetime.now(UTC))).total_seconds()
    return f"{instant:%Y-%m-%d %H:%M} UTC, " + (f"in {span(left)}" if left > 0 else "which is past")


def moment(text: str) -> datetime | None:
    """The instant that RFC 3339 text names; None when it names none."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None

"""Byte counts as people read them: `812 B`, `1.0 KiB`, `412.3 MiB`."""

from __future__ import annotations

from typing import Final

_UNITS: Final = ("KiB", "MiB", "GiB", "TiB", "PiB")


def say(count: float) -> str:
    """`count` bytes with the unit that leaves one to four digits before the point."""
    if count < 1024:
        return f"{int(count)} B"
    value, unit = float(count), ""
    for unit in _UNITS:  # noqa: B007 - the last unit serves all that is larger
        value /= 1024
        if value < 1023.95:  # what would be rounded to 1024.0 belongs to the next unit
            break
    return f"{value:.1f} {unit}"

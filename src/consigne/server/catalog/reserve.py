"""Room for removing: a file of some MiB beside the catalog, given up when the disk is full.

Deleting rows writes to the log first. On a disk without a free byte nothing could be
removed and nothing swept; so the first to meet it lets go of this file and tries again,
and the sweep takes the room back once there is some.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

SIZE: Final = 16 * 2**20


class Reserve:
    """The file `<catalog>.reserve`. Its methods block."""

    def __init__(self, catalog: Path) -> None:
        self._file = catalog.with_name(catalog.name + ".reserve")

    def keep(self) -> None:
        """Take the room, if it is not taken and there is any."""
        with contextlib.suppress(OSError):
            if self._file.exists() and self._file.stat().st_size == SIZE:
                return
            file = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(file, 0, SIZE)
            except OSError:  # half of it would only be in the way
                self._file.unlink()
            finally:
                os.close(file)

    def release(self) -> None:
        """Give the room to whoever is about to remove something."""
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)

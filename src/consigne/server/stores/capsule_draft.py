"""A capsule on its way in: written piece by piece under a name of its own, hashed on the way.

It becomes a capsule by being renamed, when its hash has been judged. Until then it
is a temporary file that nobody asks for. Methods block: call them in a thread.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from consigne.server.stores.quiet import to_the_day

if TYPE_CHECKING:
    from pathlib import Path


class CapsuleDraft:
    """One temporary file, open for writing. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._hash = hashlib.sha256()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, piece: bytes | memoryview) -> None:
        """Append a piece."""
        left = memoryview(piece)
        self._hash.update(left)
        while left:
            left = left[os.write(self._file, left) :]

    def finish(self) -> bytes:
        """Flush all of it; its SHA-256."""
        to_the_day(self._file)
        os.fsync(self._file)
        return self._hash.digest()

    def close(self) -> None:
        """Let go of the file, finished or not."""
        os.close(self._file)

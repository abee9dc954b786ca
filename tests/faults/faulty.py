"""A host whose disk and clock fail on demand: faults.c, compiled here and preloaded into its process.

What a real mount can do is done with one (see `mounts`); this is for what no mount does on
demand and takes back again: a flush that fails, a disk that turns read-only under open files,
a clock that leaps.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("faults.c")
ORDERS = 4096


def compiled(folder: Path) -> Path:
    """The library; skips where nothing compiles C."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler here, so no disk that fails on demand")
    library = folder / "faults.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True, timeout=60)
    return library


@dataclass
class Faults:
    """What goes wrong below `below`, from now until it is taken back; `trace` records what was written."""

    library: Path
    folder: Path
    below: Path

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.end()

    @property
    def trace(self) -> Path:
        return self.folder / "trace"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(self.library),
            "CONSIGNE_TEST_FAULTS": str(self.folder / "orders"),
            "CONSIGNE_TEST_TRACE": str(self.trace),
            "CONSIGNE_TEST_FOLDER": str(self.below),
        }

    @contextmanager
    def failing(self, *kinds: str, of: str = "/", number: int = errno.EIO) -> Iterator[None]:
        """Calls of these kinds (write, sync, read, change) fail on paths that contain `of`."""
        self._order("".join(f"{kind} {of} {number}\n" for kind in kinds))
        try:
            yield
        finally:
            self.end()

    @contextmanager
    def clock_off_by(self, seconds: int) -> Iterator[None]:
        """The host's time of day is wrong; time that passes is not."""
        self._order(f"clock * {seconds}\n")
        try:
            yield
        finally:
            self.end()

    def end(self) -> None:
        """Nothing fails any more."""
        self._order("")

    def _order(self, text: str) -> None:
        """In place: the host has the file mapped."""
        file = os.open(self.folder / "orders", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.pwrite(file, text.encode().ljust(ORDERS, b"\0"), 0)
        finally:
            os.close(file)

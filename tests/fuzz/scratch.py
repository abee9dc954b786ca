"""Folders for targets that read files: one for each process, gone with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory


@cache
def _folder(name: str) -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix=f"consigne-{name}-")


def folder(name: str) -> Path:
    """A folder of this process, kept until it ends."""
    return Path(_folder(name).name)


@contextmanager
def at_home(name: str) -> Iterator[Path]:
    """As a user whose journals and receipts lie under the folder that this gives."""
    variables = ("XDG_STATE_HOME", "XDG_DATA_HOME")
    before = {variable: os.environ.get(variable) for variable in variables}
    home = folder(name)
    os.environ.update(dict.fromkeys(variables, str(home)))
    try:
        yield home
    finally:
        for variable, value in before.items():
            os.environ.pop(variable, None)
            if value is not None:
                os.environ[variable] = value

"""Where this user's state lies: receipts and journals, private to them.

`$XDG_DATA_HOME/consigne` and `$XDG_STATE_HOME/consigne` (XDG Base Directory
Specification), the platform's own places on macOS and Windows. Folders 0700,
files 0600: both hold secrets.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def receipts_folder() -> Path:
    """Folder of receipts, made if it is not there."""
    return _private(_base("XDG_DATA_HOME", ".local/share") / "receipts")


def journals_folder() -> Path:
    """Folder of journals, made if it is not there."""
    return _private(_base("XDG_STATE_HOME", ".local/state") / "journals")


def _base(variable: str, unix_default: str) -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "Consigne"
    named = os.environ.get(variable, "")
    if named.startswith("/"):
        return Path(named) / "consigne"
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/Consigne"
    return Path.home() / unix_default / "consigne"


def _private(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def private_opener(path: str, flags: int) -> int:
    """An `opener` for `open()`: what it creates is 0600, whatever the umask."""
    return os.open(path, flags, 0o600)


def flush_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    if os.name == "nt":  # folders cannot be opened there; NTFS journals names itself
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

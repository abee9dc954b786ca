"""What a share's files are called here, where a system cannot take their names.

The format knows no case and no normalisation: two names may differ only in that.
Here they are kept apart ("name (2).txt"), names that Windows reserves are changed,
and each change is told to the user.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_WINDOWS_FORBIDDEN: Final = re.compile(r'[<>:"|?*]')
_WINDOWS_RESERVED: Final = re.compile(
    r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\..*)?\Z"
)
PROBE: Final = "Consigne-\u00c9"


def local_names(
    paths: Iterable[str], *, fold: Callable[[str], str] | None, windows: bool
) -> dict[str, str] | None:
    """Every path and every folder on its way → its name here; None where every name can stay."""
    if fold is None and not windows:
        return None
    fold = fold or str
    chosen: dict[str, str] = {"": ""}
    taken: dict[str, int] = {}
    for path in paths:
        walked = ""
        for component in path.removesuffix("/").split("/"):
            parent, walked = walked, f"{walked}/{component}" if walked else component
            if walked in chosen:
                continue
            wanted = safe_on_windows(component) if windows else component
            chosen[walked] = _free(chosen[parent], wanted, taken, fold)
    return chosen


def folding(folder: Path) -> Callable[[str], str] | None:
    """What the file system of `folder` takes for one name, found out by a probe; None: only equal ones."""
    with TemporaryDirectory(prefix=".consigne-", dir=folder) as apart:  # no name of the share is there
        probe = Path(apart)
        (probe / PROBE).touch()
        ignores_case = (probe / PROBE.swapcase()).exists()
        ignores_form = (probe / unicodedata.normalize("NFD", PROBE)).exists()

    if not ignores_case and not ignores_form:
        return None

    def fold(name: str) -> str:
        form = unicodedata.normalize("NFC", name) if ignores_form else name
        return form.casefold() if ignores_case else form

    return fold


def safe_on_windows(component: str) -> str:
    """A component that Windows takes: reserved names, characters and endings replaced."""
    safe = _WINDOWS_FORBIDDEN.sub("_", component)
    stripped = safe.rstrip(". ")
    safe = stripped + "_" * (len(safe) - len(stripped))
    return "_" + safe if _WINDOWS_RESERVED.match(safe) else safe


def _free(parent: str, wanted: str, taken: dict[str, int], fold: Callable[[str], str]) -> str:
    """`wanted` under `parent`, numbered when its place is taken; `taken` counts how often each was wanted."""
    prefix = f"{parent}/" if parent else ""
    stem, dot, suffix = wanted.rpartition(".")
    if not stem:
        stem, dot, suffix = wanted, "", ""
    first = fold(prefix + wanted)
    name = prefix + wanted
    while fold(name) in taken:
        taken[first] = taken.get(first, 1) + 1
        name = f"{prefix}{stem} ({taken[first]}){dot}{suffix}"
    taken[fold(name)] = 1
    return name

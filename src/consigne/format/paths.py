"""Which paths a share may hold: judged when writing and again when reading.

Only what is dangerous on every system is refused; case, normalisation and the
reserved names of one system are for the reader that writes files there.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_COMPONENT: Final = 255
MAX_PATH: Final = 4096
# C0, DEL and C1 controls; marks that turn the reading direction (CVE-2021-42574).
_FORBIDDEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# An empty, `.` or `..` component; the final `/` of a folder ends the path.
_NO_COMPONENT: Final = re.compile(r"(^|/)\.{0,2}/|(^|/)\.{1,2}\Z")


def refusal(path: str) -> str | None:
    """Why this path is refused, or None. A final `/` marks a folder without files."""
    if not path or path == "/":
        return "it is empty"
    if path.startswith("/"):
        return "it is absolute"
    if "\\" in path:
        return "it has a backslash"
    if _FORBIDDEN.search(path):
        return "it has a control or direction character, or is not valid Unicode"
    if _NO_COMPONENT.search(path):
        return "a component is empty, `.` or `..`"
    return _too_long(path)


def conflict(paths: Iterable[str]) -> str | None:
    """A path that stands twice, or that is a file and another path's folder; or None.

    With `/` sorted before every other character, what lies in `a` follows `a`.
    """
    in_order = sorted(path.replace("/", "\0") for path in paths)
    for before, path in pairwise(in_order):
        if path == before or path.startswith(before + "\0"):  # nothing follows the `/` of a folder so
            return before.replace("\0", "/")
    return None


def _too_long(path: str) -> str | None:
    if 4 * len(path) <= MAX_COMPONENT:  # no character is more than four bytes
        return None
    if len(path.encode("utf-8")) > MAX_PATH:
        return f"it is longer than {MAX_PATH} bytes"
    if any(len(component.encode("utf-8")) > MAX_COMPONENT for component in path.split("/")):
        return f"a component is longer than {MAX_COMPONENT} bytes"
    return None

"""Which files of a share are meant, and where each of them starts in the content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from consigne.errors import LocalError, UsageError

if TYPE_CHECKING:
    from consigne.format.manifest import FileEntry, Manifest

MAX_DEPTH: Final = 900  # what was begun must be deleted again, and Python's rmtree recurses


@dataclass(frozen=True, slots=True)
class Placed:
    """A chosen file: where it starts in the content."""

    entry: FileEntry
    start: int

    @property
    def stop(self) -> int:
        """Where it ends in the content."""
        return self.start + self.entry.size


def choose(manifest: Manifest, only: str | None) -> list[Placed]:
    """The files to get: all, or one, or all in one folder.

    Raises UsageError `path-unknown`, and LocalError `path-refused` for folders that are too deep.
    """
    placed, start = [], 0
    for entry in manifest.files:
        placed.append(Placed(entry, start))
        start += entry.size
    if any(item.entry.path.count("/") > MAX_DEPTH for item in placed):
        raise LocalError("path-refused", "The share holds folders that are too deep for any system.")
    if only is None:
        return placed
    wanted = only.strip("/")
    found = [p for p in placed if p.entry.path.rstrip("/") == wanted or p.entry.path.startswith(wanted + "/")]
    if not found:
        raise UsageError(
            "path-unknown", "The link holds no such path.", hint="See them with: consigne ls LINK"
        )
    return found

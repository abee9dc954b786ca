"""The one scratch directory in which everything of a run lies.

Strategy: all contenders read from and write to the same disk, with a home directory
and an environment of their own, so that nobody's settings change the numbers.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
IN_MEMORY = {"tmpfs", "ramfs"}


class BenchError(Exception):
    """The benchmark cannot go on; its text says why."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The scratch directory and the environment of every command run in it."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """What every command sees: no proxies, no configuration of the user's."""
        home = str(self.folder("home"))
        return {
            "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin",
            "LANG": "C.UTF-8",
            "HOME": home,
            "XDG_CONFIG_HOME": f"{home}/config",
            "XDG_CACHE_HOME": f"{home}/cache",
            "XDG_DATA_HOME": f"{home}/data",
            "XDG_STATE_HOME": f"{home}/state",
            "RCLONE_CONFIG": str(self.root / "rclone.conf"),
        }

    def folder(self, name: str) -> Path:
        """Give a folder of the scratch directory, made when it is not there."""
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def emptied(self, name: str) -> Path:
        """Give a folder of the scratch directory with nothing in it."""
        shutil.rmtree(self.root / name, ignore_errors=True)
        return self.folder(name)

    def program(self, name: str) -> str | None:
        """Find a program's path, as the commands run here would."""
        return shutil.which(name, path=self.environment["PATH"])

    def free(self) -> int:
        """Count the free bytes on the scratch directory's disk."""
        return shutil.disk_usage(self.root).free


@contextmanager
def opened(parent: Path) -> Iterator[Workspace]:
    """Make the scratch directory below `parent`, and remove it at the end."""
    parent.mkdir(parents=True, exist_ok=True)
    kind = file_system(parent)
    if kind in IN_MEMORY:
        reason = f"the scratch directory lies on {kind}: choose a disk with --scratch"
        raise BenchError(reason)
    with tempfile.TemporaryDirectory(dir=parent, prefix="run-") as name:
        yield Workspace(Path(name))


def file_system(path: Path) -> str:
    """Name the type of the file system that holds `path`, as in `ext4`."""
    best, kind = Path("/"), "unknown"
    for line in Path("/proc/self/mounts").read_text("utf-8").splitlines():
        _, mount, this_kind, *_ = line.split(" ")
        point = Path(mount.replace("\\040", " "))
        if path.resolve().is_relative_to(point) and point.is_relative_to(best):
            best, kind = point, this_kind
    return kind

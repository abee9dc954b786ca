"""What is put and got: a file of random bytes, or a folder of many small ones."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHUNK = 1 << 20
SMALL_FILES = 10_000
SMALL_BYTES = 4096
SUBFOLDERS = 100

# The kinds of payload, as the results name them.
FILE = "file"
ONCE = "file, once"
LARGE = "large file, once"
FOLDER = "small files"
TINY = "tiny file"


@dataclass(frozen=True, slots=True)
class Payload:
    """A file or folder to send, and the bytes in it."""

    kind: str
    path: Path
    size: int

    def __str__(self) -> str:
        """Say what it is, as the tables do."""
        if self.kind == FOLDER:
            return f"{SMALL_FILES:,} files of {readable(SMALL_BYTES)}"
        once = ", once" if self.kind in (ONCE, LARGE) else ""
        return f"a {readable(self.size)} file{once}"


def readable(size: int) -> str:
    """Write a size in the largest binary unit that leaves no rest."""
    for unit in ("bytes", "KiB", "MiB"):
        if size % 1024 or size == 0:
            return f"{size} {unit}"
        size //= 1024
    return f"{size} GiB"


def make_file(path: Path, size: int, kind: str) -> Payload:
    """Write `size` random bytes, which nothing on the way can compress."""
    with path.open("wb") as file:
        for start in range(0, size, CHUNK):
            file.write(os.urandom(min(CHUNK, size - start)))
    return Payload(kind, path, size)


def make_folder(path: Path) -> Payload:
    """Write 10,000 files of 4 KiB, spread over a hundred sub folders."""
    for number in range(SMALL_FILES):
        folder = path / f"folder-{number % SUBFOLDERS:02}"
        folder.mkdir(parents=True, exist_ok=True)
        name = f"file-{number:05}.bin"
        folder.joinpath(name).write_bytes(os.urandom(SMALL_BYTES))
    return Payload(FOLDER, path, SMALL_FILES * SMALL_BYTES)


def fingerprint(path: Path) -> str:
    """Hash a file's bytes, or a folder's names and bytes in the order of names."""
    total = hashlib.sha256()
    for file in sorted(_files(path)):
        total.update(str(file.relative_to(path)).encode() + b"\0")
        with file.open("rb") as opened:
            total.update(hashlib.file_digest(opened, "sha256").digest())
    return total.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    else:
        yield from (file for file in path.rglob("*") if file.is_file())

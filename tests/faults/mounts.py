"""Real file systems for a test: small ones, ones that turn read-only, ones that go away. Root only."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def _run(*command: object) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no mounts here: {done.stderr.strip()}")


def unmount(folder: Path) -> None:
    """Whoever has files of it open keeps them; its path leads to the folder beneath."""
    subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


@contextmanager
def _unmounted_at_the_end(folder: Path) -> Iterator[Path]:
    try:
        yield folder
    finally:
        unmount(folder)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own, with so much room (such as 24m)."""
    folder.mkdir(parents=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "none", folder)
    with _unmounted_at_the_end(folder):
        yield folder


@contextmanager
def ext4_disk(folder: Path, image: Path) -> Iterator[Path]:
    """An ext4 of 64 MiB in the file `image`, made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    if not image.exists():
        with image.open("wb") as file:
            file.truncate(64 << 20)
        _run("mkfs.ext4", "-q", "-F", image)
    _run("mount", "-o", "loop", image, folder)
    with _unmounted_at_the_end(folder):
        yield folder


def turn_read_only(folder: Path) -> None:
    """As ext4 does when its journal fails, with all files open."""
    _run("mount", "-o", "remount,abort", folder)


@contextmanager
def shown_at(folder: Path, elsewhere: Path) -> Iterator[Path]:
    """A folder whose contents lie `elsewhere`, until it is unmounted: then it is an empty one."""
    folder.mkdir(parents=True, exist_ok=True)
    elsewhere.mkdir(parents=True, exist_ok=True)
    _run("mount", "--bind", elsewhere, folder)
    with _unmounted_at_the_end(folder):
        yield folder


@contextmanager
def filled(folder: Path, but: int = 0) -> Iterator[Path]:
    """No room but `but` bytes, until it is over."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError:
            pass
        file.truncate(max(0, file.tell() - but))
    try:
        yield filler
    finally:
        filler.unlink()

"""Large files land the same bytes on every disk: past the page cache, or not; and where no room is."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from consigne.client import landing
from consigne.client.landing import BLOCK, LargeFile, aligned_buffer

SIZE = 2 * BLOCK + 12_345
DATA = random.Random(5).randbytes(SIZE)
Write = Callable[[int, bytes], int]


def land(path: Path) -> bytes:
    """The whole file in pieces of odd sizes, one of them out of turn."""
    file = LargeFile(str(path), SIZE, aligned_buffer())
    view = memoryview(DATA)
    edges = [0, 5, 70_000, BLOCK - 1, BLOCK + 4096, SIZE]
    pieces = list(pairwise(edges))
    for start, stop in [*pieces[1:], pieces[0]]:
        file.write(start, view[start:stop])
    file.flush()
    file.close()
    return path.read_bytes()


def test_as_the_disk_likes_it(tmp_path: Path) -> None:
    assert land(tmp_path / "file") == DATA


def test_a_system_without_direct_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing, "_DIRECT", 0)
    assert land(tmp_path / "file") == DATA


def test_a_file_system_that_does_not_open_it_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refuses(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "not here")
        return real(path, flags, mode)

    monkeypatch.setattr(landing.os, "open", refuses)
    assert land(tmp_path / "file") == DATA


def failing_direct(write: Write, number: int) -> Write:
    """`os.write` that fails wherever whole blocks are written, as a disk with larger sectors does."""

    def fails(handle: int, data: bytes) -> int:
        if len(data) % landing.ALIGNMENT == 0 and os.get_blocking(handle) and is_direct(handle):
            raise OSError(number, os.strerror(number))
        return write(handle, data)

    return fails


def is_direct(handle: int) -> bool:
    import fcntl

    return bool(fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_DIRECT)


def test_a_disk_that_wants_another_alignment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing.os, "write", failing_direct(os.write, errno.EINVAL))
    assert land(tmp_path / "file") == DATA


def test_any_other_trouble_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing.os, "write", failing_direct(os.write, errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        land(tmp_path / "file")


def test_room_is_asked_for_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[int] = []
    real = os.close

    def no_room(_handle: int, _start: int, _size: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(landing.os, "posix_fallocate", no_room)
    monkeypatch.setattr(landing.os, "close", lambda handle: (closed.append(handle), real(handle)))
    with pytest.raises(OSError, match="full"):
        LargeFile(str(tmp_path / "file"), SIZE, aligned_buffer())
    assert len(closed) == 2

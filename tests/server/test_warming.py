"""What was completed is in the page cache soon after, unless it would take too much of it."""

from __future__ import annotations

import asyncio
import ctypes
import mmap
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from consigne.protocol import MIB
from consigne.server.stores.content_reader import File, open_to_read
from consigne.server.stores.disk import DiskStore
from consigne.server.stores.warming import WAITING, Warmer, available_memory
from tests.hosts import Owner, host_in_thread

LIBC = ctypes.CDLL(None)


def is_cached(path: Path) -> bool:
    """Whether the page cache has all of it. Asking with a read would start the kernel reading ahead."""
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) as view,
    ):
        there = (ctypes.c_ubyte * -(-len(view) // mmap.PAGESIZE))()
        start = ctypes.addressof(ctypes.c_char.from_buffer(view))
        assert LIBC.mincore(ctypes.c_void_p(start), ctypes.c_size_t(len(view)), there) == 0
        return all(page & 1 for page in there)


@pytest.fixture
def cold(tmp_path: Path) -> Path:
    """A file that the disk has and the page cache has not."""
    path = tmp_path / "cold"
    path.write_bytes(os.urandom(3 * MIB))
    file = os.open(path, os.O_RDONLY)
    os.fsync(file)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(file)
    if is_cached(path):
        pytest.skip("this file system keeps everything in memory")
    return path


def wait_until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("it never came true")


def test_an_object_is_warm_soon_after_it_is_complete(tmp_path: Path, cold: Path) -> None:
    del cold  # it shows that this file system can tell
    with host_in_thread(tmp_path / "host") as host:
        Owner(host.port).put(os.urandom(2 * MIB))
        (path,) = (path for path in (tmp_path / "host/store/objects").rglob("*") if path.is_file())
        wait_until(lambda: is_cached(path))


@pytest.mark.parametrize("bytes_short", [0, 1])
def test_it_takes_an_eighth_of_what_is_free_at_most(cold: Path, bytes_short: int) -> None:
    asked = threading.Semaphore(0)

    def available() -> int:
        asked.release()
        return 8 * 3 * MIB - bytes_short

    warmer = Warmer(available)
    warmer.warm(cold)
    warmer.warm(cold)
    for _ in range(2):  # asked again: the first was seen to
        assert asked.acquire(timeout=10)
    warmer.close()
    assert is_cached(cold) is (not bytes_short)


def test_a_very_large_object_stays_outside(cold: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consigne.server.stores.content_reader.VERY_LARGE", MIB)
    read: list[File] = []
    monkeypatch.setattr(
        "consigne.server.stores.warming.open_to_read",
        lambda *values, **named: read.append(open_to_read(*values, **named)) or read[-1],
    )
    warmer = Warmer()
    warmer.warm(cold)
    wait_until(lambda: len(read) == 1)
    warmer.close()
    assert not is_cached(cold)


def test_what_is_not_there_and_what_comes_too_fast_is_left_out(tmp_path: Path, cold: Path) -> None:
    warmer = Warmer()
    for number in range(WAITING * 10):
        warmer.warm(tmp_path / str(number))
    wait_until(warmer._queue.empty)
    warmer.warm(cold)
    wait_until(lambda: is_cached(cold))
    warmer.close()
    warmer.close()
    warmer.warm(cold)
    assert warmer._thread is not None
    assert not warmer._thread.is_alive()


def test_closing_does_not_wait_for_the_file(cold: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began, read = threading.Event(), os.preadv

    def endless(file: int, buffers: list[memoryview], _offset: int) -> int:
        began.set()
        return read(file, buffers, 0)

    warmer = Warmer()
    monkeypatch.setattr("consigne.server.stores.warming.os.preadv", endless)
    warmer.warm(cold)
    assert began.wait(10)
    warmer.close()


def test_memory_that_the_kernel_does_not_tell_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert available_memory() > MIB
    monkeypatch.setattr("consigne.server.stores.warming.MEMINFO", tmp_path / "none")
    assert available_memory() == 0


def test_a_store_that_is_closed_warms_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        store = DiskStore(tmp_path / "store")
        await store.open()
        await store.close()
        store.warm(bytes(32))
        assert store._warmer._thread is None

    asyncio.run(story())

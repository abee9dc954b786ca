"""The contract of stores, one suite for all of them; then what only the disk store promises."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import secrets
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consigne.protocol import DAY, MIB, b64u
from consigne.server import folders
from consigne.server.stores import (
    ShortBody,
    StoreDamaged,
    StoredName,
    StoreError,
    StoreFailed,
    StoreFull,
    StoreInUse,
    TooLong,
    part_file,
)
from consigne.server.stores.disk import DiskStore

PART = 64 * 1024
OBJECT = secrets.token_bytes(32)
STORES: dict[str, Callable[[Path], DiskStore]] = {"disk": DiskStore}  # a store joins the suite here
Store = DiskStore  # or any other of them


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return STORES[request.param](tmp_path / "store")


def run(store: Store, steps: Callable[[], Awaitable[None]]) -> None:
    async def all_steps() -> None:
        await store.open()
        try:
            await steps()
        finally:
            await store.close()

    asyncio.run(all_steps())


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for piece in given:
        await asyncio.sleep(0)
        yield piece


async def write(store: Store, part: int, data: bytes, object_id: bytes = OBJECT) -> None:
    await store.write_part(object_id, part, PART, len(data), pieces(data))


async def content(store: Store, start: int, stop: int, object_id: bytes = OBJECT) -> bytes:
    return b"".join([bytes(piece) async for piece in store.read(object_id, PART, start, stop)])


async def keep(store: Store, name: str, data: bytes) -> None:
    await store.put_capsule(name, await store.draft_capsule(len(data), pieces(data)))


async def capsule(store: Store, name: str) -> bytes:
    length, chunks = await store.get_capsule(name)
    whole = b"".join([bytes(piece) async for piece in chunks])
    assert len(whole) == length
    return whole


async def names(store: Store) -> set[tuple[str, str]]:
    return {(name.kind, name.name) async for name in store.names()}


# -------------------------------------------------------------------- the contract


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_parts_in_any_order_read_at_any_range(store: Store, data: st.DataObject) -> None:
    length = data.draw(st.integers(1, 5 * PART))
    whole = secrets.token_bytes(length)
    count = -(-length // PART)
    order = data.draw(st.permutations(range(count)))
    again = data.draw(st.lists(st.sampled_from(range(count)), max_size=2))
    start = data.draw(st.integers(0, length - 1))
    stop = data.draw(st.integers(start, length))
    cuts = sorted(data.draw(st.lists(st.integers(0, PART), max_size=3)))
    object_id = secrets.token_bytes(32)
    store = fresh(store)

    async def steps() -> None:
        async def one(part: int) -> None:
            body = whole[part * PART : (part + 1) * PART]
            edges = [0, *cuts, len(body)]
            split = [body[a:b] for a, b in pairwise(edges)]
            await store.write_part(object_id, part, PART, len(body), pieces(*split))

        await asyncio.gather(*(one(part) for part in order))
        for part in again:
            await one(part)
        assert await content(store, start, stop, object_id) == whole[start:stop]

    run(store, steps)


def fresh(store: Store) -> Store:
    """A store whose `open` can be called again after `close`."""
    return type(store)(store._root)


def test_large_pieces_come_back(store: Store) -> None:
    whole = secrets.token_bytes(5 * MIB + 77)

    async def steps() -> None:
        await store.write_part(OBJECT, 0, 8 * MIB, len(whole), pieces(whole[: 3 * MIB], whole[3 * MIB :]))
        assert await content(store, 0, len(whole)) == whole
        assert await content(store, MIB - 1, 4 * MIB + 1) == whole[MIB - 1 : 4 * MIB + 1]

    run(store, steps)


def test_a_short_body_is_told(store: Store) -> None:
    async def steps() -> None:
        with pytest.raises(ShortBody):
            await store.write_part(OBJECT, 0, PART, 10, pieces(b"12345"))

    run(store, steps)


@pytest.mark.parametrize("body", [[b"12345678901"], [b"1234567890", b"1"], [b"12345", b"6789012"]])
def test_a_long_body_is_told_and_writes_nothing_beyond(store: Store, body: list[bytes]) -> None:
    async def steps() -> None:
        await write(store, 1, b"neighbour")
        with pytest.raises(TooLong):
            await store.write_part(OBJECT, 0, 10, 10, pieces(*body))
        assert await content(store, PART, PART + 9) == b"neighbour"

    run(store, steps)


def test_reading_what_is_not_there_is_told(store: Store) -> None:
    async def steps() -> None:
        with pytest.raises(StoreDamaged):
            await content(store, 0, 1)
        await write(store, 0, b"abc")
        with pytest.raises(StoreDamaged):
            await content(store, 0, 4)

    run(store, steps)


def test_capsules_are_replaced_whole(store: Store) -> None:
    async def steps() -> None:
        for data in (b"first", b"second" * 100_000, b""):
            await keep(store, "a.b-c_D", data)
            assert await capsule(store, "a.b-c_D") == data
        assert await names(store) == {("capsule", "a.b-c_D")}

    run(store, steps)


@pytest.mark.parametrize(("length", "error"), [(6, ShortBody), (4, TooLong)])
def test_a_draft_that_is_none_leaves_nothing(store: Store, length: int, error: type[Exception]) -> None:
    async def steps() -> None:
        with pytest.raises(error):
            await store.draft_capsule(length, pieces(b"12", b"345"))
        assert await names(store) == set()

    run(store, steps)


def test_a_draft_tells_its_hash_and_has_no_name_yet(store: Store) -> None:
    async def steps() -> None:
        draft = await store.draft_capsule(5, pieces(b"12", b"345"))
        assert draft.digest == hashlib.sha256(b"12345").digest()
        with pytest.raises(StoreDamaged):
            await store.get_capsule("name")
        await store.put_capsule("name", draft)
        await store.delete_temporary(draft.name)
        assert await capsule(store, "name") == b"12345"

    run(store, steps)


def test_who_reads_a_capsule_has_the_one_he_began(store: Store) -> None:
    async def steps() -> None:
        await keep(store, "name", b"former")
        _, chunks = await store.get_capsule("name")
        await keep(store, "name", b"latter")
        await store.delete_capsule("name")
        assert b"".join([bytes(chunk) async for chunk in chunks]) == b"former"

    run(store, steps)


def test_a_store_has_one_process_and_one_identity(store: Store) -> None:
    async def steps() -> None:
        assert await store.identity() is None
        await store.identify(OBJECT)
        with pytest.raises(StoreInUse):
            await fresh(store).open()
        assert await store.identity() == OBJECT

    run(store, steps)
    again = fresh(store)

    async def there() -> None:
        assert await again.identity() == OBJECT

    run(again, there)


def test_a_reader_sees_the_former_capsule_or_the_new_one(store: Store) -> None:
    former, new = b"f" * 300_000, b"n" * 400_000

    async def steps() -> None:
        await keep(store, "name", former)
        writing = asyncio.ensure_future(keep(store, "name", new))
        seen = set()
        while not writing.done():
            seen.add(await capsule(store, "name"))
        assert seen <= {former, new}
        assert await capsule(store, "name") == new

    run(store, steps)


@pytest.mark.parametrize("name", ["", "..", ".", "a/b", "../x", "é", "a" * 121, "a\0", "a\n"])
def test_unsafe_names_are_refused(store: Store, name: str) -> None:
    async def steps() -> None:
        with pytest.raises(ValueError, match="not a name"):
            await keep(store, name, b"x")

    run(store, steps)


def test_deleting_is_idempotent_and_listed(store: Store) -> None:
    async def steps() -> None:
        await write(store, 0, b"abc")
        await keep(store, "name", b"x")
        assert await names(store) == {("object", b64u(OBJECT)), ("capsule", "name")}
        for _ in range(2):
            await store.delete_object(OBJECT)
            await store.delete_capsule("name")
        assert await names(store) == set()
        with pytest.raises(StoreDamaged):
            await capsule(store, "name")
        await write(store, 0, b"abd")
        assert await content(store, 0, 3) == b"abd"

    run(store, steps)


def test_names_come_with_their_day(store: Store) -> None:
    async def steps() -> None:
        await write(store, 0, b"abc")
        found = [name async for name in store.names()]
        assert found[0].day - int(time.time()) // DAY in (0, -1)

    run(store, steps)


def test_many_names_come_in_batches(store: Store) -> None:
    async def steps() -> None:
        for number in range(300):
            await keep(store, f"{number:03}", b"")
        assert len(await names(store)) == 300

    run(store, steps)


def test_free_is_a_number_of_bytes(store: Store) -> None:
    async def steps() -> None:
        assert await store.free() > 0

    run(store, steps)


def test_a_cancelled_write_lets_go(store: Store) -> None:
    async def steps() -> None:
        async def endless() -> AsyncIterator[bytes]:
            yield b"x" * 4096
            await asyncio.Event().wait()

        writing = asyncio.ensure_future(store.write_part(OBJECT, 0, PART, PART, endless()))
        await asyncio.sleep(0.05)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        await write(store, 0, b"y" * PART)
        assert await content(store, 0, PART) == b"y" * PART

    run(store, steps)


def test_errors_name_no_path_and_no_id(store: Store, tmp_path: Path) -> None:
    async def steps() -> None:
        with pytest.raises(StoreError) as caught:
            await content(store, 0, 1)
        assert str(tmp_path) not in str(caught.value)
        assert b64u(OBJECT) not in str(caught.value)

    run(store, steps)


# -------------------------------------------------------------------- the disk store


@pytest.fixture
def disk(tmp_path: Path) -> DiskStore:
    return DiskStore(tmp_path / "store")


def files_of(disk: DiskStore) -> list[Path]:
    return [path for path in disk._root.rglob("*") if path.is_file()]


def test_files_are_private_and_tell_no_hour(disk: DiskStore) -> None:
    async def steps() -> None:
        await write(disk, 0, b"abc")
        await keep(disk, "name", b"x")

    run(disk, steps)
    for path in files_of(disk):
        if path.name == "lock":  # made by the start, not by anybody's upload
            continue
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.stat().st_mtime % DAY == 0
        assert path.stat().st_atime % DAY == 0
    for folder in (path for path in disk._root.rglob("*") if path.is_dir()):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_reading_leaves_the_time_of_access(disk: DiskStore) -> None:
    async def steps() -> None:
        await write(disk, 0, b"abc")
        os.utime(files_of(disk)[0], (0, 0))
        await content(disk, 0, 3)
        assert files_of(disk)[0].stat().st_atime == 0

    run(disk, steps)


def test_leftovers_in_temporary_are_listed_and_go(disk: DiskStore) -> None:
    async def steps() -> None:
        (disk._root / "temporary" / "left").write_bytes(b"half")
        assert StoredName("temporary", "left", int(time.time()) // DAY) in [n async for n in disk.names()]
        await disk.delete_temporary("left")
        await disk.delete_temporary("left")
        assert await names(disk) == set()
        (disk._root / "temporary" / "left").write_bytes(b"half")

    run(disk, steps)

    reopened = fresh(disk)

    async def nothing() -> None:
        assert await names(reopened) == set()

    run(reopened, nothing)


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, StoreFull), (errno.EDQUOT, StoreFull), (errno.EIO, StoreFailed)]
)
@pytest.mark.parametrize("call", ["pwrite", "fdatasync", "fsync", "write"])
def test_a_disk_that_fails_is_told_by_type(
    disk: DiskStore, monkeypatch: pytest.MonkeyPatch, call: str, number: int, kind: type[StoreError]
) -> None:
    def fails(*_: object) -> int:
        raise OSError(number, "secret path", "/secret/path")

    async def steps() -> None:
        await write(disk, 3, b"before")
        monkeypatch.setattr(os, call, fails)
        act = keep(disk, "name", b"abc") if call in ("write", "fsync") else write(disk, 0, b"abc")
        with pytest.raises(kind) as caught:
            await act
        assert "secret" not in str(caught.value)
        assert caught.value.__cause__ is None
        monkeypatch.undo()
        assert ("capsule", "name") not in await names(disk)
        assert not any(kind == "temporary" for kind, _ in await names(disk))
        assert await content(disk, 3 * PART, 3 * PART + 6) == b"before"
        await write(disk, 0, b"abc")
        assert await content(disk, 0, 3) == b"abc"

    run(disk, steps)


def test_what_is_written_is_flushed_before_it_is_said(
    disk: DiskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def note(name: str) -> None:
        real = getattr(os, name)

        def noting(*args: object) -> object:
            calls.append(name)
            return real(*args)

        monkeypatch.setattr(os, name, noting)

    for name in ("pwrite", "fdatasync", "fsync"):
        note(name)

    async def steps() -> None:
        calls.clear()
        await write(disk, 0, b"abc")
        assert calls == ["fsync", "pwrite", "fdatasync", "fsync"]  # the new folder, bytes, file, its entry
        calls.clear()
        await write(disk, 1, b"abc")
        assert calls == ["pwrite", "fdatasync"]

    run(disk, steps)


def test_a_file_system_without_direct_writing_takes_the_ordinary_way(
    disk: DiskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refuses(path: Path, flags: int, *mode: int) -> int:
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "no")
        return real(path, flags, *mode)

    monkeypatch.setattr(part_file.os, "open", refuses)
    whole = secrets.token_bytes(PART)

    async def steps() -> None:
        await write(disk, 0, whole)
        assert await content(disk, 0, PART) == whole

    run(disk, steps)


def test_the_memory_of_folder_entries_is_bounded(disk: DiskStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consigne.server.stores.disk.REMEMBERED", 2)

    async def steps() -> None:
        for _ in range(4):
            await write(disk, 0, b"abc", secrets.token_bytes(32))
        assert len(disk._settled) == 2

    run(disk, steps)


# -------------------------------------------------------------------- folders


def test_folders_tell_no_hour_either(disk: DiskStore) -> None:
    """Nor does a part that broke off, nor a capsule that was read."""

    def check(*but: str) -> None:
        for path in disk._root.rglob("*"):
            if path.name not in ("lock", *but):
                assert path.stat().st_mtime % DAY == 0, path
                assert path.stat().st_atime % DAY == 0 or path.is_dir(), path

    async def steps() -> None:
        await write(disk, 0, b"abc")
        await keep(disk, "name", b"x")
        with pytest.raises(ShortBody):
            await disk.write_part(secrets.token_bytes(32), 0, PART, 10, pieces(b"12345"))
        assert await capsule(disk, "name") == b"x"
        check("objects", "capsules")
        await disk.delete_object(OBJECT)
        await disk.delete_capsule("name")
        check("objects", "capsules")

    run(disk, steps)


def test_a_folder_that_another_made_is_flushed_too(disk: DiskStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever made it may not have come to that yet, or never will."""
    flushed: list[Path] = []
    real = folders.sync_folder

    def noting(folder: Path) -> None:
        flushed.append(folder)
        real(folder)

    monkeypatch.setattr(folders, "sync_folder", noting)

    async def steps() -> None:
        assert {disk._root, disk._root.parent} <= set(flushed)
        (disk._root / "objects" / b64u(OBJECT)[:2]).mkdir()
        (disk._root / "capsules" / "na").mkdir()
        flushed.clear()
        await write(disk, 0, b"abc")
        await keep(disk, "name", b"x")
        assert {disk._root / "objects", disk._root / "capsules"} <= set(flushed)

    run(disk, steps)


def test_an_identity_that_is_none(disk: DiskStore) -> None:
    async def steps() -> None:
        (disk._root / "identity").write_text("nonsense")
        with pytest.raises(StoreDamaged):
            await disk.identity()

    run(disk, steps)


def test_a_folder_above_that_may_not_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(_: Path) -> None:
        raise PermissionError

    (tmp_path / "given").mkdir()
    monkeypatch.setattr(folders, "sync_folder", refuses)
    folders.make_durable_folder(tmp_path / "given")
    with pytest.raises(PermissionError):
        folders.make_durable_folder(tmp_path / "new")


def test_a_very_large_object_is_read_past_the_page_cache_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lowered to 1 MiB here: the same bytes, whole and in ragged ranges, the first time and after."""
    monkeypatch.setattr("consigne.server.stores.content_reader.VERY_LARGE", MIB)
    data = os.urandom(3 * MIB + 12_345)

    async def body() -> AsyncIterator[bytes]:
        yield data

    async def story() -> None:
        store = DiskStore(tmp_path)
        await store.open()
        try:
            await store.write_part(bytes(32), 0, 8 * MIB, len(data), body())
            for start, stop in [(0, MIB), (4096, 3 * MIB), (5, 70_000), (0, len(data)), (0, len(data))]:
                pieces = [bytes(piece) async for piece in store.read(bytes(32), 8 * MIB, start, stop)]
                assert b"".join(pieces) == data[start:stop]
        finally:
            await store.close()

    asyncio.run(story())

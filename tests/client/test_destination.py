"""Names, places and ranges on the receiving side: nothing outside, nothing overwritten, nothing half."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consigne.client.choosing import choose
from consigne.client.destination import Destination
from consigne.client.landing import LARGE
from consigne.client.naming import PROBE, folding, local_names, safe_on_windows
from consigne.client.segments import SegmentSet
from consigne.errors import LocalError, UsageError
from consigne.format.content import Layout
from consigne.format.manifest import FileEntry, Manifest


def manifest_of(*files: tuple[str, int]) -> Manifest:
    entries = tuple(FileEntry(path, size, None, "2020-02-03T04:05:06Z") for path, size in files)
    return Manifest(bytes(32), bytes(32), bytes(32), sum(size for _, size in files), entries)


def filled(folder: Path, manifest: Manifest, only: str | None = None, *, force: bool = False) -> list[Path]:
    placed = choose(manifest, only)
    destination = Destination(folder, "x", placed, force=force)
    destination.prepare(resume=False)
    writer = destination.writer()
    writer.write(0, memoryview(bytes(range(256))[: manifest.length]))
    writer.close()
    return destination.finish()


def test_a_tree_lands_whole(tmp_path: Path) -> None:
    manifest = manifest_of(("bag/a", 3), ("bag/none", 0), ("bag/empty/", 0), ("bag/deep/er/b", 2), ("top", 1))
    assert filled(tmp_path, manifest) == [tmp_path / "bag", tmp_path / "top"]
    assert (tmp_path / "bag/a").read_bytes() == b"\0\1\2"
    assert (tmp_path / "bag/none").read_bytes() == b""
    assert (tmp_path / "bag/empty").is_dir()
    assert (tmp_path / "bag/deep/er/b").read_bytes() == b"\3\4"
    assert (tmp_path / "top").read_bytes() == b"\5"
    assert (tmp_path / "bag/a").stat().st_mtime == 1580702706
    assert sorted(os.listdir(tmp_path)) == ["bag", "top"]


def test_only_some(tmp_path: Path) -> None:
    manifest = manifest_of(("bag/a", 3), ("bag/sub/b", 2), ("bag/sub/c", 1), ("other", 1))
    filled(tmp_path / "one", manifest, "bag/sub")
    assert (tmp_path / "one/bag/sub/b").read_bytes() == b"\3\4"
    assert sorted(path.name for path in (tmp_path / "one").rglob("*")) == ["b", "bag", "c", "sub"]
    with pytest.raises(UsageError) as caught:
        choose(manifest, "bag/su")
    assert caught.value.code == "path-unknown"


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_nothing_is_overwritten(tmp_path: Path, kind: str, *, late: bool) -> None:
    def block() -> None:
        path = tmp_path / "top"
        {"file": path.touch, "folder": path.mkdir, "dangling link": lambda: path.symlink_to("nowhere")}[
            kind
        ]()

    destination = Destination(tmp_path, "x", choose(manifest_of(("top", 1)), None), force=False)
    if not late:
        block()
    with pytest.raises(LocalError) as caught:
        destination.prepare(resume=False)
        if late:
            block()
        writer = destination.writer()
        writer.write(0, memoryview(b"x"))
        writer.close()
        destination.finish()
    assert caught.value.code == "file-exists"
    assert (
        (tmp_path / "top").is_symlink()
        or not (tmp_path / "top").is_file()
        or not (tmp_path / "top").read_bytes()
    )


def test_force_replaces_files_and_merges_folders(tmp_path: Path) -> None:
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag/a").write_bytes(b"old")
    (tmp_path / "bag/mine").write_bytes(b"kept")
    filled(tmp_path, manifest_of(("bag/a", 1), ("bag/b", 1)), force=True)
    assert (tmp_path / "bag/a").read_bytes() == b"\0"
    assert (tmp_path / "bag/mine").read_bytes() == b"kept"
    assert not list(tmp_path.glob(".consigne*"))


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(0, 40), min_size=1, max_size=10), order=st.randoms(use_true_random=False))
def test_ranges_in_any_order_give_the_files(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], order: object
) -> None:
    folder = tmp_path_factory.mktemp("got")
    manifest = manifest_of(*((f"f{number:02}", size) for number, size in enumerate(sizes)))
    plain = os.urandom(manifest.length)
    destination = Destination(folder, "x", choose(manifest, None), force=False)
    destination.prepare(resume=False)
    starts = list(range(0, manifest.length, 7))
    order.shuffle(starts)  # type: ignore[attr-defined]
    writers = [destination.writer(), destination.writer()]
    for number, start in enumerate(starts):
        writers[number % 2].write(start, memoryview(plain)[start : start + 7])
    for writer in writers:
        writer.close()
    destination.finish()
    assert b"".join((folder / entry.path).read_bytes() for entry in manifest.files) == plain


def test_twins_are_kept_apart_where_the_disk_folds_them() -> None:
    composed, split = "caf\u00e9", unicodedata.normalize("NFD", "caf\u00e9")
    names = local_names(  # as on macOS
        ["a/Read.me", "a/read.ME", "A/other", composed, split, "x", "X"],
        fold=lambda name: unicodedata.normalize("NFC", name).casefold(),
        windows=False,
    )
    assert names is not None
    assert names["a/read.ME"] == "a/read (2).ME"
    assert names["A/other"] == "A (2)/other"
    assert names[split] == split + " (2)"
    assert len({name.casefold() for name in names.values()}) == len(names)


def test_the_probe_touches_no_name_of_the_share(tmp_path: Path) -> None:
    (tmp_path / PROBE).write_text("a file that is called so")
    (tmp_path / PROBE.swapcase()).write_text("another")
    assert folding(tmp_path) is None
    assert (tmp_path / PROBE).read_text() == "a file that is called so"


def test_many_twins_are_named_in_no_time() -> None:
    paths = [
        "".join(c.upper() if n >> i & 1 else c for i, c in enumerate("abcdefghijkl")) for n in range(4096)
    ]
    names = local_names(paths, fold=str.casefold, windows=False)
    assert names is not None
    assert len({name.casefold() for name in names.values()}) == len(paths) + 1


def test_what_waits_to_be_written_is_not_settled(tmp_path: Path) -> None:
    """Padding behind a file moves on while the file's end still waits in the buffer."""
    size = LARGE + 100_000
    manifest = manifest_of(("large", size))
    destination = Destination(tmp_path, "x", choose(manifest, None), force=False)
    destination.prepare(resume=False)
    writer = destination.writer()
    writer.write(0, memoryview(bytes(size)))
    writer.write(size, memoryview(bytes(50_000)))  # belongs to no file
    assert writer.settled == LARGE, "the last whole block"
    writer.flush()
    assert writer.settled == size + 50_000
    writer.close()


def test_a_folder_that_is_not_ours_is_not_filled(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/mine").write_text("mine")
    (tmp_path / ".consigne-x.partial").symlink_to("elsewhere")
    destination = Destination(tmp_path, "x", choose(manifest_of(("mine", 1)), None), force=True)
    with pytest.raises(LocalError) as caught:
        destination.prepare(resume=False)
    assert caught.value.code == "folder-unsafe"
    assert (tmp_path / "elsewhere/mine").read_text() == "mine"


@pytest.mark.skipif(
    os.name == "nt" or os.geteuid() != 0, reason="only root can give a folder to another user"
)
def test_a_folder_of_another_user_is_not_filled_nor_deleted(tmp_path: Path) -> None:
    """Who shares the target folder could have prepared it, and would read and change what lies in it."""
    partial = tmp_path / ".consigne-x.partial"
    partial.mkdir(mode=0o777)
    (partial / "theirs").write_text("theirs")
    os.chown(partial, 4242, 4242)
    destination = Destination(tmp_path, "x", choose(manifest_of(("mine", 1)), None), force=True)
    with pytest.raises(LocalError) as caught:
        destination.prepare(resume=False)
    assert caught.value.code == "folder-unsafe"
    destination.abandon()
    assert (partial / "theirs").read_text() == "theirs"


def test_two_who_share_a_folder_do_not_share_what_is_partial(tmp_path: Path) -> None:
    placed = choose(manifest_of(("f", 1)), None)
    one, other = (Destination(tmp_path, "x", placed, force=False) for _ in range(2))
    with one.held():
        one.prepare(resume=False)
        with other.held(), pytest.raises(LocalError) as caught:
            other.prepare(resume=False)
        assert caught.value.code == "journal-busy"
        other.abandon()
        assert one.exists, "what another get holds is not deleted"


def test_what_is_gone_or_not_whole_is_not_counted(tmp_path: Path) -> None:
    manifest = manifest_of(("a", 3), ("b", 4))
    layout = Layout(manifest.length)
    done = SegmentSet()
    done.add(0)
    for force in (False, True):
        folder = tmp_path / str(force)
        destination = Destination(folder, "x", choose(manifest, None), force=force)
        with destination.held():
            assert not destination.holds(layout, done, None)
            destination.prepare(resume=False)
            place = destination.place
            writer = destination.writer()
            writer.write(0, memoryview(bytes(7)))
            writer.close()
            assert destination.holds(layout, done, place)
            assert not destination.holds(layout, done, "another")
            assert not destination.holds(layout, done, None)
            assert destination.is_whole(place)
            assert not destination.is_whole("another")
            os.rename(folder / ".consigne-x.partial/b", folder / "b")
            assert not destination.holds(layout, done, place)
            assert destination.is_whole(place) is not force, (
                "with force, what stands there may be the old one"
            )
            (folder / "b").write_bytes(b"shorter"[:2])
            assert not destination.is_whole(place)


def test_folders_as_deep_as_a_system_takes_them(tmp_path: Path) -> None:
    deep = "/".join("d" * 900)
    filled(tmp_path, manifest_of((deep + "/f", 1)))
    assert (tmp_path / deep / "f").read_bytes() == b"\0"
    with pytest.raises(LocalError):
        choose(manifest_of(("/".join("d" * 1500) + "/f", 1)), None)


def test_windows_names() -> None:
    assert safe_on_windows("CON") == "_CON"
    assert safe_on_windows("com1.txt") == "_com1.txt"
    assert safe_on_windows("a<b>:c|d?e*") == "a_b__c_d_e_"
    assert safe_on_windows("dots.. ") == "dots___"
    assert safe_on_windows("console") == "console"


def test_this_disk_is_probed(tmp_path: Path) -> None:
    assert folding(tmp_path) is None, "Linux tells all names apart"
    assert local_names(["a", "A"], fold=None, windows=False) is None
    assert local_names(["CON"], fold=None, windows=True) == {"": "", "CON": "_CON"}
    assert list(tmp_path.iterdir()) == []


@given(added=st.sets(st.integers(0, 60)), wanted=st.tuples(st.integers(0, 30), st.integers(0, 40)))
def test_segment_sets(added: set[int], wanted: tuple[int, int]) -> None:
    segments = SegmentSet()
    for segment in added:
        segments.add(segment)
        segments.add(segment)
    spread = {number for first, last in segments.runs() for number in range(first, last + 1)}
    assert spread == added
    assert segments.count == len(added)
    first, last = wanted[0], wanted[0] + wanted[1]
    gaps = {number for a, b in segments.missing([(first, last)]) for number in range(a, b + 1)}
    assert gaps == set(range(first, last + 1)) - added

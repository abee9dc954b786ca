"""Files found, judged, read: what is put is what was there."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from mimetypes import MimeTypes
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consigne.client import source
from consigne.client.source import Collection, PlainReader, collect, show
from consigne.errors import LocalError


def paths_of(found: Collection) -> list[str]:
    return [file.entry.path for file in found.files]


def test_a_folder_keeps_its_tree_and_its_empty_folders(tmp_path: Path) -> None:
    (tmp_path / "bag/inner/empty").mkdir(parents=True)
    (tmp_path / "bag/a.txt").write_bytes(b"a")
    (tmp_path / "bag/inner/b.txt").write_bytes(b"bb")
    found = collect([tmp_path / "bag"])
    assert paths_of(found) == ["bag/a.txt", "bag/inner/b.txt", "bag/inner/empty/"]
    assert found.length == 3
    assert found.files[0].entry.type == "text/plain"


def test_the_current_folder_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag/a").touch()
    monkeypatch.chdir(tmp_path / "bag")
    assert paths_of(collect(["."])) == ["bag/a"]
    assert paths_of(collect(["../bag/"])) == ["bag/a"]
    assert paths_of(collect(["a"])) == ["a"]


def test_what_is_no_file_is_skipped_and_named(tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    bag.mkdir()
    (bag / "file").touch()
    (bag / "link").symlink_to("file")
    (bag / "loop").symlink_to(bag, target_is_directory=True)
    os.mkfifo(bag / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(bag / "sock"))
        found = collect([bag])
    assert paths_of(found) == ["bag/file"]
    kinds = {Path(path).name: kind for path, kind in found.skipped}
    assert kinds == {"link": "symbolic link", "loop": "symbolic link", "pipe": "pipe", "sock": "socket"}


def test_another_type_is_another_put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the manifest says belongs to what must be the same again: a newer Python may know more types."""
    (tmp_path / "a.md").write_bytes(b"a")
    before = collect([tmp_path / "a.md"]).fingerprint()
    assert collect([tmp_path / "a.md"]).fingerprint() == before
    newer = MimeTypes()
    newer.add_type("text/x-newer", ".md")
    monkeypatch.setattr(source, "_TYPES", newer)
    source._type_of.cache_clear()
    assert collect([tmp_path / "a.md"]).fingerprint() != before
    source._type_of.cache_clear()


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (-1, "1970-01-01T00:00:00Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"),
        (253_402_300_800, None),
        (2**62, None),
    ],
)
def test_times_that_a_manifest_cannot_write_are_left_out(seconds: int, written: str | None) -> None:
    assert source._instant(seconds) == written


def test_a_link_that_was_named_is_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    found = collect([tmp_path / "link"])
    assert paths_of(found) == ["link"]
    assert found.length == 1


@pytest.mark.parametrize("name", ["a\nb", "back\\slash", "\u202etxt.exe", "\x7f", os.fsdecode(b"\xff")])
def test_refused_names_stop_before_anything_is_sent(tmp_path: Path, name: str) -> None:
    (tmp_path / "good").touch()
    (tmp_path / name).touch()
    with pytest.raises(LocalError) as caught:
        collect([tmp_path])
    assert caught.value.code == "path-refused"
    assert show(name) in str(caught.value)
    assert "\u202e" not in str(caught.value)
    assert "good" in paths_of(collect([tmp_path], skip_refused=True))[0]


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same").touch()
    with pytest.raises(LocalError) as caught:
        collect([tmp_path / "one/same", tmp_path / "two/same"])
    assert caught.value.code == "path-refused"


@pytest.mark.parametrize(("given", "code"), [([], "nothing-to-put"), (["/no/such/file"], "file-missing")])
def test_nothing_to_put(given: list[str], code: str) -> None:
    with pytest.raises(LocalError) as caught:
        collect(given)
    assert caught.value.code == code


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read_stops_the_put(tmp_path: Path) -> None:
    (tmp_path / "shut").mkdir(mode=0)
    with pytest.raises(LocalError) as caught:
        collect([tmp_path])
    assert caught.value.code == "file-unreadable"


def test_changes_are_noticed(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"one")
    found = collect([file])
    before = os.stat(file)
    assert found.changed() is None
    file.write_bytes(b"two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # the change time cannot be set back
    assert found.changed() == str(file)
    assert found.fingerprint() != collect([file]).fingerprint()
    file.unlink()
    assert found.changed() == str(file)


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(0, 300), min_size=1, max_size=12), data=st.data())
def test_any_range_of_the_plaintext(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("files")
    whole = b""
    for number, size in enumerate(sizes):
        piece = os.urandom(size)
        (folder / f"{number:03}").write_bytes(piece)
        whole += piece
    with closing(PlainReader(collect([folder]).files)) as reader:
        for _ in range(5):
            start = data.draw(st.integers(0, len(whole) + 10))
            buffer = bytearray(b"\xff" * data.draw(st.integers(0, len(whole) + 20)))
            reader.fill(start, memoryview(buffer))
            assert bytes(buffer) == whole[start : start + len(buffer)].ljust(len(buffer), b"\0")


def fill_fails(found: Collection) -> str:
    reader = PlainReader(found.files)
    with pytest.raises(LocalError) as caught:
        reader.fill(0, memoryview(bytearray(100)))
    reader.close()
    return caught.value.code


def test_a_file_that_shrank_or_became_something_else_fails(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 100)
    found = collect([file])
    file.write_bytes(b"x" * 50)
    assert fill_fails(found) == "file-changed"
    file.unlink()
    os.mkfifo(file)  # is not waited for
    assert fill_fails(found) == "file-changed"
    file.unlink()
    file.symlink_to("/etc/hostname")
    assert fill_fails(found) == "file-unreadable"

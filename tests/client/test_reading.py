"""A file that shrinks while it is read, or is taken away, ends a put by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from consigne.client.source import PlainReader, collect
from consigne.errors import LocalError


def test_a_file_that_shrinks_under_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10_000)
    found = collect([path])
    reader = PlainReader(found.files)
    view = memoryview(bytearray(5000))
    reader.fill(0, view)
    with path.open("r+b") as file:
        file.truncate(6000)
    with pytest.raises(LocalError) as caught:
        reader.fill(5000, view)
    assert caught.value.code == "file-changed"
    reader.close()


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    found = collect([path])
    path.unlink()
    with pytest.raises(LocalError) as caught:
        PlainReader(found.files).fill(0, memoryview(bytearray(10)))
    assert caught.value.code == "file-unreadable"

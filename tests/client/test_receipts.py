"""Receipts: private, whole or not there, and never in the way."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from consigne.client import receipts
from consigne.client.receipts import Receipt

ONE = Receipt("link", "manage-1", ["a"], 1, 2, "2026-11-24T00:00:00Z")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path / "consigne/receipts"


def test_receipts_are_listed_by_expiry_renewed_and_forgotten(folder: Path) -> None:
    later = replace(ONE, manage="manage-2", expires="2026-11-25T00:00:00Z")
    receipts.keep(later)
    receipts.keep(ONE)
    assert receipts.all_receipts() == [ONE, later]
    receipts.renew("manage-1", "2026-11-26T00:00:00Z")
    assert receipts.all_receipts() == [later, replace(ONE, expires="2026-11-26T00:00:00Z")]
    receipts.renew("manage-3", "2026-11-26T00:00:00Z")
    assert receipts.forget("manage-1")
    assert not receipts.forget("manage-1")
    assert receipts.all_receipts() == [later]
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_they_are_private_whatever_the_umask(folder: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        receipts.keep(ONE)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b'{"link": "x", "more": 1}', b"\xff", b" " * (1 << 20) + b"{}"]
)
def test_what_is_no_receipt_is_passed_over(folder: Path, content: bytes) -> None:
    receipts.keep(ONE)
    (folder / "other.json").write_bytes(content)
    assert receipts.all_receipts() == [ONE]

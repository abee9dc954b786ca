"""Receipts that were damaged: `mine` lists the others, and says only what is text and numbers."""

from __future__ import annotations

import json
from dataclasses import asdict

from consigne.cli.receipts import _lines
from consigne.client import receipts
from consigne.client.receipts import Receipt
from tests.fuzz import scratch
from tests.fuzz.target import Target

GOOD = Receipt("https://a/d#x", "https://a/m#y", ["a", "b"], 2, 1000, "2026-12-01T00:00:00Z")


def check(data: bytes) -> None:
    with scratch.at_home("receipts"):
        for path in receipts.receipts_folder().iterdir():
            path.unlink()
        receipts.keep(GOOD)
        damaged = receipts._path("damaged")
        damaged.write_bytes(data)
        found = receipts.all_receipts()
        assert GOOD in found
        assert len(found) <= 2
        for receipt in found:
            assert all(line.isprintable() for line in _lines(receipt))
        json.dumps([asdict(receipt) for receipt in found])
        receipts.renew("damaged", "2027-01-01T00:00:00Z")
        receipts.forget("damaged")
        assert receipts.all_receipts()[-1:] != []


def seeds() -> list[bytes]:
    good = asdict(GOOD)
    wrong = [{**good, name: value} for name in good for value in (None, "x\x1b[2J", [1], {}, 1e308, True)]
    return [json.dumps(each).encode() for each in (good, *wrong, [good], {}, {**good, "more": 1})]


TARGET = Target(
    "receipts", check, seeds, words=(b"[", b"[" * 2000, b"null", b"1e999", b"\\u001b", b"NaN"), examples=150
)

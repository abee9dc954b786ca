"""Receipts: what was put from here, so that it can be managed later.

One private file each, named after a hash of the object. They hold manage links:
whoever reads them can remove what they name. `--no-receipt` writes none.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final

from consigne.client.places import flush_folder, private_opener, receipts_folder

if TYPE_CHECKING:
    from pathlib import Path

MAX_RECEIPT: Final = 1 << 20
MAX_COUNT: Final = 2**53
NAMES_KEPT: Final = 20


@dataclass(frozen=True)
class Receipt:
    """One put: links, the first names, how many files and bytes, when it expires (RFC 3339)."""

    link: str = field(repr=False)
    manage: str = field(repr=False)
    names: list[str] = field(repr=False)
    files: int
    bytes: int
    expires: str


def keep(receipt: Receipt) -> None:
    """Write a receipt beside the others; whole or not at all."""
    path = _path(receipt.manage)
    beside = path.with_suffix(".new")
    with open(beside, "w", encoding="utf-8", opener=private_opener) as file:
        json.dump(asdict(receipt), file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)
    flush_folder(path.parent)


def all_receipts() -> list[Receipt]:
    """Every receipt that can be read, the soonest to expire first."""
    found = []
    for path in receipts_folder().glob("*.json"):
        receipt = _load(path)
        if receipt is not None:
            found.append(receipt)
    return sorted(found, key=lambda receipt: (receipt.expires, receipt.names))


def forget(manage: str) -> bool:
    """Delete the receipt of a manage link; whether there was one."""
    try:
        _path(manage).unlink()
    except FileNotFoundError:
        return False
    return True


def renew(manage: str, expires: str) -> None:
    """Note a new expiry, where there is a receipt."""
    receipt = _load(_path(manage))
    if receipt is not None:
        keep(Receipt(**{**asdict(receipt), "expires": expires}))


def _path(manage: str) -> Path:
    return receipts_folder() / (hashlib.sha256(manage.encode()).hexdigest()[:32] + ".json")


def _load(path: Path) -> Receipt | None:
    try:
        if path.stat().st_size > MAX_RECEIPT:
            return None
        receipt = Receipt(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return receipt if _is_sound(receipt) else None


def _is_sound(receipt: Receipt) -> bool:
    """Whether everything is what it should be: the file may be damaged, or of another version."""
    names, texts = receipt.names, (receipt.link, receipt.manage, receipt.expires)
    return (
        all(isinstance(text, str) and text.isascii() and text.isprintable() for text in texts)
        and isinstance(names, list)
        and all(isinstance(name, str) for name in names)
        and all(type(count) is int and 0 <= count < MAX_COUNT for count in (receipt.files, receipt.bytes))
    )

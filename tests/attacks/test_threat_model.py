"""The threat model lists just the attacks that have a test, and each adversary names some that exist."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = (HERE.parent.parent / "docs/threat-model.md").read_text()
LISTED = {int(number) for number in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
# 29 to 35 are the browser's.
ATTACKS = {*range(1, 29), *range(36, 44)}


def numbers_tested() -> set[int]:
    """The numbers that names of tests carry, as `test_attack_03_…`."""
    sources = "".join(path.read_text() for path in HERE.parent.rglob("test_*.py"))
    return {int(number) for number in re.findall(r"^def test_attack_(\d\d)_", sources, re.MULTILINE)}


def test_every_attack_is_listed_and_has_a_test() -> None:
    assert LISTED == ATTACKS
    assert numbers_tested() == ATTACKS


def test_adversaries_name_attacks_that_are_listed() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| **")]
    named: set[int] = set()
    for row in rows:
        for first, last in re.findall(r"(\d+)(?:\u2013(\d+))?", row.rstrip("| ").rpartition("|")[2]):
            named.update(range(int(first), int(last or first) + 1))
    assert len(rows) >= 8
    assert named == LISTED

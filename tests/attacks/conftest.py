"""Attacks need what end-to-end tests need: a host of their own and a user.

`standing` is one host for all attacks that leave it as it was, `shell` somebody who uses that.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.shell import Shell
from tests.e2e.conftest import host, user
from tests.processes import Host
from tests.soak import report

__all__ = ["host", "user"]


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with Host(tmp_path_factory.mktemp("standing"), {"min_free": "0"}) as running:
        yield running


@pytest.fixture
def shell(tmp_path: Path, standing: Host) -> Shell:
    return Shell(tmp_path, standing.url)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """For the report of a soak: how many cases of each attack were tried, and how many found something."""
    if hasattr(terminalreporter.config, "workerinput"):  # one of several: who started it tells of all
        return
    stats = terminalreporter.stats
    tried = {kind: _by_number(stats.get(kind, [])) for kind in ("passed", "failed", "skipped")}
    if sum(map(len, tried.values())):
        report("attacks", **{kind: dict(sorted(counts.items())) for kind, counts in tried.items()})


def _by_number(reports: list[pytest.TestReport]) -> Counter[str]:
    numbers = (re.search(r"::test_attack_(\d\d)_", one.nodeid) for one in reports)
    return Counter(number[1] for number in numbers if number)

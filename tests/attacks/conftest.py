"""Attacks need what end-to-end tests need: a host of their own and a user.

`standing` is one host for all attacks that leave it as it was, `shell` somebody who uses that.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.shell import Shell
from tests.e2e.conftest import host, user
from tests.processes import Host

__all__ = ["host", "user"]


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with Host(tmp_path_factory.mktemp("standing"), {"min_free": "0"}) as running:
        yield running


@pytest.fixture
def shell(tmp_path: Path, standing: Host) -> Shell:
    return Shell(tmp_path, standing.url)

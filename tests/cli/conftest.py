"""What every test of the command line starts from: one host for all of them, and somebody at a shell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.shell import Shell
from tests.processes import Host


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with Host(tmp_path_factory.mktemp("host"), {"min_free": "0"}) as running:
        yield running


@pytest.fixture
def shell(tmp_path: Path, host: Host) -> Shell:
    return Shell(tmp_path, host.url)


@pytest.fixture
def lonely(tmp_path: Path) -> Shell:
    """A shell with no host anywhere near."""
    return Shell(tmp_path, "http://127.0.0.1:9")

"""What every end-to-end test starts from: a host of its own, and somebody who uses it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import Host, User


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with Host(tmp_path / "host") as running:
        yield running


@pytest.fixture
def user(tmp_path: Path, host: Host) -> User:
    return User(tmp_path / "home", host.url)

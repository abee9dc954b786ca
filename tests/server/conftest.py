"""What a test of the host may change in its process is put back."""

from __future__ import annotations

import logging
import os
import resource
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def process_as_it_was() -> Iterator[None]:
    """The umask, the limit of open files, and who logs."""
    loggers = [logging.getLogger(name) for name in ("consigne.server", "asyncio")]
    before = [(one, one.level, one.propagate, list(one.handlers)) for one in loggers]
    root, umask = logging.getLogger(), os.umask(0o022)
    handlers, limit = list(root.handlers), resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    os.umask(umask)
    resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    root.handlers[:] = handlers
    for one, level, propagate, its_handlers in before:
        one.setLevel(level)
        one.propagate, one.handlers[:] = propagate, its_handlers

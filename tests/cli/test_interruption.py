"""Ctrl-C at the worst moment: when everything is done, and Python puts things away."""

from __future__ import annotations

import subprocess
import sys

import pytest

LATE = """
import atexit, os, signal, sys
from consigne.cli.main import run
atexit.register(lambda: os.kill(os.getpid(), signal.{name}))
sys.argv = ["consigne", {word!r}]
run()
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(("word", "code"), [("version", 0), ("no-such-command", 2)])
def test_what_comes_too_late_changes_nothing(name: str, word: str, code: int) -> None:
    program = LATE.format(name=name, word=word)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert "Interrupt" not in done.stderr

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


LINGERING = """
import sys, threading, time
from consigne.cli import interruption
threading.Thread(target=time.sleep, args=(60,), daemon={daemon}).start()
print("said")
interruption.leave_at_once_if_threads_linger({code})
sys.exit({code})
"""


@pytest.mark.parametrize(("code", "daemon"), [(130, False), (130, True), (0, True)])
def test_nobody_waits_for_a_thread_that_lingers(code: int, daemon: bool) -> None:  # noqa: FBT001
    program = LINGERING.format(code=code, daemon=daemon)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stdout) == (code, "said\n")

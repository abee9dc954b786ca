"""What makes the command start at once: nothing is loaded before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "urllib3",
    "cryptography",
    "starlette",
    "uvicorn",
    "asyncio",
    "consigne.client",
    "consigne.server",
)


@pytest.mark.parametrize("words", [["--help"], ["put", "--help"], ["get", "--help"], ["version"], ["putt"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    program = (
        "import sys; from consigne.cli.main import main; main(sys.argv[1:]); "
        f"print('LOADED', *(name for name in {HEAVY!r} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].split() == ["LOADED"]

"""Attack 40, and 18: input so long or so ill-made that a careless reader would never end."""

from __future__ import annotations

import subprocess
import sys

import pytest

from consigne.protocol import MIB

MEMORY = 600 * MIB  # far below what each took when it was found
READ = """
import resource, sys
from consigne.errors import AuthenticityError
from consigne.format import strict_json
resource.setrlimit(resource.RLIMIT_AS, (%d, %d))
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
begin, middle, end = (bytes.fromhex(text) for text in sys.argv[1:4])
try:
    strict_json.parse(begin + middle * int(sys.argv[4]) + end)
except AuthenticityError as error:
    print(error.code)
else:
    print("sound")
"""
LONG = {
    "brackets in a text that does not end": (b'"', b'\\"[', b"", 3_000_000, "manifest-invalid"),
    "the same, and a last backslash": (b'"', b'\\"[', b"\\", 3_000_000, "manifest-invalid"),
    "brackets in a text": (b'{"note":"', b"[", b'"}', 30_000_000, "sound"),
    "escaped quotes and brackets in a text": (b'{"note":"', b'\\"[', b'"}', 10_000_000, "sound"),
    "brackets that nobody closes": (b"", b"[", b"", 60_000_000, "manifest-invalid"),
    "backslashes": (b'["', b"\\[", b'"]', 20_000_000, "manifest-invalid"),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", LONG)
def test_attack_40_json_without_end(what: str) -> None:
    begin, middle, end, times, expected = LONG[what]
    done = subprocess.run(
        [sys.executable, "-c", READ % (MEMORY, MEMORY), begin.hex(), middle.hex(), end.hex(), str(times)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout.strip() == expected, f"exit {done.returncode}: {done.stderr[-300:]}"

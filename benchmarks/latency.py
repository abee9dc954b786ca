"""How soon the link of a tiny file is there: from the command's start.

Strategy: read what the command says line by line, as a person at a terminal would,
and stop the clock at the line that has the link in it.
"""

import re
import subprocess
import time
from pathlib import Path

from benchmarks.hosts import CONSIGNE
from benchmarks.ours import Consigne
from benchmarks.workspace import BenchError, Workspace

LINK = re.compile(rb"https?://\S+#\S+")
TINY_BYTES = 10 * 1024


def link_seconds(consigne: Consigne, source: Path, rounds: int, workspace: Workspace) -> list[float]:
    """Measure `rounds` times, after one time that does not count."""
    return [_once(consigne, source, workspace) for _ in range(rounds + 1)][1:]


def _once(consigne: Consigne, source: Path, workspace: Workspace) -> float:
    command = [str(CONSIGNE), "put", str(source), "--to", consigne.host.url]
    begin = time.perf_counter()
    seconds = 0.0
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=workspace.environment,
    ) as process:
        for line in process.stdout or ():
            if not seconds and LINK.search(line):
                seconds = time.perf_counter() - begin
    if process.returncode != 0 or not seconds:
        reason = "consigne put printed no link for a tiny file"
        raise BenchError(reason)
    return seconds

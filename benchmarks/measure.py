"""One timed run of one command, with what it cost client and host.

Strategy: flush the disk first, so that nobody pays for the bytes of the one before;
then let the stopwatch run the command, and read the host's counters around it. The host
is given the time to come to rest, untimed: what it does after its answer (ours reads
what was put) counts as its CPU, and is nobody else's burden.
"""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.hosts import Host
from benchmarks.payload import Payload
from benchmarks.workspace import BenchError, Workspace

STOPWATCH = Path(__file__).with_name("stopwatch.py")


@dataclass(frozen=True, slots=True)
class Command:
    """A pipeline: the argument lists of its programs, from the first to the last."""

    stages: tuple[tuple[str, ...], ...]

    @property
    def words(self) -> list[str]:
        """Write the pipeline as the stopwatch reads it."""
        words: list[str] = []
        for stage in self.stages:
            words += ["|", *stage] if words else stage
        return words


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: seconds and bytes. Memory is summed over a side's processes."""

    wall: float
    client_cpu: float
    host_cpu: float
    client_peak: int
    host_peak: int


@dataclass(slots=True)
class Series:
    """All runs of one contender at one thing: `put` or `get` of one payload."""

    action: str
    payload: Payload
    contender: str
    samples: list[Sample] = field(default_factory=list)


def timed(command: Command, host: Host, workspace: Workspace, *, sync: bool) -> tuple[Sample, str]:
    """Run a command from its start to its exit; give its cost and what it printed."""
    output = workspace.root / "printed"
    watch = [sys.executable, "-I", "-S", str(STOPWATCH), "sync" if sync else "-"]
    os.sync()
    host.forget_peak()
    before = host.cpu_seconds()
    done = subprocess.run(
        [*watch, str(output), *command.words],
        env=workspace.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    host.settle()
    host_cpu = host.cpu_seconds() - before
    if done.returncode != 0:
        reason = f"{command.stages[0][0]} failed: {done.stderr.strip()}"
        raise BenchError(reason)
    wall, cpu, peak = done.stdout.split()
    sample = Sample(float(wall), float(cpu), host_cpu, int(peak), host.peak_bytes())
    return sample, output.read_text("utf-8", errors="replace")

"""The whole run, part by part: who meets whom over which payload.

Strategy: the hosts that are installed run from beginning to end; every part that was
asked for adds what it finds. Who is missing has no series, and the report says so.
"""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property

from benchmarks import hosts, rivals
from benchmarks.contenders import Contender
from benchmarks.latency import TINY_BYTES, link_seconds
from benchmarks.measure import Series
from benchmarks.opening import open_seconds
from benchmarks.ours import Consigne
from benchmarks.payload import (
    FILE,
    LARGE,
    ONCE,
    TINY,
    Payload,
    make_file,
    make_folder,
    readable,
)
from benchmarks.race import GET, PUT, Runner, race
from benchmarks.workspace import BenchError, Workspace

SMALL, LATENCY, OPEN, MEMORY = "small", "latency", "open", "memory"
PARTS = (PUT, GET, SMALL, LATENCY, OPEN, MEMORY)
LARGE_FACTOR = 8
LARGE_COPIES = 4  # the source, the host's, what arrives, and slack
TINY_FACTOR = 4


@dataclass(frozen=True, slots=True)
class Options:
    """What to run, how often, and how big the big file is."""

    parts: frozenset[str]
    rounds: int
    size: int
    skip_large: bool


@dataclass(slots=True)
class Findings:
    """What a run measured; `notes` are lines for the reader."""

    series: list[Series] = field(default_factory=list)
    link_seconds: list[float] = field(default_factory=list)
    open_seconds: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def run(options: Options, workspace: Workspace) -> Findings:
    """Run all parts with the hosts that are installed."""
    with ExitStack() as running:
        files: list[Contender] = []
        folders: list[Contender] = []
        consigne = None
        if workspace.program("nginx"):
            nginx = running.enter_context(hosts.nginx(workspace))
            files += rivals.for_files(nginx, workspace)
            folders += rivals.for_folders(nginx, workspace)
        if hosts.CONSIGNE.exists():
            host = running.enter_context(hosts.consigne(workspace))
            consigne = Consigne(host, workspace)
            files.append(consigne)
            folders.append(consigne)
        contest = Contest(options, workspace, consigne)
        load, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
        if load > cores / 2:
            contest.findings.notes.append(f"the machine was busy: load {load:.1f} on {cores} cores")
        contest.big_file(files)
        contest.small_files(folders)
        contest.tiny_file(files)
        contest.opening()
        contest.memory()
        return contest.findings


class Contest:
    """The parts of a run, and what they found."""

    def __init__(self, options: Options, workspace: Workspace, consigne: Consigne | None) -> None:
        """Prepare a run; `consigne` is absent where it is not installed."""
        self.findings = Findings()
        self._options = options
        self._workspace = workspace
        self._consigne = consigne

    @cached_property
    def _file(self) -> Payload:
        """The big file, written when the first part needs it."""
        path = self._workspace.folder("sent") / "big.bin"
        return make_file(path, self._options.size, FILE)

    def big_file(self, contenders: Sequence[Contender]) -> None:
        """Put and get the big file, all in turn."""
        actions = [part for part in (PUT, GET) if part in self._options.parts]
        if actions:
            copies = len(contenders) + 3  # also the source, what arrives, and slack
            self._require(copies * self._options.size)
            self._race(contenders, self._file, actions)

    def small_files(self, contenders: Sequence[Contender]) -> None:
        """Put and get the folder, all in turn."""
        if SMALL in self._options.parts:
            folder = make_folder(self._workspace.folder("sent") / "many")
            self._race(contenders, folder, (PUT, GET))

    def tiny_file(self, contenders: Sequence[Contender]) -> None:
        """Put a tiny file: all in turn, then ours until its link is printed."""
        if LATENCY not in self._options.parts:
            return
        path = self._workspace.folder("sent") / "tiny.bin"
        tiny = make_file(path, TINY_BYTES, TINY)
        self._race(contenders, tiny, (PUT,), TINY_FACTOR)
        if self._consigne:
            rounds = self._options.rounds * TINY_FACTOR
            self.findings.link_seconds = link_seconds(self._consigne, path, rounds, self._workspace)

    def opening(self) -> None:
        """Open the big file on a running client."""
        if self._consigne and OPEN in self._options.parts:
            Runner(self._file, self._workspace).put(self._consigne, 0)
            self.findings.open_seconds = open_seconds(self._consigne, self._file.path, self._workspace)
            self._consigne.clear()

    def memory(self) -> None:
        """Put and get the big file once more, and one eight times as big."""
        if not self._consigne or MEMORY not in self._options.parts:
            return
        self._once(self._consigne, replace(self._file, kind=ONCE))
        size = LARGE_FACTOR * self._options.size
        if self._options.skip_large:
            self.findings.notes.append(f"{readable(size)}: left out, as asked")
        elif self._workspace.free() < LARGE_COPIES * size:
            needed = readable(LARGE_COPIES * size)
            note = f"{readable(size)}: left out, for it needs {needed} of free disk"
            self.findings.notes.append(note)
        else:
            path = self._workspace.folder("sent") / "large.bin"
            self._once(self._consigne, make_file(path, size, LARGE))
            path.unlink()

    def _race(
        self,
        contenders: Sequence[Contender],
        payload: Payload,
        actions: Sequence[str],
        factor: int = 1,
    ) -> None:
        rounds = factor * self._options.rounds
        self.findings.series += race(contenders, payload, rounds, actions, self._workspace)

    def _once(self, consigne: Consigne, payload: Payload) -> None:
        """Put, get and compare one payload one time."""
        runner = Runner(payload, self._workspace)
        runner.put(consigne, 1)
        runner.get(consigne, 1, verify=True)
        consigne.clear()
        self.findings.series += runner.series

    def _require(self, size: int) -> None:
        """Stop before the disk is full rather than when it is."""
        if self._workspace.free() < size:
            reason = f"this needs {readable(size)} of free disk: see --size, --scratch"
            raise BenchError(reason)

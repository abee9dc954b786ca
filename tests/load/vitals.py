"""How a host is: its memory and descriptors as the kernel counts them, and how soon it answers.

`Pulse` looks once a second from a thread of its own, over kills and restarts.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import NamedTuple, Self

from consigne import protocol
from tests.hosts import ask
from tests.processes import Host

MIB = 1 << 20


class Sample(NamedTuple):
    """One look at a host. None: it was not there, or did not answer."""

    second: float
    rss: float | None  # MiB
    descriptors: int | None
    latency: float | None  # milliseconds of a small request, connection included


def pid_of(host: Host) -> int:
    assert host.process is not None
    return host.process.pid


def rss(pid: int) -> float:
    """Resident memory in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) * 1024 / MIB


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def settled(pid: int, most: int, seconds: float) -> int:
    """How many descriptors are open once they are at most so many, or after so long."""
    deadline = time.monotonic() + seconds
    while (now := descriptors(pid)) > most and time.monotonic() < deadline:
        time.sleep(0.1)
    return now


class Pulse:
    """Samples of one host while it is entered."""

    def __init__(self, host: Host) -> None:
        self.samples: list[Sample] = []
        self._host = host
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def most(self, name: str) -> float:
        """The highest value of a column."""
        return max(
            (value for sample in self.samples if (value := getattr(sample, name)) is not None), default=0
        )

    def _watch(self) -> None:
        began = time.monotonic()
        while not self._over.is_set():
            self.samples.append(self._sample(time.monotonic() - began))
            self._over.wait(1)

    def _sample(self, second: float) -> Sample:
        try:
            pid = pid_of(self._host)
            memory, files = rss(pid), descriptors(pid)
        except (OSError, StopIteration):  # killed just now
            return Sample(second, None, None, None)
        return Sample(second, memory, files, self._latency())

    def _latency(self) -> float | None:
        began = time.perf_counter()
        try:
            answer = ask(self._host.port, "GET", protocol.SERVICE)
        except OSError:
            return None
        return (time.perf_counter() - began) * 1000 if answer.status == 200 else None

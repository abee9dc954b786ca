"""What a contender is: somebody who can put a thing on a host and get it back."""

from pathlib import Path
from typing import Protocol

from benchmarks.hosts import Host
from benchmarks.measure import Command


class Contender(Protocol):
    """Somebody who takes part; the harness runs and times the commands it names."""

    @property
    def name(self) -> str:
        """How the tables call it."""
        ...

    @property
    def host(self) -> Host:
        """The host that it puts to and gets from."""
        ...

    def put(self, source: Path) -> Command:
        """Name the command that sends a file or folder to the host."""
        ...

    def did_put(self, printed: str) -> None:
        """Learn from what `put` printed, where the way back is told there."""
        ...

    def get(self, into: Path) -> Command:
        """Name the command that writes what was put last into an empty folder."""
        ...

    def clear(self) -> None:
        """Remove from the host what was put, so that every run finds it empty."""
        ...

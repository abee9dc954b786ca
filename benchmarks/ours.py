"""Consigne as a contender: the command line that people use, nothing tuned."""

import json
import subprocess
from pathlib import Path

from benchmarks.hosts import CONSIGNE, Host
from benchmarks.measure import Command
from benchmarks.workspace import BenchError, Workspace

NAME = "consigne"


class Consigne:
    """`consigne put` and `consigne get` against `consigne serve`."""

    name = NAME

    def __init__(self, host: Host, workspace: Workspace) -> None:
        """Use a running host."""
        self.host = host
        self.link = ""
        self._manage = ""
        self._workspace = workspace

    def put(self, source: Path) -> Command:
        """Encrypt and upload a file or a folder."""
        target = ("--to", self.host.url, "--json")
        return Command(((str(CONSIGNE), "put", str(source), *target),))

    def did_put(self, printed: str) -> None:
        """Keep the link to get by, and the manage link to remove by."""
        told = json.loads(printed)
        self.link, self._manage = told["link"], told["manage"]

    def get(self, into: Path) -> Command:
        """Download and decrypt into a folder."""
        return Command(((str(CONSIGNE), "get", self.link, "-o", str(into)),))

    def clear(self) -> None:
        """Remove what was put; its bytes are gone from the disk with the answer."""
        if self._manage:
            done = subprocess.run(
                [str(CONSIGNE), "rm", self._manage],
                env=self._workspace.environment,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                reason = f"consigne rm failed: {done.stderr.strip()}"
                raise BenchError(reason)
        self.link = self._manage = ""

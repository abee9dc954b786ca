"""What a person would use instead of Consigne, all against one nginx with WebDAV.

Strategy: each with its defaults, in the form its own manual shows. A rival keeps its
things in a folder of its own on the host; `clear` empties it on the host's disk.
"""

import shutil
import subprocess
from pathlib import Path

from benchmarks.hosts import Host, dav_ext_module
from benchmarks.measure import Command
from benchmarks.workspace import Workspace

CURL = "curl"
AGE = "age | curl"
RCLONE = "rclone crypt"
TAR = "tar | age | curl"
QUIET_CURL = ("curl", "--silent", "--show-error", "--fail")


class Curl:
    """No encryption at all: the bytes as they are."""

    name = CURL

    def __init__(self, host: Host, workspace: Workspace, folder: str) -> None:
        """Use `folder` on the host."""
        self.host = host
        self._folder = f"files/{folder}"
        self._workspace = workspace
        self._stored = "nothing"
        self._base = f"{host.url}/{folder}"
        self.clear()

    @property
    def url(self) -> str:
        """Where on the host the thing lies that was put last."""
        return f"{self._base}/{self._stored}"

    @property
    def fetch(self) -> tuple[str, ...]:
        """Read the thing from the host, to standard output."""
        return (*QUIET_CURL, self.url)

    def send(self, source: Path) -> tuple[str, ...]:
        """Write standard input to the host, under the source's name."""
        self._stored = source.name
        return (*QUIET_CURL, "--upload-file", "-", self.url)

    def put(self, source: Path) -> Command:
        """Upload the file."""
        self._stored = source.name
        return Command(((*QUIET_CURL, "--upload-file", str(source), self.url),))

    def did_put(self, printed: str) -> None:
        """Nothing to learn: the address was ours."""

    def get(self, into: Path) -> Command:
        """Download the file."""
        return Command(((*self.fetch, "--output", str(into / self._stored)),))

    def clear(self) -> None:
        """Empty the folder on the host's disk."""
        self._workspace.emptied(self._folder)


class Age(Curl):
    """One file, encrypted on the way by age."""

    name = AGE

    def __init__(self, host: Host, workspace: Workspace, folder: str) -> None:
        """Use `folder` on the host, and a new key."""
        super().__init__(host, workspace, folder)
        self._key = workspace.root / f"{folder}.key"
        _output(workspace, "age-keygen", "-o", str(self._key))
        self._recipient = _output(workspace, "age-keygen", "-y", str(self._key))

    def put(self, source: Path) -> Command:
        """Encrypt and upload."""
        sealed = ("age", "-r", self._recipient, str(source))
        return Command((sealed, self.send(source)))

    def get(self, into: Path) -> Command:
        """Download and decrypt."""
        target = str(into / self._stored)
        opened = ("age", "-d", "-i", str(self._key), "-o", target)
        return Command((self.fetch, opened))


class TarAge(Age):
    """A folder as one stream, encrypted on the way by age."""

    name = TAR

    def put(self, source: Path) -> Command:
        """Pack, encrypt and upload."""
        packed = ("tar", "-C", str(source.parent), "-c", source.name)
        sealed = ("age", "-r", self._recipient)
        return Command((packed, sealed, self.send(source)))

    def get(self, into: Path) -> Command:
        """Download, decrypt and unpack."""
        opened = ("age", "-d", "-i", str(self._key))
        return Command((self.fetch, opened, ("tar", "-C", str(into), "-x")))


class Rclone(Curl):
    """One file, its content and name encrypted by rclone's crypt."""

    name = RCLONE

    def __init__(self, host: Host, workspace: Workspace, folder: str) -> None:
        """Use `folder` on the host, and write rclone's configuration."""
        super().__init__(host, workspace, folder)
        password = _output(workspace, "rclone", "obscure", "a password of no worth")
        dav = f"[dav]\ntype = webdav\nvendor = other\nurl = {self._base}\n"
        crypt = f"[sealed]\ntype = crypt\nremote = dav:\npassword = {password}\n"
        conf = workspace.root / "rclone.conf"
        conf.write_text(f"{dav}\n{crypt}", "utf-8")

    def put(self, source: Path) -> Command:
        """Encrypt and upload."""
        self._stored = source.name
        return Command((("rclone", "copyto", str(source), f"sealed:{source.name}"),))

    def get(self, into: Path) -> Command:
        """Download and decrypt."""
        target = str(into / self._stored)
        return Command((("rclone", "copyto", f"sealed:{self._stored}", target),))


def for_files(host: Host, workspace: Workspace) -> list[Curl]:
    """Give the rivals for one big file, those that are installed."""
    rivals: list[Curl] = []
    if workspace.program("curl"):
        rivals.append(Curl(host, workspace, "plain"))
        if workspace.program("age"):
            rivals.append(Age(host, workspace, "age"))
    if workspace.program("rclone") and dav_ext_module(workspace):
        rivals.append(Rclone(host, workspace, "rclone"))
    return rivals


def for_folders(host: Host, workspace: Workspace) -> list[Curl]:
    """Give the rivals for many small files, those that are installed."""
    if all(workspace.program(name) for name in ("curl", "age", "tar")):
        return [TarAge(host, workspace, "tar")]
    return []


def _output(workspace: Workspace, *command: str) -> str:
    """Give what a command prints, without the end of line."""
    environment = workspace.environment
    program = shutil.which(command[0], path=environment["PATH"]) or command[0]
    return subprocess.run(
        [program, *command[1:]],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()

"""Somebody at a shell: the real command, in a folder of one's own, with no terminal unless asked for."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.processes import CONSIGNE, User

# Gives the command a terminal to control it: what stands on file descriptor 0.
WITH_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@dataclass
class Done:
    """How a command ended."""

    code: int
    output: bytes
    err: str

    @property
    def out(self) -> str:
        return self.output.decode().removesuffix("\n")

    @property
    def json(self) -> dict[str, Any]:
        assert self.output.count(b"\n") == 1, self.out
        value: dict[str, Any] = json.loads(self.output)
        return value

    @property
    def error(self) -> dict[str, Any]:
        """The error of a command with --json."""
        value: dict[str, Any] = json.loads(self.err.splitlines()[-1])["error"]
        return value


class Shell:
    """Runs commands as one user. `here` is the folder they run in."""

    def __init__(self, folder: Path, url: str) -> None:
        self.here = folder / "here"
        self.here.mkdir()
        self.home = folder / "home"
        self.environment = User(self.home, url).environment
        for name in ("DATA", "STATE"):
            self.environment[f"XDG_{name}_HOME"] = str(folder / name.lower())

    def start(self, *words: str | Path, **more: str) -> subprocess.Popen[bytes]:
        """A command under way, its three streams piped. No terminal controls it."""
        return subprocess.Popen(
            [CONSIGNE, *map(str, words)],
            cwd=self.here,
            env={**self.environment, **more},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def run(self, *words: str | Path, stdin: bytes = b"", **more: str) -> Done:
        """A command at its end, whatever the end is; but never a traceback."""
        process = self.start(*words, **more)
        output, err = process.communicate(stdin, timeout=120)
        text = err.decode(errors="backslashreplace")
        assert "Traceback" not in text
        return Done(process.returncode, output, text)

    def must(self, *words: str | Path, stdin: bytes = b"", **more: str) -> Done:
        """A command that succeeds."""
        done = self.run(*words, stdin=stdin, **more)
        assert done.code == 0, done.err
        return done

    def fails(self, code: int, name: str, *words: str | Path, stdin: bytes = b"", **more: str) -> Done:
        """A command that fails with an exit code and an error code, told as JSON; also in words."""
        done = self.run(*words, "--json", stdin=stdin, **more)
        assert (done.code, done.error["code"]) == (code, name), done.err
        assert done.output == b""
        assert done.error["message"]
        return done

    def put(self, *words: str | Path, stdin: bytes = b"") -> dict[str, Any]:
        """What `put --json` tells."""
        return self.must("put", "--json", *words, stdin=stdin).json

    def write(self, name: str, content: bytes | str = b"content") -> Path:
        """A file here."""
        path = self.here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def terminal(self, *words: str | Path, **more: str) -> Terminal:
        """A command on a terminal: its standard error, and the terminal that controls it."""
        return Terminal(self, words, more)


class Terminal:
    """A command whose person sits at a pseudo-terminal. Standard output is a pipe."""

    def __init__(self, shell: Shell, words: tuple[str | Path, ...], more: dict[str, str]) -> None:
        self._master, slave = pty.openpty()
        self.shown = ""
        self.process = subprocess.Popen(
            [sys.executable, "-c", WITH_TERMINAL, CONSIGNE, *map(str, words)],
            cwd=shell.here,
            env={**shell.environment, "TERM": "xterm", **more},
            stdin=slave,
            stdout=subprocess.PIPE,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def wait_for(self, text: str, *, occurrence: int = 1) -> None:
        """Until the terminal shows `text`."""
        deadline = time.monotonic() + 30
        while self.shown.count(text) < occurrence:
            assert time.monotonic() < deadline, f"{text!r} is not in {self.shown!r}"
            if not self._look(0.1):
                assert self.shown.count(text) >= occurrence, f"{text!r} is not in {self.shown!r}"

    def type(self, line: str) -> None:
        """What a person types."""
        os.write(self._master, line.encode())

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.type("\x03")

    def end(self) -> Done:
        """Wait until it ends."""
        while self._look(10):
            pass
        assert self.process.stdout is not None
        output = self.process.stdout.read()
        self.process.stdout.close()
        code = self.process.wait(30)
        os.close(self._master)
        assert "Traceback" not in self.shown
        return Done(code, output, self.shown)

    def _look(self, seconds: float) -> bool:
        """Read what is shown; False when the terminal is closed by all who had it."""
        if not select.select([self._master], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:  # Linux: EIO once nobody has the other end
            return False
        self.shown += data.decode()
        return bool(data)

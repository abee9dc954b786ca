"""The one place that speaks.

Results go to standard output, alone, so that they can be piped and copied. Words
for people, the progress line and errors go to standard error: `error:`, then
`hint:`. With `--json` both carry JSON only, one object a line.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

from consigne.errors import AuthenticityError, LocalError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from consigne.errors import ConsigneError

DEFAULT_WIDTH = 80


class Voice:
    """Speaks for one command. `quiet`: of words for people, only errors are said."""

    def __init__(self, *, quiet: bool = False, as_json: bool = False) -> None:
        self.quiet = quiet
        self.as_json = as_json
        self._drawn = 0

    def open_streams(self) -> None:
        """Make the standard streams safe to use, whatever we were started with."""
        for descriptor in (0, 1, 2):  # a file opened later must not become standard error
            with suppress(OSError):
                _fill_if_closed(descriptor)
        if sys.stdout is not None:
            # No name and no note may fail for want of a letter in the terminal's encoding.
            sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]

    # ------------------------------------------------------------ standard output

    def result(self, text: str) -> None:
        """A line of what was asked for. Raises BrokenPipeError and LocalError `output-failed`."""
        self.clear()
        with self._handing_over():
            if sys.stdout is not None:
                sys.stdout.write(text + "\n")
                sys.stdout.flush()

    def result_json(self, value: dict[str, Any]) -> None:
        """What was asked for, as one JSON object. Raises as `result` does."""
        self.result(_json(value))

    def result_bytes(self, pieces: Iterable[bytes]) -> None:
        """Raw bytes of what was asked for. Raises as `result` does."""
        for piece in pieces:
            with self._handing_over():
                if sys.stdout is None:
                    raise BrokenPipeError
                left = memoryview(piece)
                while left:  # an unbuffered stream may take less than it is given
                    left = left[sys.stdout.buffer.write(left) :]
        self.flush()

    def flush(self) -> None:
        """Hand over what is left. Raises as `result` does."""
        self.clear()
        with self._handing_over():
            if sys.stdout is not None:
                sys.stdout.flush()

    @contextmanager
    def _handing_over(self) -> Iterator[None]:
        """When standard output fails, Python's last flush of it must not fail once more."""
        try:
            yield
        except OSError as error:
            with suppress(OSError, AttributeError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, sys.stdout.fileno())
                os.close(nowhere)
            if isinstance(error, BrokenPipeError):
                raise
            raise LocalError("output-failed", f"Standard output: {error.strerror}.") from None

    # ------------------------------------------------------------ standard error

    def say(self, text: str) -> None:
        """A line for people."""
        if not self.quiet and not self.as_json:
            self.clear()
            self._write(text + "\n")

    def say_json(self, value: dict[str, Any]) -> None:
        """A line for programs about what is under way."""
        if not self.quiet and self.as_json:
            self._write(_json(value) + "\n")

    def fail(self, error: ConsigneError) -> None:
        """What went wrong, and what can be done about it."""
        self.clear()
        if self.as_json:
            told: dict[str, Any] = {"code": error.code, "message": str(error), "hint": error.hint}
            if isinstance(error, AuthenticityError) and error.segment is not None:
                told["segment"] = error.segment
            self._write(_json({"error": told}) + "\n")
            return
        self._write(f"error: {error}\n")
        if error.hint:
            self._write(f"hint: {error.hint}\n")

    @property
    def one_screen(self) -> bool:
        """Whether results and words end up before the same eyes: once said is enough."""
        if self.quiet or self.as_json or sys.stdout is None or sys.stderr is None:
            return False
        return sys.stdout.isatty() and sys.stderr.isatty()

    # ------------------------------------------------------------ the progress line

    @property
    def draws(self) -> bool:
        """Whether a progress line makes sense: people, on a terminal that moves its cursor."""
        if self.quiet or self.as_json or os.environ.get("TERM") == "dumb":
            return False
        return sys.stderr is not None and sys.stderr.isatty()

    @property
    def width(self) -> int:
        """Columns of the terminal; the last one stays free, since some wrap when it is written."""
        try:
            columns = os.get_terminal_size(sys.stderr.fileno()).columns
        except (OSError, ValueError):
            columns = 0
        return (columns or DEFAULT_WIDTH) - 1

    def draw(self, line: str) -> None:
        """Show `line` in place of the one that was drawn before."""
        self._write("\r" + line.ljust(self._drawn))
        self._drawn = len(line)

    def clear(self) -> None:
        """Take the drawn line away, as if it had never been there."""
        if self._drawn:
            self._write("\r" + " " * self._drawn + "\r")
            self._drawn = 0

    def _write(self, text: str) -> None:
        """To standard error. Nobody listening is no reason to stop the work."""
        stream: TextIO | None = sys.stderr
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.write(text)
                stream.flush()


def _fill_if_closed(descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one


def _json(value: dict[str, Any]) -> str:
    import json

    return json.dumps(value)  # ASCII: no encoding can fail on it

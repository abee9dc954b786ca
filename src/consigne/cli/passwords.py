"""Where a password comes from: a person at the terminal, or the first line of a file.

Never from the command line, where everyone on the machine could read it.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from consigne.errors import LocalError, UsageError

if TYPE_CHECKING:
    from argparse import Namespace
    from typing import BinaryIO

MAX_LINE: Final = 64 * 1024


def for_new_link(given: Namespace) -> str | None:
    """The password that a new link shall have; None for none.

    Raises UsageError `no-terminal`, `password-mismatch`, `password-unusable`;
    LocalError `password-file`.
    """
    if given.password_file is not None:
        return _from_file(given.password_file)
    if not given.password:
        return None
    password = _ask("Password for the new link: ")
    if password != _ask("The same again: "):
        raise UsageError("password-mismatch", "The two passwords differ.", hint="Give the command again.")
    return password


def for_link(given: Namespace, link: str) -> str | None:
    """The password to open `link` with; asked for where it needs one and there is a terminal.

    Raises UsageError for a link that cannot be read, and as `for_new_link` does.
    """
    if given.password_file is not None:
        return _from_file(given.password_file)
    from consigne.format.link import Kind, parse_link

    needed = parse_link(link, Kind.DOWNLOAD).fragment.password
    if given.password or (needed and _has_terminal()):
        return _ask("Password of the link: ")
    return None  # the library says that one is needed


def _ask(prompt: str) -> str:
    from getpass import getpass

    if not _has_terminal():
        raise UsageError(
            "no-terminal",
            "There is no terminal to ask for a password on.",
            hint="Give it with --password-file.",
        )
    try:
        return getpass(prompt)
    except EOFError:
        raise UsageError("password-unusable", "No password was given.") from None


def _has_terminal() -> bool:
    """Whether a person can be asked, whatever standard input and output are."""
    if sys.platform == "win32":
        return sys.stdin is not None and sys.stdin.isatty()
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _from_file(name: str) -> str:
    if name == "-":
        line = _first_line(open(0, "rb", buffering=0, closefd=False))  # noqa: SIM115 - standard input
    else:
        try:
            with open(name, "rb") as file:  # noqa: PTH123 - a name as it was given
                line = _first_line(file)
        except OSError as error:
            raise LocalError(
                "password-file", f"The password file cannot be read: {error.strerror}."
            ) from None
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        raise LocalError("password-file", "The password file's first line is not UTF-8 text.") from None


def _first_line(file: BinaryIO) -> bytes:
    """Without its line ending: LF, CR LF, or the file's end. Raises LocalError."""
    line = file.readline(MAX_LINE)
    if len(line) == MAX_LINE:
        raise LocalError("password-file", "The password file's first line is too long.")
    return line.removesuffix(b"\n").removesuffix(b"\r") if line.endswith(b"\n") else line

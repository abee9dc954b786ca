"""Ctrl-C and SIGTERM: heard, answered in words, and shown in the exit code.

Both arrive as KeyboardInterrupt, so that the library cleans up in one way. Whoever
can go on later says so with `resumable`, which leaves a note on the interrupt.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from consigne.errors import ConsigneError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consigne.cli.voice import Voice

GO_ON: Final = "Give the same command again: it goes on where it was."
SIGNALLED: Final = 128  # what shells add to the number of the signal that ended a program


class TerminatedError(KeyboardInterrupt):
    """SIGTERM."""


def listen() -> None:
    """Hear SIGTERM as Ctrl-C is heard."""
    signal.signal(signal.SIGTERM, _raise_terminated)


def _raise_terminated(_number: int, _frame: object) -> None:
    raise TerminatedError


@contextmanager
def resumable() -> Iterator[None]:
    """What happens inside can be interrupted and gone on with by the same command."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(GO_ON)
        raise


def acknowledge(interrupt: KeyboardInterrupt, voice: Voice) -> int:
    """Say that the command was interrupted; its exit code. Nothing interrupts this."""
    hear_no_more()
    hint = next(iter(getattr(interrupt, "__notes__", ())), "")
    voice.fail(ConsigneError("interrupted", "Interrupted.", hint=hint))
    number = signal.SIGTERM if isinstance(interrupt, TerminatedError) else signal.SIGINT
    return SIGNALLED + number


def hear_no_more() -> None:
    """The outcome stands: what comes now would only break the goodbye, with a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def leave_at_once_if_threads_linger(code: int) -> None:
    """End now where a thread still waits for the network: Python would wait for it first."""
    lingering = [each for each in threading.enumerate() if each is not threading.main_thread()]
    if code > SIGNALLED and any(not thread.daemon for thread in lingering):
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(code)

"""`consigne version`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consigne.cli.command import Command
from consigne.version import __version__

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from consigne.cli.voice import Voice


def _declare(_parser: ArgumentParser) -> None:
    """Nothing to choose."""


def _run(_given: Namespace, voice: Voice) -> None:
    voice.result(f"consigne {__version__}")


COMMANDS: Final = {"version": Command(_declare, _run, "Print the version on standard output.")}

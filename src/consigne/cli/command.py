"""What a command is to the parser: how its options are declared, and what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from consigne.cli.voice import Voice


class Command(NamedTuple):
    """`about` is the text under the usage line, `examples` the one at the end of `--help`."""

    declare: Callable[[ArgumentParser], None]
    run: Callable[[Namespace, Voice], None]
    about: str
    examples: str = ""

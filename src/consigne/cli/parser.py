"""From words to a command and its options.

The table below is all that `consigne --help` needs. A command's own module is
loaded when the command is given, and not before. argparse does the reading; what it
says about mistakes is put in our words, which never quote what was typed: that may
be a link or a password in the wrong place.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Final, NoReturn

from consigne.errors import UsageError
from consigne.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from consigne.cli.command import Command

# Command → the module of its family, and what it does in a few words.
TABLE: Final = {
    "put": ("putting", "put files and folders, and get a link to give"),
    "get": ("getting", "get what a link holds"),
    "ls": ("looking", "list what a link holds"),
    "cat": ("getting", "write one file of a link to standard output"),
    "info": ("looking", "show what a link is: sizes, expiry, downloads, further links"),
    "mine": ("receipts", "list what was put from here"),
    "extend": ("managing", "let what you put expire later, or sooner"),
    "rm": ("managing", "remove what you put, with all its links"),
    "link": ("managing", "make one more link to what you put"),
    "revoke": ("managing", "end one link"),
    "unlock": ("managing", "let a link be tried again after too many wrong passwords"),
    "serve": ("hosting", "run a host"),
    "admin sweep": ("tending", "delete from a host what expired, was removed or was left"),
    "admin backup": ("tending", "copy all that a host keeps into a new folder"),
    "version": ("about", "show the version"),
}

# What argparse says → what we say. None of ours quotes what was typed.
_MISTAKES: Final = (
    (r"the following arguments are required: (.+)", r"Missing: \1."),
    (r"argument (.+): expected (?:one|at least one) argument", r"\1 needs a value."),
    (r"argument (.+): ignored explicit argument.*", r"\1 takes no value."),
    (r"argument (.+): not allowed with argument (.+)", r"\1 and \2 exclude each other."),
    (r"argument (\S+): invalid choice: .*", r"Unknown \1."),
    (r"argument (.+?): ((?!invalid).+)", r"\1: \2"),
)


@dataclass(frozen=True)
class Chosen:
    """A command, and what was given to it: links and passwords, too."""

    command: Command
    given: argparse.Namespace = field(repr=False)


class Parser(argparse.ArgumentParser):
    """argparse, with mistakes as UsageError instead of an exit."""

    def error(self, message: str) -> NoReturn:
        """Raise in our words what argparse found."""
        for pattern, ours in _MISTAKES:
            match = re.fullmatch(pattern, message, re.DOTALL)
            if match:
                raise _usage(match.expand(ours), self.prog)
        raise _usage("These arguments cannot be used as given.", self.prog)


def understand(words: Sequence[str]) -> Chosen | str:
    """The command that `words` name with its options; or text that answers them at once.

    Raises UsageError `usage`.
    """
    if not words or words[0] in ("--help", "-h", "help"):
        return overview()
    name, rest = _name_and_rest(words)
    command, parser = load(name)
    if {"-h", "--help"} & set(_before_dashes(rest)):
        return parser.format_help().rstrip("\n")
    # Options may stand between paths; argparse can do that, but not together with `--`.
    parse = parser.parse_known_args if "--" in rest else parser.parse_known_intermixed_args
    given, extra = parse(rest)
    if extra:
        _refuse_extra(extra, parser)
    return Chosen(command, given)


def load(name: str) -> tuple[Command, Parser]:
    """A command of the table and its parser."""
    command: Command = import_module(f"consigne.cli.{TABLE[name][0]}").COMMANDS[name]
    parser = Parser(
        prog=f"consigne {name}",
        description=command.about,
        epilog=command.examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(quiet=False)
    command.declare(parser)
    return command, parser


def overview() -> str:
    """The short help: every command in a line."""
    lines = [f"  {name:<12}  {summary}" for name, (_, summary) in TABLE.items()]
    return "\n".join(
        [
            f"Consigne {__version__}: a file host that cannot read what it keeps.",
            "",
            "usage: consigne COMMAND …",
            "",
            *lines,
            "",
            "Begin with `consigne put FILE`. `consigne COMMAND --help` tells more.",
        ]
    )


def _name_and_rest(words: Sequence[str]) -> tuple[str, Sequence[str]]:
    first = "version" if words[0] == "--version" else words[0]
    two = " ".join(words[:2])
    if two in TABLE:
        return two, words[2:]
    if first in TABLE:
        return first, words[1:]
    if first == "admin":
        raise _usage("admin needs to know what to do: sweep or backup.", "consigne")
    raise _unknown(first)


def _refuse_extra(extra: Iterable[str], parser: Parser) -> NoReturn:
    """What nothing was declared for. An option is named, without its value; nothing else is."""
    names = [word.partition("=")[0] for word in extra if word.startswith("-") and word != "-"]
    for name in names:
        if re.fullmatch(r"--?[a-z][a-z-]{0,30}", name):
            near = _nearest(name, parser._option_string_actions)  # noqa: SLF001 - argparse has no other list
            raise _usage(f"Unknown option: {name}{near}", parser.prog)
    raise _usage("There are more arguments than this command takes.", parser.prog)


def _unknown(first: str) -> UsageError:
    if first.startswith("-"):
        return _usage("The command comes first, its options behind it.", "consigne")
    if re.fullmatch(r"[a-z]{1,20}", first):
        return _usage(f"Unknown command: {first}{_nearest(first, TABLE)}", "consigne")
    return _usage("This is no command.", "consigne")


def _nearest(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, list(known), n=1, cutoff=0.75)
    return f". Did you mean {near[0]}?" if near else "."


def _before_dashes(words: Sequence[str]) -> Sequence[str]:
    return words[: words.index("--")] if "--" in words else words


def _usage(message: str, prog: str) -> UsageError:
    return UsageError("usage", message, hint=f"See: {prog} --help")

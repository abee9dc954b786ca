"""Options that several commands share, declared once so that they mean the same."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

from consigne.cli import durations

if TYPE_CHECKING:
    from argparse import ArgumentParser


def for_a_host(parser: ArgumentParser) -> None:
    """Whatever reaches a host."""
    parser.add_argument("--insecure", action="store_true", help="allow plain http to other machines")
    for_people(parser)


def for_people(parser: ArgumentParser) -> None:
    """Whatever has words for people."""
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")


def for_programs(parser: ArgumentParser) -> None:
    """Whatever has a result worth reading by a program."""
    parser.add_argument("--json", action="store_true", help="print one JSON object; errors too are JSON")


def for_a_link(parser: ArgumentParser) -> None:
    """Whatever opens a download link."""
    _password(parser, "ask for the link's password on the terminal (the default where it needs one)")


def for_a_new_link(parser: ArgumentParser) -> None:
    """Whatever makes a link: its limits."""
    parser.add_argument(
        "--expire",
        metavar="TIME",
        type=duration,
        help="how long it opens: 30m, 12h, 7d, 4w; default: up to the host",
    )
    parser.add_argument(
        "--downloads",
        metavar="N",
        type=count,
        help="how many times it may be downloaded; default: any number",
    )
    _password(parser, "ask twice for a password that goes with the link")


def _password(parser: ArgumentParser, about: str) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--password", action="store_true", help=about)
    group.add_argument(
        "--password-file",
        metavar="FILE",
        help="read the password from the first line of FILE (-: standard input)",
    )


def link(parser: ArgumentParser) -> None:
    """A download link, given by position."""
    parser.add_argument("link", metavar="LINK", help="a download link: https://…/d#…")


def manage_link(parser: ArgumentParser) -> None:
    """A manage link, given by position."""
    parser.add_argument("manage", metavar="MANAGE-LINK", help="the manage link that put gave: https://…/m#…")


def duration(text: str) -> int:
    """Seconds; argparse shows what is wrong."""
    try:
        return durations.parse(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def count(text: str) -> int:
    """A number from 1 on; argparse shows what is wrong."""
    if not (text.isascii() and text.isdecimal() and int(text[:16]) > 0 and len(text) < 16):
        raise ArgumentTypeError("a whole number from 1 on is needed.")
    return int(text)

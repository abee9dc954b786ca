"""`consigne get` and `consigne cat`: what a link holds comes down, authentic or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consigne.cli import options, passwords, sizes
from consigne.cli.command import Command
from consigne.cli.interruption import resumable
from consigne.cli.progress import Bar
from consigne.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from consigne.cli.voice import Voice
    from consigne.client import GetResult

STANDARD_OUTPUT: Final = "-"

ABOUT_GET: Final = """\
Get what a link holds and decrypt it here. Files have their names when all of it is
complete and authentic, and not before; nothing is overwritten without --force.
Standard output: nothing, or with `-o -` the bytes of one file. Standard error:
progress, then what was written and what had to be renamed.
"""

EXAMPLES_GET: Final = """\
examples:
  consigne get https://host.example/d#EQ…
  consigne get https://host.example/d#EQ… -o ~/Downloads
  consigne get https://host.example/d#EQ… --only photos/2026
  consigne get https://host.example/d#EQ… --only photos.tar -o - | tar x

A get that was interrupted goes on where it was when the same command is given
again, and counts as one download.
"""

ABOUT_CAT: Final = """\
Write one file of a link to standard output, each piece once it is authentic.
PATH may be left out where the link holds a single file.
"""


def _declare_get(parser: ArgumentParser) -> None:
    options.link(parser)
    parser.add_argument(
        "-o", dest="into", metavar="DIR", default=".", help="the folder to write into; -: standard output"
    )
    parser.add_argument("--only", metavar="PATH", help="only this file, or all in this folder of the link")
    parser.add_argument("--force", action="store_true", help="overwrite what is there already")
    options.for_a_link(parser)
    options.for_programs(parser)
    options.for_a_host(parser)


def _run_get(given: Namespace, voice: Voice) -> None:
    if given.into == STANDARD_OUTPUT:
        _write_out(given, given.only, voice)
        return
    password = passwords.for_link(given, given.link)
    from consigne.client import Client

    with Client(insecure=given.insecure) as client, resumable():
        result = client.get(
            given.link,
            given.into,
            password=password,
            only=given.only,
            force=given.force,
            on_progress=Bar(voice),
        )
    _done(result, voice)


def _done(result: GetResult, voice: Voice) -> None:
    if voice.as_json:
        voice.result_json(
            {
                "paths": [str(path) for path in result.paths],
                "bytes": result.bytes,
                "renamed": [{"path": path, "name": name} for path, name in result.renamed],
            }
        )
        return
    from consigne.client.source import show

    for path, name in result.renamed:
        voice.say(f"renamed: {show(path)} is {show(name)} here")
    for written in result.paths:
        voice.say(f"wrote: {show(str(written))}")
    voice.say(f"{sizes.say(result.bytes)}, complete and authentic")


def _declare_cat(parser: ArgumentParser) -> None:
    options.link(parser)
    parser.add_argument(
        "path", metavar="PATH", nargs="?", help="a file of the link, as `consigne ls` names it"
    )
    options.for_a_link(parser)
    options.for_a_host(parser)


def _run_cat(given: Namespace, voice: Voice) -> None:
    _write_out(given, given.path, voice)


def _write_out(given: Namespace, path: str | None, voice: Voice) -> None:
    if voice.as_json:
        raise UsageError("usage", "--json and raw bytes both want standard output.", hint="Leave out --json.")
    password = passwords.for_link(given, given.link)
    from consigne.client import Client

    with Client(insecure=given.insecure) as client:
        voice.result_bytes(client.read(given.link, path, password=password))


COMMANDS: Final = {
    "get": Command(_declare_get, _run_get, ABOUT_GET, EXAMPLES_GET),
    "cat": Command(_declare_cat, _run_cat, ABOUT_CAT),
}

"""`consigne put`: files, folders or standard input go up; a link comes back.

The link is told as soon as it opens, before the first byte goes up, and once more,
alone on standard output, when the host has everything.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final

from consigne.cli import options, passwords
from consigne.cli.command import Command
from consigne.cli.durations import until
from consigne.cli.interruption import resumable
from consigne.cli.progress import Bar
from consigne.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from consigne.cli.voice import Voice
    from consigne.client import Client, PutResult

STANDARD_INPUT: Final = ["-"]

ABOUT: Final = """\
Encrypt files and folders here, put them on a host, and print a link to give.
Standard output: the link, alone on one line. Standard error: progress, the manage
link (for `extend`, `rm`, `link`, `revoke`) and the expiry.
"""

EXAMPLES: Final = """\
examples:
  consigne put report.pdf
  consigne put photos/ notes.txt --expire 4w --downloads 3
  consigne put report.pdf --password --note "as promised"
  tar c photos | consigne put - --name photos.tar

A put that was interrupted goes on where it was when the same command is given
again. What is read from standard input cannot be read again, so it starts over.
"""


def _declare(parser: ArgumentParser) -> None:
    parser.add_argument("paths", metavar="PATH", nargs="+", help="a file or a folder; -: standard input")
    parser.add_argument(
        "--to", metavar="URL", help="the host; default: $CONSIGNE_URL, or http://127.0.0.1:8080"
    )
    options.for_a_new_link(parser)
    parser.add_argument(
        "--note", metavar="TEXT", help="a few words that go with the files, encrypted as they are"
    )
    parser.add_argument("--name", metavar="NAME", help="what standard input is called; default: stdin")
    parser.add_argument(
        "--skip-refused", action="store_true", help="go on without files whose names cannot be given"
    )
    parser.add_argument("--no-receipt", action="store_true", help="do not remember this for `consigne mine`")
    options.for_programs(parser)
    options.for_a_host(parser)


def _run(given: Namespace, voice: Voice) -> None:
    streamed = given.paths == STANDARD_INPUT
    _check(given, streamed=streamed)
    password = passwords.for_new_link(given)
    from consigne.client import Client

    chosen: dict[str, Any] = {
        "expires_in": given.expire,
        "downloads": given.downloads,
        "password": password,
        "note": given.note,
        "receipt": not given.no_receipt,
        "on_progress": Bar(voice),
    }
    with Client(given.to, insecure=given.insecure) as client, nullcontext() if streamed else resumable():
        if streamed:
            result = _put_standard_input(client, given.name or "stdin", chosen)
        else:
            result = client.put(
                given.paths,
                skip_refused=given.skip_refused,
                on_link=lambda begun: _begun(begun, voice),
                **chosen,
            )
    _done(result, voice, seen=voice.one_screen and not streamed)


def _check(given: Namespace, *, streamed: bool) -> None:
    """What can be said without looking at any file. Raises UsageError."""
    if "-" in given.paths and not streamed:
        raise UsageError(
            "usage", "Standard input (-) is put alone.", hint="Put the files in a command of their own."
        )
    if streamed and given.password_file == "-":  # noqa: S105 - the name of a file
        raise UsageError(
            "usage",
            "Standard input cannot be both the content and the password.",
            hint="Keep the password in a file.",
        )
    if given.name is not None and not streamed:
        raise UsageError("usage", "--name is for standard input.", hint="Files keep the names they have.")


def _put_standard_input(client: Client, name: str, chosen: dict[str, Any]) -> PutResult:
    # Unbuffered: a thread that waits in a buffered read would hold its lock when Python ends.
    with open(0, "rb", buffering=0, closefd=False) as stream:
        return client.put_stream(stream, name, **chosen)


def _begun(begun: PutResult, voice: Voice) -> None:
    """The link opens from now on, whatever becomes of this command."""
    from consigne.client.source import show

    for path, reason in begun.skipped:
        voice.say(f"skipped: {show(path)} ({reason})")
    if begun.resumed:
        voice.say("going on where it was")
    voice.say(f"link: {begun.link}")
    voice.say_json({"begun": _as_json(begun)})


def _done(result: PutResult, voice: Voice, *, seen: bool) -> None:
    """`seen`: the link was shown when it began, on the very terminal where it would go now."""
    if voice.as_json:
        voice.result_json(_as_json(result))
        return
    if not seen:
        voice.result(result.link)
    voice.say(f"manage: {result.manage}")
    voice.say(f"expires: {until(result.expires)}")


def _as_json(result: PutResult) -> dict[str, Any]:
    return {
        "link": result.link,
        "manage": result.manage,
        "object": result.object,
        "bytes": result.bytes,
        "expires": result.expires,
        "skipped": [{"path": path, "reason": reason} for path, reason in result.skipped],
    }


COMMANDS: Final = {"put": Command(_declare, _run, ABOUT, EXAMPLES)}

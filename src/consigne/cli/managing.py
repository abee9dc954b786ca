"""What an owner can do with a manage link: extend, rm, link, revoke, unlock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consigne.cli import options, passwords
from consigne.cli.command import Command
from consigne.cli.durations import until
from consigne.cli.looking import link_json

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from consigne.cli.voice import Voice
    from consigne.client import Client

ABOUT_EXTEND: Final = """\
Let what you put expire TIME from now, whether that is later or sooner than before.
Standard output: the new expiry (RFC 3339, UTC).
"""
ABOUT_RM: Final = """\
Remove what you put from its host, with all its links, for good. Prints nothing on
standard output.
"""
ABOUT_LINK: Final = """\
Make one more link to what you put, with an expiry, a limit and a password of its own.
Standard output: the link, alone on one line.
"""
ABOUT_REVOKE: Final = """\
End one link. What you put and its other links stay. Prints nothing on standard output.
"""
ABOUT_UNLOCK: Final = """\
Let a link be tried again that too many wrong passwords have locked. Prints nothing on
standard output.
"""


def _owned(parser: ArgumentParser) -> None:
    options.manage_link(parser)
    options.for_a_host(parser)


def _owned_link(parser: ArgumentParser) -> None:
    options.manage_link(parser)
    options.link(parser)
    options.for_a_host(parser)


def _declare_extend(parser: ArgumentParser) -> None:
    options.manage_link(parser)
    parser.add_argument("time", metavar="TIME", type=options.duration, help="from now: 30m, 12h, 7d, 4w")
    options.for_programs(parser)
    options.for_a_host(parser)


def _declare_link(parser: ArgumentParser) -> None:
    options.manage_link(parser)
    options.for_a_new_link(parser)
    options.for_programs(parser)
    options.for_a_host(parser)


def _client(given: Namespace) -> Client:
    from consigne.client import Client

    return Client(insecure=given.insecure)


def _extend(given: Namespace, voice: Voice) -> None:
    with _client(given) as client:
        expires = client.extend(given.manage, given.time)
    if voice.as_json:
        voice.result_json({"expires": expires})
        return
    voice.result(expires)
    voice.say(f"expires: {until(expires)}")


def _remove(given: Namespace, voice: Voice) -> None:
    with _client(given) as client:
        client.remove(given.manage)
    voice.say("removed")


def _link(given: Namespace, voice: Voice) -> None:
    password = passwords.for_new_link(given)
    with _client(given) as client:
        made = client.link(
            given.manage, expires_in=given.expire, downloads=given.downloads, password=password
        )
    if voice.as_json:
        voice.result_json(link_json(made))
        return
    voice.result(made.link)
    voice.say(f"expires: {until(made.expires)}")


def _revoke(given: Namespace, voice: Voice) -> None:
    with _client(given) as client:
        client.revoke(given.manage, given.link)
    voice.say("revoked")


def _unlock(given: Namespace, voice: Voice) -> None:
    with _client(given) as client:
        client.unlock(given.manage, given.link)
    voice.say("unlocked")


COMMANDS: Final = {
    "extend": Command(_declare_extend, _extend, ABOUT_EXTEND),
    "rm": Command(_owned, _remove, ABOUT_RM),
    "link": Command(_declare_link, _link, ABOUT_LINK),
    "revoke": Command(_owned_link, _revoke, ABOUT_REVOKE),
    "unlock": Command(_owned_link, _unlock, ABOUT_UNLOCK),
}

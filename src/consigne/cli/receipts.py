"""`consigne mine`: what was put from here, out of the receipts on this machine. No host is asked."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from consigne.cli import options, sizes
from consigne.cli.command import Command
from consigne.cli.durations import moment, until
from consigne.errors import GoneError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from consigne.cli.voice import Voice
    from consigne.client.receipts import Receipt

ABOUT: Final = """\
List what was put from here, with links and manage links, the soonest to expire first.
Standard output: three lines for each put. Receipts are private files on this machine;
to forget one removes nothing from a host (see `consigne rm`).
"""


def _declare(parser: ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--forget", metavar="MANAGE-LINK", help="delete the receipt of one put")
    group.add_argument(
        "--forget-expired", action="store_true", help="delete the receipts of what has expired"
    )
    options.for_programs(parser)
    options.for_people(parser)


def _run(given: Namespace, voice: Voice) -> None:
    if given.forget is not None:
        _forget(given.forget, voice)
    elif given.forget_expired:
        _forget_expired(voice)
    else:
        _list(voice)


def _list(voice: Voice) -> None:
    from consigne.client.receipts import all_receipts

    found = all_receipts()
    if voice.as_json:
        voice.result_json({"puts": [asdict(receipt) for receipt in found]})
        return
    for receipt in found:
        for line in _lines(receipt):
            voice.result(line)
    if not found:
        voice.say("nothing was put from here")


def _lines(receipt: Receipt) -> Iterator[str]:
    from consigne.client.source import show

    names = ", ".join(show(name) for name in receipt.names[:3])
    more = f" and {len(receipt.names) - 3} more" if len(receipt.names) > 3 else ""
    files = f"{receipt.files} file{'s' if receipt.files != 1 else ''}"
    yield f"{names}{more}: {files}, {sizes.say(receipt.bytes)}, expires {until(receipt.expires)}"
    yield f"  link: {receipt.link}"
    yield f"  manage: {receipt.manage}"


def _forget(manage: str, voice: Voice) -> None:
    from consigne.client.receipts import forget
    from consigne.format.link import Kind, parse_link

    if not forget(parse_link(manage, Kind.MANAGE).encode()):
        raise GoneError("no-receipt", "There is no receipt of this put.", hint="See: consigne mine")
    _told([manage], voice)


def _forget_expired(voice: Voice) -> None:
    from consigne.client.receipts import all_receipts, forget

    now = datetime.now(UTC)
    expired = [each for each in all_receipts() if (when := moment(each.expires)) is not None and when < now]
    _told([receipt.manage for receipt in expired if forget(receipt.manage)], voice)


def _told(forgotten: list[str], voice: Voice) -> None:
    if voice.as_json:
        voice.result_json({"forgotten": forgotten})
    voice.say(f"{len(forgotten)} receipt{'s' if len(forgotten) != 1 else ''} forgotten")


COMMANDS: Final = {"mine": Command(_declare, _run, ABOUT)}

"""`consigne ls` and `consigne info`: what is behind a link. Looking counts as no download."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from consigne.cli import options, passwords, sizes
from consigne.cli.command import Command
from consigne.cli.durations import until

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from consigne.cli.voice import Voice
    from consigne.client import Client, LinkInfo, ObjectInfo, Share
    from consigne.format.manifest import FileEntry

ABOUT_LS: Final = """\
List the files behind a link. Standard output: a line for each, with size, time of
last change (UTC) and path. Standard error: the note, the sum and the expiry.
"""

ABOUT_INFO: Final = """\
Show what a link is. Of a download link: size, note, expiry, downloads. Of a manage
link also every download link that can still be opened. Standard output: `name: value`
lines.
"""


# ---------------------------------------------------------------- ls


def _declare_ls(parser: ArgumentParser) -> None:
    options.link(parser)
    options.for_a_link(parser)
    options.for_programs(parser)
    options.for_a_host(parser)


def _run_ls(given: Namespace, voice: Voice) -> None:
    password = passwords.for_link(given, given.link)
    from consigne.client import Client

    with Client(insecure=given.insecure) as client:
        share = client.list(given.link, password=password)
    if voice.as_json:
        voice.result_json(_share_json(share))
        return
    for line in _note(share.note):
        voice.say(line)
    voice.result("\n".join(_line(entry) for entry in share.files))
    voice.say(f"{_how_much(share)}, expires {until(share.expires)}")


def _line(entry: FileEntry) -> str:
    from consigne.client.source import show

    size = "" if entry.is_folder else sizes.say(entry.size)
    modified = (entry.modified or "")[:16].replace("T", " ")
    return f"{size:>10}  {modified:<16}  {show(entry.path)}"


# ---------------------------------------------------------------- info


def _declare_info(parser: ArgumentParser) -> None:
    parser.add_argument("link", metavar="LINK", help="a download link or a manage link")
    options.for_a_link(parser)
    options.for_programs(parser)
    options.for_a_host(parser)


def _run_info(given: Namespace, voice: Voice) -> None:
    from consigne.format.link import Kind, parse_link

    is_manage = parse_link(given.link).fragment.kind == Kind.MANAGE
    password = None if is_manage else passwords.for_link(given, given.link)
    from consigne.client import Client

    with Client(insecure=given.insecure) as client:
        if is_manage:
            _show_object(client, given.link, voice)
        else:
            _show_share(client.list(given.link, password=password), voice)


def _show_share(share: Share, voice: Voice) -> None:
    if voice.as_json:
        voice.result_json({"kind": "download", **_share_json(share)})
        return
    for line in (*_head(share), f"downloads: {_downloads(share)}"):
        voice.result(line)


def _show_object(client: Client, manage: str, voice: Voice) -> None:
    info = client.info(manage)
    if voice.as_json:
        links = [link_json(link) for link in info.links]
        voice.result_json({"kind": "manage", **_object_json(info), "links": links})
        return
    for line in _head(info):
        voice.result(line)
    for link in info.links:
        voice.result(f"link: {link.link}")
        marks = ["password"] * link.password + ["locked: see `consigne unlock`"] * link.locked
        voice.result("  " + ", ".join([_downloads(link), *marks, f"expires {until(link.expires)}"]))


# ---------------------------------------------------------------- words


def _head(share: Share | ObjectInfo) -> Iterator[str]:
    yield f"holds: {_how_much(share)}"
    yield from _note(share.note)
    yield f"expires: {until(share.expires)}"
    if not share.complete:
        yield "state: still being put; what is not there yet is waited for"


def _how_much(share: Share | ObjectInfo) -> str:
    files = sum(not entry.is_folder for entry in share.files)
    return f"{files} file{'s' if files != 1 else ''}, {sizes.say(share.bytes)}"


def _downloads(counted: Share | LinkInfo) -> str:
    left = "any number" if counted.downloads_left is None else str(counted.downloads_left)
    return f"{counted.downloads} so far, {left} left"


def _note(note: str | None) -> Iterator[str]:
    """A note a line at a time: nothing in it may move the cursor or pass for our own words."""
    from consigne.client.source import show

    for line in (note or "").splitlines():
        yield f"note: {show(line)}"


# ---------------------------------------------------------------- JSON


def link_json(link: LinkInfo) -> dict[str, Any]:
    """A link as its owner sees it."""
    return {
        "link": link.link,
        "password": link.password,
        "expires": link.expires,
        "downloads": link.downloads,
        "downloads_left": link.downloads_left,
        "locked": link.locked,
    }


def _share_json(share: Share) -> dict[str, Any]:
    return {**_object_json(share), "downloads": share.downloads, "downloads_left": share.downloads_left}


def _object_json(share: Share | ObjectInfo) -> dict[str, Any]:
    files = [
        {"path": entry.path, "size": entry.size, "type": entry.type, "modified": entry.modified}
        for entry in share.files
    ]
    return {
        "files": files,
        "note": share.note,
        "bytes": share.bytes,
        "expires": share.expires,
        "complete": share.complete,
    }


COMMANDS: Final = {
    "ls": Command(_declare_ls, _run_ls, ABOUT_LS),
    "info": Command(_declare_info, _run_info, ABOUT_INFO),
}

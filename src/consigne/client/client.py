"""`Client`: what a program that uses Consigne calls.

Each method opens links, picks the host that a link names, and hands the work to
the stories of `putting` and `getting` and the steps of `registering`. Nothing here speaks HTTP
or touches a key.
"""

from __future__ import annotations

import io
import os
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Self

from consigne.client import getting, putting, receipts, registering
from consigne.client.choosing import Placed, choose
from consigne.client.fetching import Download, in_order, open_download
from consigne.client.getting import GetOptions, GetResult
from consigne.client.opening import OpenedLink, OpenedObject, open_link, open_object, reader_of
from consigne.client.patience import Patience
from consigne.client.progress import Watcher
from consigne.client.registering import PutOptions
from consigne.client.remote import Remote
from consigne.client.remote_file import RemoteFile
from consigne.client.source import collect
from consigne.client.standard_input import put_stream
from consigne.errors import GoneError, UsageError
from consigne.format import capsule, keys
from consigne.format.link import Fragment, Kind, Link, parse_link
from consigne.format.manifest import FileEntry, LinkEntry
from consigne.protocol import SEGMENT_SIZE, TICKET_LIFETIME, b64u

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from consigne.client.progress import ProgressCallback
    from consigne.client.putting import PutResult

DEFAULT_URL: Final = "http://127.0.0.1:8080"


@dataclass(frozen=True)
class Share:
    """What a link shows: files, note, expiry (RFC 3339), downloads had and left (None: any number)."""

    files: tuple[FileEntry, ...] = field(repr=False)
    note: str | None = field(repr=False)
    bytes: int
    expires: str
    downloads: int
    downloads_left: int | None
    complete: bool


@dataclass(frozen=True)
class LinkInfo:
    """One link of an object, as its owner sees it."""

    link: str = field(repr=False)
    password: bool
    expires: str
    downloads: int
    downloads_left: int | None
    locked: bool


@dataclass(frozen=True)
class ObjectInfo:
    """An object, as its owner sees it."""

    files: tuple[FileEntry, ...] = field(repr=False)
    note: str | None = field(repr=False)
    bytes: int
    expires: str
    complete: bool
    links: list[LinkInfo]


class Client:
    """Puts and gets shares. Threads may share it; every call stands alone.

    `url` is the host that puts go to (default: `CONSIGNE_URL`, then this machine's
    port 8080); links name their own. `insecure` allows plain http to other machines.
    Every method raises errors of `consigne.errors`, told apart by type and `code`.
    """

    def __init__(self, url: str | None = None, *, insecure: bool = False) -> None:
        self._url = url or os.environ.get("CONSIGNE_URL") or DEFAULT_URL
        self._insecure = insecure
        self._remotes: dict[str, Remote] = {}
        self._opening = threading.Lock()
        self._downloads: dict[tuple[str, str | None], tuple[OpenedLink, Download, float]] = {}

    def close(self) -> None:
        """Close idle connections."""
        for remote in self._remotes.values():
            remote.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------ put

    def put(
        self,
        paths: Sequence[str | os.PathLike[str]],
        *,
        expires_in: int | None = None,
        downloads: int | None = None,
        password: str | None = None,
        note: str | None = None,
        skip_refused: bool = False,
        receipt: bool = True,
        on_link: Callable[[PutResult], None] = lambda _: None,
        on_progress: ProgressCallback = lambda _: None,
    ) -> PutResult:
        """Put files and folders behind one link; `expires_in` in seconds.

        `on_link` is called before the first byte goes up: the link works from then
        on, readers wait for what is not there yet. A call with the same arguments
        goes on where an interrupted one ended. Memory is constant whatever the size.
        """
        options = PutOptions(expires_in, downloads, password, note)
        found = collect(paths, skip_refused=skip_refused)
        remote, watcher = self._remote(self._url), Watcher(on_progress)
        return putting.put(remote, found, options, watcher, on_link, receipt=receipt)

    def put_stream(
        self,
        stream: BinaryIO,
        name: str,
        *,
        expires_in: int | None = None,
        downloads: int | None = None,
        password: str | None = None,
        note: str | None = None,
        receipt: bool = True,
        on_progress: ProgressCallback = lambda _: None,
    ) -> PutResult:
        """Put what a binary stream gives until it ends, as a file called `name`. Never resumed."""
        options = PutOptions(expires_in, downloads, password, note)
        watcher = Watcher(on_progress)
        return put_stream(self._remote(self._url), stream, name, options, watcher, receipt=receipt)

    # ------------------------------------------------------------ get

    def get(
        self,
        link: str,
        into: str | os.PathLike[str] = ".",
        *,
        password: str | None = None,
        only: str | None = None,
        force: bool = False,
        on_progress: ProgressCallback = lambda _: None,
    ) -> GetResult:
        """Get a share's files into a folder; `only` one path of it, or one folder's.

        Counts as a download. A call with the same arguments goes on where an
        interrupted one ended, and counts once.
        """
        parsed = parse_link(link, Kind.DOWNLOAD)
        options = GetOptions(Path(into), only, password, force=force)
        watcher = Watcher(on_progress)
        return getting.get(self._remote(parsed.base), parsed, options, watcher)

    def list(self, link: str, *, password: str | None = None) -> Share:
        """What is behind a link. Counts nothing."""
        parsed = parse_link(link, Kind.DOWNLOAD)
        remote = self._remote(parsed.base)
        opened = open_link(remote, parsed.fragment, password)
        view = remote.link_view(opened.reader.link_id, opened.reader.token)
        return Share(
            files=opened.manifest.files,
            note=opened.manifest.note,
            bytes=opened.manifest.length,
            expires=view["expires"],
            downloads=view["downloads"],
            downloads_left=view["downloads_left"],
            complete=view["complete"],
        )

    def open(self, link: str, path: str | None = None, *, password: str | None = None) -> io.BufferedReader:
        """One file as a seekable binary file object that fetches only what is read.

        `path` may be left out where the share is a single file. Counts as a download
        the first time; files of the same link share its ticket while this client lives.
        """
        download, placed = self._open_file(link, path, password)
        return io.BufferedReader(RemoteFile(download, placed), SEGMENT_SIZE)

    def read(self, link: str, path: str | None = None, *, password: str | None = None) -> Iterator[bytes]:
        """One file's bytes in order, each piece authentic; fetched ahead in bounded memory."""
        download, placed = self._open_file(link, path, password)
        if not placed.entry.size:
            return
        layout = download.layout
        first, last = layout.segment_at(placed.start), layout.segment_at(placed.stop - 1)
        at = layout.plain_start(first)
        for plain in in_order(download, (first, last)):
            piece = memoryview(plain)[max(0, placed.start - at) : placed.stop - at]
            at += len(plain)
            yield bytes(piece)

    def _open_file(self, link: str, path: str | None, password: str | None) -> tuple[Download, Placed]:
        """The file and a download it can be read by; the link's ticket is used again while it is good."""
        parsed = parse_link(link, Kind.DOWNLOAD)
        remote = self._remote(parsed.base)
        with self._opening:  # two threads that open one link count as one download
            known = self._downloads.get((link, password))
            if known is not None and time.monotonic() - known[2] < TICKET_LIFETIME / 2:
                return known[1], _one_file(choose(known[0].manifest, path))
            opened = open_link(remote, parsed.fragment, password)
            placed = _one_file(choose(opened.manifest, path))
            ticket = remote.start_download(opened.reader.link_id, opened.reader.token)
            download = open_download(remote, opened.manifest, ticket, Patience())
            self._downloads[link, password] = opened, download, time.monotonic()
        return download, placed

    # ------------------------------------------------------------ manage

    def info(self, manage: str) -> ObjectInfo:
        """An object and all its links, out of its manage link."""
        remote, opened = self._manage(manage)
        state = remote.object_state(opened.owner.object_id, opened.owner.token)
        states = {link["id"]: link for link in state.get("links", [])}
        links = []
        for entry in opened.manifest.links:
            link = _link_of(remote, opened.owner, entry)
            seen = states.get(b64u(keys.link_id(link.fragment.secret)))
            if seen is not None:
                links.append(
                    LinkInfo(
                        link=link.encode(),
                        password=entry.password,
                        expires=seen["expires"],
                        downloads=seen["downloads"],
                        downloads_left=seen["downloads_left"],
                        locked=seen["locked"],
                    )
                )
        manifest = opened.manifest
        return ObjectInfo(
            manifest.files, manifest.note, manifest.length, state["expires"], state["complete"], links
        )

    def links(self, manage: str) -> Sequence[LinkInfo]:
        """The links of an object that still open."""
        return self.info(manage).links

    def link(
        self,
        manage: str,
        *,
        expires_in: int | None = None,
        downloads: int | None = None,
        password: str | None = None,
    ) -> LinkInfo:
        """Make one more link to an object, with limits of its own."""
        remote, opened = self._manage(manage)
        number = keys.fresh_link_number()
        entry = LinkEntry(number, password=password is not None)
        # The owner's list first: a link that it does not name could never be revoked.
        longer = replace(opened.manifest, links=(*opened.manifest.links, entry))
        sealed = registering.seal_for_owner(opened.owner, longer, capsule.fresh_salt())
        remote.put_owner_capsule(opened.owner.object_id, opened.owner.token, sealed, opened.capsule)
        link = _link_of(remote, opened.owner, entry)
        reader = reader_of(link.fragment, password)
        options = PutOptions(expires_in, downloads, password, opened.manifest.note)
        state = registering.make_link(
            remote, opened.owner, number, reader, options, opened.manifest, capsule.fresh_salt()
        )
        return LinkInfo(
            link.encode(),
            entry.password,
            state["expires"],
            state["downloads"],
            state["downloads_left"],
            state["locked"],
        )

    def revoke(self, manage: str, link: str) -> None:
        """End one link; the object and its other links stay."""
        remote, owner, parsed = self._own_link(manage, link)
        remote.revoke(keys.link_id(parsed.secret), owner.token)

    def unlock(self, manage: str, link: str) -> None:
        """Let a link be opened again that too many wrong passwords have locked."""
        remote, owner, parsed = self._own_link(manage, link)
        remote.unlock(keys.link_id(parsed.secret), owner.token)

    def extend(self, manage: str, expires_in: int) -> str:
        """Let an object expire `expires_in` seconds from now; the new expiry (RFC 3339)."""
        parsed = parse_link(manage, Kind.MANAGE)
        owner = keys.Owner(parsed.fragment.secret)
        state = self._remote(parsed.base).extend(owner.object_id, owner.token, expires_in)
        receipts.renew(parsed.encode(), state["expires"])
        return state["expires"]

    def remove(self, manage: str) -> None:
        """Remove an object and all its links, for good."""
        parsed = parse_link(manage, Kind.MANAGE)
        owner = keys.Owner(parsed.fragment.secret)
        try:
            self._remote(parsed.base).remove(owner.object_id, owner.token)
        except GoneError as error:
            receipts.forget(parsed.encode())
            if error.code != "gone":
                raise
        receipts.forget(parsed.encode())

    # ------------------------------------------------------------ inside

    def _remote(self, base: str) -> Remote:
        key = base.rstrip("/")
        if key not in self._remotes:
            self._remotes[key] = Remote(base, insecure=self._insecure)
        return self._remotes[key]

    def _manage(self, manage: str) -> tuple[Remote, OpenedObject]:
        parsed = parse_link(manage, Kind.MANAGE)
        remote = self._remote(parsed.base)
        return remote, open_object(remote, parsed.fragment)

    def _own_link(self, manage: str, link: str) -> tuple[Remote, keys.Owner, Fragment]:
        parsed = parse_link(manage, Kind.MANAGE)
        remote = self._remote(parsed.base)
        return remote, keys.Owner(parsed.fragment.secret), parse_link(link, Kind.DOWNLOAD).fragment


def _link_of(remote: Remote, owner: keys.Owner, entry: LinkEntry) -> Link:
    """A download link, built again out of its number."""
    return Link(
        remote.base, Fragment(Kind.DOWNLOAD, owner.link_secret(entry.number), password=entry.password)
    )


def _one_file(placed: list[Placed]) -> Placed:
    """The single file among what was chosen. Raises UsageError `path-needed`."""
    files = [item for item in placed if not item.entry.is_folder]
    if len(files) != 1:
        raise UsageError(
            "path-needed", "The link holds several files.", hint="Name one of them; see: consigne ls LINK"
        )
    return files[0]

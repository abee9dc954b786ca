"""The story of a get, from top to bottom.

Open the link, check its manifest, take a ticket, fetch what is missing beside its
final place, give it its name. The ticket is in the journal before the first content
byte is asked for, what was flushed as it is flushed: the same command, given again
after any interruption, goes on where it was, and counts as the same download.
"""

from __future__ import annotations

import json
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from consigne.client.choosing import Placed, choose
from consigne.client.crew import Crew
from consigne.client.destination import Destination
from consigne.client.fetching import FETCHERS, Download, Fetcher, jobs_of, open_download
from consigne.client.journal import Journal, secrets_of
from consigne.client.opening import OpenedLink, open_link
from consigne.client.patience import Patience
from consigne.client.progress import Meter
from consigne.client.segments import SegmentSet
from consigne.errors import AuthenticityError, GoneError, HostError
from consigne.protocol import b64u

if TYPE_CHECKING:
    from consigne.client.fetching import Run
    from consigne.client.progress import Watcher
    from consigne.client.remote import Remote
    from consigne.format.content import Layout
    from consigne.format.link import Link

FLUSH_EVERY: Final = 1.0  # seconds between flushes of what was got
RUN_SIZE: Final = 8  # bytes of a record that names a run of segments


@dataclass(frozen=True)
class GetResult:
    """What a get left: top-level paths, bytes of the files, names that could not stay."""

    paths: list[Path]
    bytes: int
    renamed: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class GetOptions:
    """Where to, which files, whether over what stands there."""

    into: Path
    only: str | None = None
    password: str | None = field(default=None, repr=False)
    force: bool = False


def get(remote: Remote, link: Link, options: GetOptions, watcher: Watcher) -> GetResult:
    """Get a share's files; they have their names when this returns, and not before.

    Raises GoneError, PasswordError, AuthenticityError, LocalError, HostError; after
    an interruption the same call goes on where this one ended, on the same ticket.
    """
    opened = open_link(remote, link.fragment, options.password)
    placed = choose(opened.manifest, options.only)
    name = json.dumps(["get", b64u(opened.reader.link_id), str(options.into.resolve()), options.only])
    destination = Destination(options.into, Journal.name_for(name)[:8], placed, force=options.force)
    with Journal.open(name) as journal:
        with destination.held():
            if _moving() not in journal.records or not destination.is_whole(_place(journal)):
                _gather(remote, opened, destination, _wanted(opened, placed, options.only), journal, watcher)
                journal.append(_moving())
            paths = destination.finish()
        journal.discard()
    return GetResult(paths, sum(item.entry.size for item in placed), destination.renamed)


def _gather(
    remote: Remote,
    opened: OpenedLink,
    destination: Destination,
    wanted: list[Run],
    journal: Journal,
    watcher: Watcher,
) -> None:
    """Bring everything into the partial folder, authentic and complete."""
    done = _remembered_segments(opened.manifest.layout, journal, destination)
    try:
        destination.prepare(resume=done.count > 0)
        download = _start(remote, opened, journal, destination.place)
        _fetch(download, destination, wanted, journal, done, watcher)
    except BaseException as failure:
        _leave(failure, destination, journal, done)
        raise


def _moving() -> bytes:
    """The record that says: all is there, only names are missing.

    True as long as this machine has not started anew: a get is not flushed at its end,
    and what was not may be gone after the power was.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
    except OSError:
        boot = b"%d" % round(time.time() - time.monotonic(), -2)
    return b"moving " + boot


def _remembered_segments(layout: Layout, journal: Journal, destination: Destination) -> SegmentSet:
    """What an earlier get flushed, as long as the files that it lies in are still there."""
    done = flushed_segments(layout, journal.records)
    if done.count and not destination.holds(layout, done, _place(journal)):
        done = SegmentSet()
    if journal.head is not None and not done.count:
        journal.start(journal.head)
    return done


def flushed_segments(layout: Layout, records: list[bytes]) -> SegmentSet:
    """The segments that a get's records name. A share may be another one than when they were written."""
    done = SegmentSet()
    for record in records:
        if len(record) == RUN_SIZE:
            first, last = struct.unpack(">II", record)
            if last < layout.segments:
                done.add_run(first, last)
    return done


def _leave(failure: BaseException, destination: Destination, journal: Journal, done: SegmentSet) -> None:
    """Keep what can be gone on with; of what is not authentic, nothing."""
    if isinstance(failure, AuthenticityError) and failure.code != "content-truncated":
        journal.discard()
        destination.abandon()
    elif not done.count:
        destination.abandon()


def _place(journal: Journal) -> str | None:
    """The partial folder that the journal speaks of: it may come from a backup, and this be another."""
    place = (journal.head or {}).get("place")
    return place if isinstance(place, str) else None


def _start(remote: Remote, opened: OpenedLink, journal: Journal, place: str | None) -> Download:
    """The journal's ticket where it still works, so that going on counts once; or a new one."""
    manifest, patience = opened.manifest, Patience()
    head = journal.head or {}
    tickets = secrets_of(head, "ticket")
    if tickets is not None:
        if place != _place(journal):
            journal.restart({**head, "place": place})
        try:
            return open_download(remote, manifest, tickets[0], patience)
        except (GoneError, HostError) as error:
            if error.code not in ("token-wrong", "ticket-spent", "not-found", "gone"):
                raise
    ticket = remote.start_download(opened.reader.link_id, opened.reader.token)
    journal.restart({"ticket": b64u(ticket), "place": place})
    return open_download(remote, manifest, ticket, patience)


def _fetch(
    download: Download,
    destination: Destination,
    wanted: list[Run],
    journal: Journal,
    done: SegmentSet,
    watcher: Watcher,
) -> None:
    """Fetch what is missing; whatever happens, what is flushed is remembered."""
    already = _bytes_of(download.layout, wanted) - _bytes_of(download.layout, done.missing(wanted))
    meter = Meter(_bytes_of(download.layout, wanted), already)
    keeper = _Keeper(destination, journal, done)

    def tick() -> None:
        keeper.now_and_then()
        watcher.look(meter)

    _place_head(download, destination, done, meter)
    jobs = jobs_of(done.missing(wanted))
    crew: Crew[Run] = Crew(
        min(FETCHERS, len(jobs)),
        lambda: _Writer(download, destination, done, meter, Patience(meter, crew.stopped)),
        tick,
    )
    try:
        crew.run(jobs)
    except BaseException:
        keeper.keep()
        raise


def _place_head(download: Download, destination: Destination, done: SegmentSet, meter: Meter) -> None:
    """Segment 0 came with opening the content: it needs no second request."""
    if done.missing([(0, 0)]):
        writer = destination.writer()
        writer.write(0, memoryview(download.head))
        writer.flush()
        writer.close()
        done.add(0)
        meter.flow(_bytes_of(download.layout, [(0, 0)]))


class _Writer(Fetcher):
    """A fetcher with its own open file: authentic plaintext goes straight to its place."""

    def __init__(
        self, download: Download, destination: Destination, done: SegmentSet, meter: Meter, patience: Patience
    ) -> None:
        self._files = destination.writer()
        self._done = done
        self._layout = download.layout
        self._next = 0
        super().__init__(download, self._write, meter, patience)

    def work(self, run: Run) -> None:
        """Fetch a run; count its segments as their bytes are handed to the disk."""
        self._next = run[0]
        super().work(run)
        self._files.flush()
        self._count()

    def close(self) -> None:
        """Let go of the open file."""
        self._files.close()

    def _write(self, segment: int, plain: memoryview) -> None:
        self._files.write(self._layout.plain_start(segment), plain)
        self._count()

    def _count(self) -> None:
        while (
            self._next < self._layout.segments
            and self._layout.plain_range(self._next)[1] <= self._files.settled
        ):
            self._done.add(self._next)
            self._next += 1


class _Keeper:
    """Writes down which segments are safe on disk: flushed first, counted after."""

    def __init__(self, destination: Destination, journal: Journal, done: SegmentSet) -> None:
        self._destination = destination
        self._journal = journal
        self._done = done
        self._last = time.monotonic()
        self._kept = done.count

    def now_and_then(self) -> None:
        """Keep, when the last time is a while ago."""
        if time.monotonic() - self._last > FLUSH_EVERY:
            self.keep()

    def keep(self) -> None:
        """Flush, then count what was written before the flush began."""
        runs = self._done.runs()
        if self._done.count > self._kept:
            self._kept = self._done.count
            self._destination.flush()
            for run in runs:
                self._journal.append(struct.pack(">II", *run))
        self._last = time.monotonic()


def _wanted(opened: OpenedLink, placed: list[Placed], only: str | None) -> list[Run]:
    """The segments to fetch: all, so that the end is authenticated too, or the chosen files'."""
    layout = opened.manifest.layout
    wanted = SegmentSet()
    if only is None:
        wanted.add_run(0, layout.segments - 1)
    for item in placed if only is not None else ():
        if item.entry.size:
            wanted.add_run(layout.segment_at(item.start), layout.segment_at(item.stop - 1))
    return wanted.runs()


def _bytes_of(layout: Layout, runs: list[Run]) -> int:
    return sum(layout.cipher_range(last)[1] - layout.cipher_range(first)[0] for first, last in runs)

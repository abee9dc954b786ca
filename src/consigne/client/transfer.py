"""The two stories, put and get, from top to bottom.

Put: judge the files, find or make a plan, tell the host, show the link, send what
is missing, look at the files once more, complete. Get: open the link, check its
manifest, take a ticket, fetch what is missing beside its final place, give it its
name. What either does is in its journal before it is done, so that the same
command, given again after any interruption, goes on where it was.
"""

from __future__ import annotations

import json
import struct
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from consigne.client import receipts, registering
from consigne.client.crew import Crew
from consigne.client.destination import Destination, Placed, choose
from consigne.client.fetching import FETCHERS, Download, Fetcher, jobs_of, open_download
from consigne.client.journal import Journal
from consigne.client.opening import OpenedLink, open_link
from consigne.client.patience import Patience
from consigne.client.progress import Meter
from consigne.client.registering import Plan, PutOptions
from consigne.client.segments import SegmentSet
from consigne.client.sending import PartJournal, Sender, senders_for
from consigne.client.source import Collection, file_changed
from consigne.errors import AuthenticityError, ConsigneError, GoneError, HostError
from consigne.format.content import Layout
from consigne.protocol import b64u, unb64u

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from consigne import protocol
    from consigne.client.fetching import Run
    from consigne.client.progress import ProgressCallback
    from consigne.client.remote import Remote
    from consigne.client.sending import Upload
    from consigne.format.link import Link

FLUSH_EVERY: Final = 1.0  # seconds between flushes of what was got
MOVING: Final = b"moving"  # the record that says: all is there, only names are missing


@dataclass(frozen=True)
class PutResult:
    """What a put gives. `bytes`: of the files; `expires`: RFC 3339, UTC."""

    link: str = field(repr=False)
    manage: str = field(repr=False)
    object: str
    bytes: int
    expires: str
    resumed: bool = False
    skipped: list[tuple[str, str]] = field(default_factory=list, repr=False)


@dataclass(frozen=True)
class GetResult:
    """What a get left: top-level paths, bytes of the files, names that could not stay."""

    paths: list[Path]
    bytes: int
    renamed: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Watcher:
    """Whom to tell what while a transfer runs."""

    on_link: Callable[[PutResult], None] = lambda _: None
    on_progress: ProgressCallback = lambda _: None


# ---------------------------------------------------------------- put


def put(
    remote: Remote, found: Collection, options: PutOptions, watcher: Watcher, *, receipt: bool
) -> PutResult:
    """Put files; returns when the host has all of it durably.

    Raises LocalError, HostError and the rest of the tree; after anything but
    `file-changed` the same call goes on where this one ended.
    """
    layout = Layout.of_content(found.length)
    with Journal.open(_put_name(remote, found, options)) as journal:
        plan, state = _plan(remote, found, options, journal, layout)
        manifest = plan.manifest(found.entries)
        registering.announce(remote, plan, manifest)
        result = _put_result(remote, plan, found, state)
        watcher.on_link(result)
        upload = registering.upload_of(remote, plan, layout, found.files, state["part_size"])
        _send(upload, PartJournal(journal), registering.durable_parts(state), watcher)
        _check_unchanged(upload, found, journal)
        state = remote.complete(upload.object_id, upload.owner_token, layout.ciphertext_length)
        if receipt:
            keep_receipt(result, found)
        journal.discard()
        return result


def _put_name(remote: Remote, found: Collection, options: PutOptions) -> str:
    """What makes a put the same put: host, absolute paths, options."""
    chosen = [options.expires_in, options.downloads, options.note, options.password is not None]
    return json.dumps(["put", remote.base, found.roots, chosen])


def _plan(
    remote: Remote, found: Collection, options: PutOptions, journal: Journal, layout: Layout
) -> tuple[Plan, protocol.ObjectState]:
    """The plan to go on with, when nothing speaks against it; a fresh one otherwise."""
    if journal.head is not None:
        remembered = _go_on(remote, found, options, journal, layout)
        if remembered is not None:
            return remembered
    plan = Plan.fresh(options)
    journal.start({**plan.head(), "fingerprint": found.fingerprint()})
    return plan, _checked_begin(remote, plan, layout)


def _go_on(
    remote: Remote, found: Collection, options: PutOptions, journal: Journal, layout: Layout
) -> tuple[Plan, protocol.ObjectState] | None:
    """The journal's plan and the object's state, or None when it must not be gone on with.

    Not when files changed, the password is another, the object is gone, or the host
    has a part whose tags the journal lacks (it may come from a backup): then a fresh
    owner secret is the only safe way.
    """
    head = journal.head or {}
    plan = Plan.remembered(head, options)
    if plan is None:
        return None
    if head["fingerprint"] != found.fingerprint():
        registering.remove_quietly(remote, plan)
        return None
    try:
        state = _checked_begin(remote, plan, layout)
    except GoneError:
        return None
    if not registering.durable_parts(state) <= PartJournal(journal).parts:
        registering.remove_quietly(remote, plan)
        return None
    return plan, state


def _checked_begin(remote: Remote, plan: Plan, layout: Layout) -> protocol.ObjectState:
    state = registering.begin(remote, plan, layout.ciphertext_length)
    if state["length"] != layout.ciphertext_length:
        raise HostError("host-broken", "The host remembers this object with another length.")
    return state


def _send(upload: Upload, tags: PartJournal, durable: frozenset[int], watcher: Watcher) -> None:
    missing = [part for part in range(upload.parts) if part not in durable]
    already = sum(upload.part_length(part) for part in durable)
    meter = Meter(upload.layout.ciphertext_length, already)
    crew: Crew[int] = Crew(
        senders_for(upload.part_size, len(missing)),
        lambda: Sender(upload, tags.commit, meter, Patience(meter, crew.stopped)),
        lambda: watcher.on_progress(meter.now()),
    )
    crew.run(missing)


def _check_unchanged(upload: Upload, found: Collection, journal: Journal) -> None:
    """Never a mixed file: what changed while it was read fails before it is complete."""
    changed = found.changed()
    if changed is not None:
        journal.discard()
        with suppress(ConsigneError):
            upload.remote.remove(upload.object_id, upload.owner_token, Patience(seconds=0))
        raise file_changed(changed)


def _put_result(remote: Remote, plan: Plan, found: Collection, state: protocol.ObjectState) -> PutResult:
    return PutResult(
        link=str(plan.link(remote.base)),
        manage=str(plan.manage(remote.base)),
        object=b64u(plan.owner.object_id),
        bytes=found.length,
        expires=state["expires"],
        resumed=bool(state["parts"]),
        skipped=found.skipped,
    )


def keep_receipt(result: PutResult, found: Collection) -> None:
    """Remember a put, for `mine`."""
    names = list(dict.fromkeys(file.entry.path.split("/", 1)[0] for file in found.files))
    receipts.keep(
        receipts.Receipt(
            link=result.link,
            manage=result.manage,
            names=names[: receipts.NAMES_KEPT],
            files=len(found.files),
            bytes=result.bytes,
            expires=result.expires,
        )
    )


# ---------------------------------------------------------------- get


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
        if MOVING not in journal.records or not destination.is_whole():
            _gather(remote, opened, destination, _wanted(opened, placed, options.only), journal, watcher)
            journal.append(MOVING)
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
    done = _remembered_segments(journal, destination)
    destination.prepare(resume=done.count > 0)
    try:
        download = _start(remote, opened, journal)
        _fetch(download, destination, wanted, journal, done, watcher)
    except BaseException as failure:
        _leave(failure, destination, journal, done)
        raise


def _remembered_segments(journal: Journal, destination: Destination) -> SegmentSet:
    """What an earlier get flushed, as long as its partial folder is still there."""
    done = SegmentSet()
    if destination.exists and MOVING not in journal.records:
        for record in journal.records:
            done.add_run(*struct.unpack(">II", record))
    elif journal.head is not None:
        journal.start(journal.head)
    return done


def _leave(failure: BaseException, destination: Destination, journal: Journal, done: SegmentSet) -> None:
    """Keep what can be gone on with; of what is not authentic, nothing."""
    if isinstance(failure, AuthenticityError):
        journal.discard()
        destination.abandon()
    elif not done.count:
        destination.abandon()


def _start(remote: Remote, opened: OpenedLink, journal: Journal) -> Download:
    """The journal's ticket where it still works, so that going on counts once; or a new one."""
    manifest, patience = opened.manifest, Patience()
    if journal.head is not None:
        try:
            return open_download(remote, manifest, unb64u(journal.head["ticket"]), patience)
        except (GoneError, HostError) as error:
            if error.code not in ("token-wrong", "ticket-spent", "not-found", "gone"):
                raise
    ticket = remote.start_download(opened.reader.link_id, opened.reader.token)
    journal.restart({"ticket": b64u(ticket)})
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
        watcher.on_progress(meter.now())

    _place_head(download, destination, done, meter)
    jobs = jobs_of(done.missing(wanted))
    crew: Crew[Run] = Crew(
        min(FETCHERS, len(jobs)),
        lambda: _Writer(download, destination, done, meter, Patience(meter, crew.stopped)),
        tick,
    )
    try:
        crew.run(jobs)
    except AuthenticityError:
        raise
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
        meter.add(_bytes_of(download.layout, [(0, 0)]))


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

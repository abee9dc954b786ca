"""The engine of get: ranges of segments fetched, authenticated, handed on.

A job is a run of segments, one ranged request. Each segment is read whole, opened
into a reused buffer and handed to `emit` with its plaintext; what does not
authenticate is handed to nobody. A connection that breaks goes on at the segment
it broke in.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from consigne.client.patience import Patience, TransientError
from consigne.errors import HostError
from consigne.format.content import CAPACITY, HEADER_SIZE, Opener, check_length, truncated
from consigne.protocol import MIB, SEGMENT_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from consigne.client.progress import Meter
    from consigne.client.remote import Remote
    from consigne.format.content import Layout
    from consigne.format.manifest import Manifest

    Emit = Callable[[int, memoryview], None]

FETCHERS: Final = 3
MIN_JOB: Final = 8 * MIB // SEGMENT_SIZE
MAX_JOB: Final = 16 * MIB // SEGMENT_SIZE
BLOCK: Final = 4 * MIB // SEGMENT_SIZE
EMPTY_ANSWERS: Final = 3
Run = tuple[int, int]  # first and last segment


@dataclass(frozen=True)
class Download:
    """One download under way: whose content, by which ticket, opened with what."""

    remote: Remote
    object_id: bytes
    ticket: bytes = field(repr=False)
    layout: Layout
    opener: Opener
    head: bytes = field(repr=False)  # plaintext of segment 0, which opening it fetched


def open_download(remote: Remote, manifest: Manifest, ticket: bytes, patience: Patience) -> Download:
    """Fetch and open segment 0: the length is checked first, then the header used.

    This is what counts the download. Raises AuthenticityError `content-length`,
    `content-truncated`, `content-tampered`.
    """
    layout = manifest.layout
    source = _Source(remote, manifest.object_id, ticket, layout, patience)
    _, sealed = next(source.segments((0, 0)))
    opener = Opener(manifest.key, manifest.object_id, sealed[:HEADER_SIZE])
    plain = memoryview(bytearray(CAPACITY))
    size = opener.open_into(0, memoryview(sealed), plain, last=layout.is_last(0))
    return Download(remote, manifest.object_id, ticket, layout, opener, bytes(plain[:size]))


class Fetcher:
    """One thread's tools. A worker of a `Crew` whose jobs are runs of segments.

    `emit` gets the segment's number and its plaintext, which is only lent.
    """

    def __init__(self, download: Download, emit: Emit, meter: Meter | None, patience: Patience) -> None:
        self._download = download
        self._source = _Source(
            download.remote, download.object_id, download.ticket, download.layout, patience
        )
        self._emit = emit
        self._meter = meter
        self._patience = patience
        self._plain = memoryview(bytearray(CAPACITY))

    def close(self) -> None:
        """Nothing is held between jobs."""

    def work(self, run: Run) -> None:
        """Fetch, open and hand on a run of segments."""
        layout, opener = self._download.layout, self._download.opener
        for segment, sealed in self._source.segments(run):
            last = layout.is_last(segment)
            size = opener.open_into(segment, memoryview(sealed), self._plain, last=last)
            self._emit(segment, self._plain[:size])
            self._patience.moved()
            if self._meter:
                self._meter.flow(len(sealed))
                self._meter.moved()
            if self._patience.stopped():
                return


@dataclass(frozen=True)
class _Source:
    """Sealed segments of one content, through as many requests as it takes."""

    remote: Remote
    object_id: bytes
    ticket: bytes = field(repr=False)
    layout: Layout
    patience: Patience

    def segments(self, run: Run) -> Iterator[tuple[int, bytes]]:
        """(number, ciphertext) of every segment of `run`, in order.

        Raises AuthenticityError `content-length`, `content-truncated`.
        """
        segment, last = run
        fruitless = 0
        while segment <= last:
            before = segment
            try:
                for sealed in self._one_request(segment, last):
                    yield segment, sealed
                    segment += 1
                if segment == before and fruitless >= EMPTY_ANSWERS:
                    raise truncated(segment)
            except TransientError as trouble:
                self._wait(trouble, fruitless, segment)
            fruitless = fruitless + 1 if segment == before else 0

    def _one_request(self, segment: int, last: int) -> Iterator[bytes]:
        """Whole segments of one answer, which may end early while an upload is under way."""
        start, (_, stop) = self.layout.cipher_range(segment)[0], self.layout.cipher_range(last)
        try:
            with self.remote.content(self.object_id, self.ticket, start, stop, self.patience) as stream:
                check_length(self.layout, stream.total)
                while stream.start < stream.stop:
                    first, after = self.layout.cipher_range(stream.start // SEGMENT_SIZE)
                    sealed = stream.read(after - first)
                    if len(sealed) < after - first:
                        return
                    yield sealed
        except HostError as error:
            if error.code == "range-not-satisfiable":
                raise truncated(segment) from None
            raise

    def _wait(self, trouble: TransientError, fruitless: int, segment: int) -> None:
        """Be patient; a host that ends its answers early again and again has a truncated content."""
        try:
            self.patience.pause(trouble, fruitless)
        except TransientError:
            if trouble.cut and not self.patience.stopped():
                raise truncated(segment) from None
            raise


def jobs_of(runs: Iterable[Run]) -> list[Run]:
    """Runs cut into jobs: large enough to be cheap, enough of them to share out."""
    runs = list(runs)
    total = sum(last - first + 1 for first, last in runs)
    size = max(MIN_JOB, min(MAX_JOB, total // (4 * FETCHERS)))
    return [
        (start, min(start + size - 1, last)) for first, last in runs for start in range(first, last + 1, size)
    ]


def in_order(download: Download, run: Run) -> Iterator[bytes]:
    """The plaintext of a run of segments in order, two blocks fetched ahead."""
    from concurrent.futures import ThreadPoolExecutor

    first, last = run
    blocks = iter([(at, min(at + BLOCK - 1, last)) for at in range(first, last + 1, BLOCK)])
    pool = ThreadPoolExecutor(FETCHERS - 1)
    try:
        ahead = deque(pool.submit(fetch_block, download, block) for block in _take(blocks, FETCHERS - 1))
        while ahead:
            plain = ahead.popleft().result()
            ahead.extend(pool.submit(fetch_block, download, block) for block in _take(blocks, 1))
            yield plain
    finally:
        # Not waited for: a reader who stops (Ctrl-C, too) owes nothing to a host that does not answer.
        pool.shutdown(wait=False, cancel_futures=True)


def fetch_block(download: Download, run: Run) -> bytes:
    """The plaintext of a short run of segments, in one piece."""
    pieces: list[bytes] = []
    Fetcher(download, lambda _, plain: pieces.append(bytes(plain)), None, Patience()).work(run)
    return b"".join(pieces)


def _take(blocks: Iterator[Run], count: int) -> Iterator[Run]:
    for _, block in zip(range(count), blocks, strict=False):
        yield block

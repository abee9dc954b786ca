"""A file behind a link, as a seekable binary file object.

Reading fetches the segments that the bytes lie in and no others; the last few stay
in memory, so that small reads in a row cost one request.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from consigne.client.fetching import BLOCK, fetch_block

if TYPE_CHECKING:
    from consigne.client.choosing import Placed
    from consigne.client.fetching import Download

KEPT_SEGMENTS: Final = 16


class RemoteFile(io.RawIOBase):
    """Raw reading of one file of a share. `open` wraps it in a buffer."""

    def __init__(self, download: Download, placed: Placed) -> None:
        super().__init__()
        self._download = download
        self._placed = placed
        self._at = 0
        self._kept: OrderedDict[int, bytes] = OrderedDict({0: download.head})

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def seekable(self) -> bool:
        """Anywhere, at the price of a segment."""
        return True

    def tell(self) -> int:
        """Offset in the file."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move; fetches nothing."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._placed.entry.size}.get(whence)
        if base is None or base + offset < 0:
            raise ValueError("no such offset")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """Fill `buffer` from where we are, at most up to 4 MiB and the end of the file.

        Raises AuthenticityError, HostError, GoneError.
        """
        view = memoryview(buffer).cast("B")
        want = min(len(view), self._placed.entry.size - self._at)
        if want <= 0:
            return 0
        start = self._placed.start + self._at
        done = 0
        for segment, plain in self._segments(start, start + want):
            skip = start + done - self._download.layout.plain_start(segment)
            piece = plain[skip : skip + want - done]
            view[done : done + len(piece)] = piece
            done += len(piece)
        self._at += done
        return done

    def _segments(self, start: int, stop: int) -> list[tuple[int, bytes]]:
        """The segments of plaintext [start, stop), at most a block of them, kept or fetched."""
        layout = self._download.layout
        first = layout.segment_at(start)
        last = min(layout.segment_at(stop - 1), first + BLOCK - 1)
        missing = [segment for segment in range(first, last + 1) if segment not in self._kept]
        got = dict.fromkeys(range(first, last + 1), b"")
        got.update((segment, self._kept[segment]) for segment in got if segment in self._kept)
        if missing:
            plain = fetch_block(self._download, (missing[0], missing[-1]))
            base = layout.plain_start(missing[0])
            for segment in range(missing[0], missing[-1] + 1):
                begin, end = layout.plain_range(segment)
                got[segment] = plain[begin - base : end - base]
        self._keep(got)
        return list(got.items())

    def _keep(self, segments: dict[int, bytes]) -> None:
        for segment, plain in segments.items():
            self._kept[segment] = plain
            self._kept.move_to_end(segment)
        while len(self._kept) > KEPT_SEGMENTS:
            self._kept.popitem(last=False)

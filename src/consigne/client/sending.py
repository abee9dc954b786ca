"""The engine of put: parts read, sealed and sent, several at a time.

Each thread has one plaintext buffer of a segment (it stays in the processor's
cache) and one part buffer of ciphertext. It reads and seals a part segment by
segment, writes the tags to the journal, and only then sends: equal tags mean equal
bytes, so no key and nonce ever meets two plaintexts (spec/format.md, "Resuming").
The buffer whose tags were compared is the buffer that is sent.
"""

from __future__ import annotations

import struct
import threading
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from consigne.client.source import PlainReader
from consigne.errors import LocalError
from consigne.format.content import CAPACITY, TAG_SIZE
from consigne.protocol import MIB, SEGMENT_SIZE, part_count

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from consigne.client.journal import Journal
    from consigne.client.patience import Patience
    from consigne.client.progress import Meter
    from consigne.client.remote import Remote
    from consigne.client.source import SourceFile
    from consigne.format.content import Layout, Sealer

PART_SIZE: Final = 4  # bytes of a record that number the part
MAX_SENDERS: Final = 4
MAX_BUFFERS: Final = 64 * MIB
SMALL_FILE: Final = MIB // 4


@dataclass(frozen=True)
class Upload:
    """What goes where: an object on a host, and the files that become its content."""

    remote: Remote
    object_id: bytes
    owner_token: bytes = field(repr=False)
    sealer: Sealer
    layout: Layout
    part_size: int
    files: Sequence[SourceFile]

    @property
    def parts(self) -> int:
        """How many parts the content has."""
        return part_count(self.layout.ciphertext_length, self.part_size)

    @property
    def of_small_files(self) -> bool:
        """Whether opening its files costs more than reading them."""
        return self.layout.ciphertext_length < SMALL_FILE * len(self.files)

    def part_length(self, part: int) -> int:
        """Bytes of one part: all are full but the last."""
        return min(self.part_size, self.layout.ciphertext_length - part * self.part_size)


class PartJournal:
    """The tags of every part, in a put's journal. A part's number and its tags are one record."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._known: dict[int, bytes] = {}
        for record in journal.records:
            if len(record) >= PART_SIZE + TAG_SIZE:
                (part,) = struct.unpack_from(">I", record)
                self._known[part] = record[PART_SIZE:]

    @property
    def parts(self) -> frozenset[int]:
        """Parts whose tags are written down: what may have been sent."""
        return frozenset(self._known)

    def commit(self, part: int, tags: bytes) -> None:
        """Write the tags down before the first byte goes out, or compare them with what stands.

        Raises LocalError `file-changed` when they differ.
        """
        before = self._known.get(part)
        if before is None:
            self._journal.append(struct.pack(">I", part) + tags)
        elif before != tags:
            self._journal.discard()
            raise LocalError(
                "file-changed",
                "A file is not what it was when this put began.",
                hint="Give the same command again: it starts over with the files as they are now.",
            )


class Sender:
    """One thread's tools. A worker of a `Crew` whose jobs are part numbers."""

    def __init__(
        self,
        upload: Upload,
        commit: Callable[[int, bytes], None],
        meter: Meter,
        patience: Patience,
        turn: AbstractContextManager[object],
    ) -> None:
        self._upload = upload
        self._reader = PlainReader(upload.files)
        self._commit = commit
        self._meter = meter
        self._patience = patience
        self._turn = turn
        self._plain = memoryview(bytearray(CAPACITY))
        self._sealed = memoryview(bytearray(min(upload.part_size, upload.layout.ciphertext_length)))

    def close(self) -> None:
        """Close the open file."""
        self._reader.close()

    def work(self, part: int) -> None:
        """Read, seal, write down, send."""
        with self._turn:
            size, tags = self._seal(part)
        self._commit(part, tags)
        to = self._upload
        body = self._sealed[:size]
        to.remote.put_part(
            to.object_id, to.owner_token, part, body, patience=self._patience, flow=self._meter.flow
        )
        self._meter.moved()

    def _seal(self, part: int) -> tuple[int, bytes]:
        """Ciphertext of one part into the buffer: its size and its tags."""
        layout = self._upload.layout
        per_part = self._upload.part_size // SEGMENT_SIZE
        first = part * per_part
        last = min(first + per_part, layout.segments)
        tags = []
        at = 0
        for segment in range(first, last):
            start, stop = layout.plain_range(segment)
            plain = self._plain[: stop - start]
            self._reader.fill(start, plain)
            at += self._upload.sealer.seal_into(
                segment, plain, self._sealed[at:], last=layout.is_last(segment)
            )
            tags.append(bytes(self._sealed[at - TAG_SIZE : at]))
        return at, b"".join(tags)


def senders_for(upload: Upload, parts: int) -> int:
    """How many threads send `parts` parts: as many as keep the host busy in bounded memory."""
    most = 2 if upload.of_small_files else MAX_SENDERS
    return max(1, min(most, MAX_BUFFERS // upload.part_size, parts))


def turns_for(upload: Upload) -> AbstractContextManager[object]:
    """What to hold while reading.

    Small files are opened by one thread while another sends: several would only take
    the GIL from each other, three times at every file.
    """
    return threading.Lock() if upload.of_small_files else nullcontext()

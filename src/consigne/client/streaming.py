"""Put of a stream whose length nobody knows: standard input.

Ciphertext is kept until the host has it, and never made twice: there is no journal
and nothing to resume. The link exists when the stream has ended, since its manifest
tells the size. One segment is held back until it is known whether it is the last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from consigne.errors import UsageError
from consigne.format.content import CAPACITY, FIRST_CAPACITY, MAX_SEGMENTS, Layout, Sealer
from consigne.protocol import MAX_PARTS, SEGMENT_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consigne.client.patience import Patience
    from consigne.client.progress import Meter
    from consigne.client.sending import Upload

SENDERS: Final = 2


@dataclass(frozen=True)
class SealedPart:
    """A part's number and its bytes, ready to be sent as often as it takes."""

    part: int
    body: memoryview


class StreamSealer:
    """Turns a stream into sealed parts; knows the length when the stream has ended."""

    def __init__(self, stream: BinaryIO, sealer: Sealer, part_size: int) -> None:
        self._stream = stream
        self._sealer = sealer
        self._part_size = part_size
        self.length = 0
        self.ciphertext_length = 0

    def parts(self) -> Iterator[SealedPart]:
        """Every part in order. Raises UsageError `content-too-large`."""
        part, filled = 0, 0
        body = memoryview(bytearray(self._part_size))
        for segment, (plain, last) in enumerate(self._segments()):
            if segment >= min(MAX_SEGMENTS, MAX_PARTS * self._part_size // SEGMENT_SIZE):
                raise UsageError("content-too-large", "Standard input gave more than one upload can hold.")
            filled += self._sealer.seal_into(segment, plain, body[filled:], last=last)
            if last or filled == self._part_size:
                self.ciphertext_length += filled
                yield SealedPart(part, body[:filled])
                part, filled, body = part + 1, 0, memoryview(bytearray(self._part_size))

    def _segments(self) -> Iterator[tuple[bytes, bool]]:
        """(plaintext, whether it is the last) of each segment, padding included."""
        held = self._read(FIRST_CAPACITY)
        size = FIRST_CAPACITY
        while len(held) == size:
            following = self._read(CAPACITY)
            if not following:
                break
            yield held, False
            held, size = following, CAPACITY
        padded = Layout.of_content(self.length).stream_length
        left = padded - (self.length - len(held))
        while left > size:
            yield held.ljust(size, b"\0"), False
            left, held, size = left - size, b"", CAPACITY
        yield held.ljust(left, b"\0"), True

    def _read(self, size: int) -> bytes:
        """`size` bytes of the stream, fewer only at its end."""
        pieces = []
        while size and (piece := self._stream.read(size)):
            pieces.append(piece)
            size -= len(piece)
        data = b"".join(pieces)
        self.length += len(data)
        return data


class StreamSender:
    """Sends sealed parts. A worker of a `Crew`."""

    def __init__(self, upload: Upload, meter: Meter, patience: Patience) -> None:
        self._upload = upload
        self._meter = meter
        self._patience = patience

    def close(self) -> None:
        """Nothing is held between jobs."""

    def work(self, job: SealedPart) -> None:
        """Send one part until the host has it."""
        to = self._upload
        to.remote.put_part(
            to.object_id, to.owner_token, job.part, job.body, patience=self._patience, flow=self._meter.flow
        )
        self._meter.moved()

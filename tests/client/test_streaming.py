"""A stream of any length, however its bytes come, becomes the content that its length implies."""

from __future__ import annotations

import io
import random

import pytest

from consigne.client import streaming
from consigne.client.streaming import StreamSealer
from consigne.errors import UsageError
from consigne.format import keys
from consigne.format.content import CAPACITY, FIRST_CAPACITY, HEADER_SIZE, Layout, Opener, Sealer
from consigne.protocol import MIB, SEGMENT_SIZE

OWNER = keys.Owner(bytes(range(32)))
EDGES = [FIRST_CAPACITY + more * CAPACITY + beside for more in (0, 1, 2, 3) for beside in (-1, 0, 1)]
PADDED_BY_SEGMENTS = 9 * MIB + 1  # Padmé adds more than a segment here


class Dripping(io.RawIOBase):
    """Gives what it has in pieces of any size, as a pipe does."""

    def __init__(self, data: bytes, seed: int) -> None:
        self._rest = memoryview(data)
        self._chance = random.Random(seed)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        size = min(len(buffer), len(self._rest), self._chance.choice((1, 1000, 65536, 1 << 20)))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


@pytest.mark.parametrize("length", [0, 1, 4096, 4097, *EDGES, PADDED_BY_SEGMENTS])
@pytest.mark.parametrize("part_size", [2 * SEGMENT_SIZE, 16 * MIB])
def test_what_a_stream_gives_is_opened_as_any_content(length: int, part_size: int) -> None:
    plain = random.Random(length).randbytes(length)
    sealer = StreamSealer(Dripping(plain, length), Sealer(OWNER.content_keys()), part_size)  # type: ignore[arg-type]
    parts = list(sealer.parts())
    sealed = b"".join(part.body for part in parts)
    layout = Layout.of_content(length)
    assert [part.part for part in parts] == list(range(len(parts)))
    assert all(len(part.body) == part_size for part in parts[:-1])
    assert (sealer.length, sealer.ciphertext_length) == (length, layout.ciphertext_length)
    assert len(sealed) == layout.ciphertext_length
    opener = Opener(OWNER.content_key, OWNER.object_id, sealed[:HEADER_SIZE])
    buffer, opened = memoryview(bytearray(CAPACITY)), bytearray()
    for segment in range(layout.segments):
        start, stop = layout.cipher_range(segment)
        last = layout.is_last(segment)
        opened += buffer[: opener.open_into(segment, memoryview(sealed)[start:stop], buffer, last=last)]
    assert opened == plain.ljust(layout.stream_length, b"\0")


def test_a_stream_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "MAX_PARTS", 2)
    with open("/dev/zero", "rb", buffering=0) as endless:
        sealer = StreamSealer(endless, Sealer(OWNER.content_keys()), 2 * SEGMENT_SIZE)  # type: ignore[arg-type]
        given = []
        with pytest.raises(UsageError) as caught:
            given.extend(sealer.parts())
    assert caught.value.code == "content-too-large"
    assert sealer.length <= 6 * CAPACITY

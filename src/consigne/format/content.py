"""The content: Tink streaming AEAD, AES-256-GCM-HKDF, segments of 256 KiB.

Ciphertext segment i is bytes [i·2^18, (i+1)·2^18), so whoever reads a range needs
only its segments, and segments are sealed and opened in any order, in parallel.
`Layout` is the arithmetic, `Sealer` and `Opener` the two directions. They write
into buffers of the caller, outside the GIL, and hold no state that changes: one
of them serves any number of threads.

Source: Tink, "AES-GCM-HKDF Streaming AEAD"; format 1 fixes its parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from consigne.errors import AuthenticityError, UsageError
from consigne.format import labels
from consigne.format.padding import padded
from consigne.protocol import MAX_CONTENT, SEGMENT_SIZE

if TYPE_CHECKING:
    from consigne.format.keys import ContentKeys

    Buffer = bytes | bytearray | memoryview

HEADER_SIZE: Final = 40
TAG_SIZE: Final = 16
SALT_SIZE: Final = 32
KEY_SIZE: Final = 32
FIRST_CAPACITY: Final = SEGMENT_SIZE - HEADER_SIZE - TAG_SIZE
CAPACITY: Final = SEGMENT_SIZE - TAG_SIZE
MAX_SEGMENTS: Final = MAX_CONTENT // SEGMENT_SIZE


@dataclass(frozen=True)
class Layout:
    """Where everything lies in a stream of `stream_length` plaintext bytes."""

    stream_length: int

    @classmethod
    def of_content(cls, length: int) -> Layout:
        """The layout of a content of `length` bytes before padding.

        Raises UsageError `content-too-large` over 2,560,000 segments (671 GB).
        """
        layout = cls(padded(length))
        if layout.segments > MAX_SEGMENTS:
            raise UsageError(
                "content-too-large",
                "This is more than one upload can hold (671 GB).",
                hint="Give it in several uploads.",
            )
        return layout

    @property
    def segments(self) -> int:
        """How many segments; at least one, which may be empty."""
        return 1 + max(0, -(-(self.stream_length - FIRST_CAPACITY) // CAPACITY))

    @property
    def ciphertext_length(self) -> int:
        """Bytes that the host keeps."""
        return HEADER_SIZE + self.stream_length + TAG_SIZE * self.segments

    def is_last(self, segment: int) -> bool:
        """Whether this segment's nonce says that the stream ends here."""
        return segment == self.segments - 1

    def plain_start(self, segment: int) -> int:
        """Offset in the plaintext of a segment's first byte."""
        return max(0, segment * CAPACITY - HEADER_SIZE)

    def plain_range(self, segment: int) -> tuple[int, int]:
        """[start, stop) of a segment in the plaintext."""
        return self.plain_start(segment), min(self.plain_start(segment + 1), self.stream_length)

    def cipher_range(self, segment: int) -> tuple[int, int]:
        """[start, stop) of a segment in the ciphertext, header included."""
        start = segment * SEGMENT_SIZE
        return start, min(start + SEGMENT_SIZE, self.ciphertext_length)

    def segment_at(self, offset: int) -> int:
        """The segment that holds plaintext byte `offset`."""
        return (offset + HEADER_SIZE) // CAPACITY


class _Cipher:
    """Key and nonces of one stream."""

    def __init__(self, key: bytes, salt: bytes, nonce_prefix: bytes, associated_data: bytes) -> None:
        self._prefix = nonce_prefix
        self._aead = AESGCM(HKDF(SHA256(), KEY_SIZE, salt=salt, info=associated_data).derive(key))

    def _nonce(self, segment: int, *, last: bool) -> bytes:
        return self._prefix + segment.to_bytes(4, "big") + (b"\x01" if last else b"\x00")


class Sealer(_Cipher):
    """Plaintext segments into ciphertext segments."""

    def __init__(self, keys: ContentKeys) -> None:
        super().__init__(keys.key, keys.salt, keys.nonce_prefix, labels.CONTENT + keys.object_id)
        self._header = bytes([HEADER_SIZE]) + keys.salt + keys.nonce_prefix

    def seal_into(self, segment: int, plain: Buffer, out: memoryview, *, last: bool) -> int:
        """Write ciphertext segment `segment` at the start of `out`; return its size.

        Segment 0 begins with the header. One plaintext per segment, ever: sealing
        two different ones under one number would give both away.
        """
        start = 0
        if segment == 0:
            out[:HEADER_SIZE] = self._header
            start = HEADER_SIZE
        size = memoryview(plain).nbytes + TAG_SIZE
        self._aead.encrypt_into(self._nonce(segment, last=last), plain, None, out[start : start + size])
        return start + size


class Opener(_Cipher):
    """Ciphertext segments back into plaintext, each authenticated.

    Takes the stream's first 40 bytes; raises AuthenticityError `content-tampered`
    for segment 0 when they are no header.
    """

    def __init__(self, key: bytes, object_id: bytes, header: bytes) -> None:
        if len(header) != HEADER_SIZE or header[0] != HEADER_SIZE:
            raise _tampered(0)
        salt, prefix = header[1 : 1 + SALT_SIZE], header[1 + SALT_SIZE :]
        super().__init__(key, salt, prefix, labels.CONTENT + object_id)

    def open_into(self, segment: int, sealed: memoryview, out: memoryview, *, last: bool) -> int:
        """Write the plaintext of one ciphertext segment at the start of `out`; return its size.

        Raises AuthenticityError `content-tampered` with the segment's number.
        """
        body = sealed[HEADER_SIZE:] if segment == 0 else sealed
        size = len(body) - TAG_SIZE
        if size < 0:
            raise _tampered(segment)
        try:
            self._aead.decrypt_into(self._nonce(segment, last=last), body, None, out[:size])
        except InvalidTag:
            out[:size] = bytes(size)  # the cipher writes before it knows
            raise _tampered(segment) from None
        return size


def check_length(layout: Layout, announced: int) -> None:
    """Before anything is fetched: the host's length must be exactly the manifest's.

    Raises AuthenticityError `content-length`.
    """
    if announced != layout.ciphertext_length:
        raise AuthenticityError(
            "content-length",
            "The host announces another length than the link's manifest implies.",
            hint="What the host keeps is not what was put. Nothing was saved.",
        )


def truncated(segment: int) -> AuthenticityError:
    """The content ended before its announced length."""
    return AuthenticityError(
        "content-truncated",
        f"The content ends early, in segment {segment}.",
        hint="Give the same command again; if it stays, the host has lost the rest.",
        segment=segment,
    )


def _tampered(segment: int) -> AuthenticityError:
    return AuthenticityError(
        "content-tampered",
        f"Segment {segment} of the content is not what was put.",
        hint="The host or something on the way altered it. Nothing is kept as complete.",
        segment=segment,
    )

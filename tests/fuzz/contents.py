"""Contents: the segment that was sealed opens, no other bytes do; and layouts that add up."""

from __future__ import annotations

from consigne.errors import AuthenticityError, UsageError
from consigne.format.content import HEADER_SIZE, MAX_SEGMENTS, Layout, Opener, Sealer
from consigne.format.keys import Owner
from consigne.protocol import MAX_CONTENT, SEGMENT_SIZE
from tests.fuzz.target import Target

OWNER = Owner(b"o" * 32)
PLAIN = b"what was put, and then some"


def _sealed(segment: int, *, last: bool) -> bytes:
    out = memoryview(bytearray(len(PLAIN) + 64))
    size = Sealer(OWNER.content_keys()).seal_into(segment, PLAIN, out, last=last)
    return bytes(out[:size])


SEALED = {(segment, last): _sealed(segment, last=last) for segment in (0, 1) for last in (False, True)}
HEADER = SEALED[0, True][:HEADER_SIZE]


def check(data: bytes) -> None:
    for (segment, last), sealed in SEALED.items():
        header = data[:HEADER_SIZE] if segment == 0 else HEADER
        out = memoryview(bytearray(len(data)))
        try:
            opener = Opener(OWNER.content_key, OWNER.object_id, header)
            size = opener.open_into(segment, memoryview(data), out, last=last)
        except AuthenticityError as error:
            assert (error.code, error.segment) == ("content-tampered", segment)
            assert data != sealed
        else:
            assert (data, bytes(out[:size])) == (sealed, PLAIN)
    _lay_out(int.from_bytes(data[:8], "big"))


def _lay_out(length: int) -> None:
    try:
        layout = Layout.of_content(length)
    except UsageError as error:
        assert error.code == "content-too-large"
        return
    assert length <= layout.stream_length
    assert layout.segments <= MAX_SEGMENTS
    assert layout.ciphertext_length <= MAX_CONTENT
    edges = {0, 1, layout.segments // 2, layout.segments - 2, layout.segments - 1}
    for segment in sorted(edge for edge in edges if 0 <= edge < layout.segments):
        start, stop = layout.plain_range(segment)
        assert stop > start
        assert layout.segment_at(start) == layout.segment_at(stop - 1) == segment
        first, after = layout.cipher_range(segment)
        assert after - first == SEGMENT_SIZE or layout.is_last(segment)
    assert layout.cipher_range(layout.segments - 1)[1] == layout.ciphertext_length
    assert layout.plain_range(layout.segments - 1)[1] == layout.stream_length


def seeds() -> list[bytes]:
    lengths = (0, 4096, 4097, SEGMENT_SIZE, MAX_CONTENT - 1, MAX_CONTENT, 2**63)
    changed = [HEADER[:at] + b"\x29" + SEALED[0, True][at + 1 :] for at in (0, 1, HEADER_SIZE - 1)]
    return [*SEALED.values(), *changed, HEADER, *(length.to_bytes(8, "big") for length in lengths)]


TARGET = Target("contents", check, seeds, words=(HEADER, b"\x28"), most=600)

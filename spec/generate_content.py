"""Vectors of lengths, layout, the stream and whole contents."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from generate_primitives import (
    FLOOR,
    HEADER,
    SEGMENT,
    TAG,
    Owner,
    Vector,
    ciphertext_length,
    encrypt_stream,
    label_bytes,
    padded,
    padme,
    segments_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MIB = 2**20
FIRST = SEGMENT - HEADER - TAG
NEXT = SEGMENT - TAG
MAX_SEGMENTS = 2_560_000
PART_SIZES = (8 * MIB, 16 * MIB, 32 * MIB, 64 * MIB)
MAX_PARTS = 10_000

Edit = dict[str, object]

# ---------------------------------------------------------------- lengths


def padme_tables() -> Iterator[tuple[str, Vector]]:
    """Give tables of lengths and what they are padded to."""
    edges = [0, 1, 2, 1000, 4095, 4096, 4097, 4351, 4352, 4353, 8191, 8192, 8193]
    yield "floor", _table("Below 4,096 everything is padded to 4,096, an empty content too.", edges)
    for low in (12, 16, 20, 24, 28, 32, 36):
        powers = range(low, low + 4)
        about = f"Around every kind of step from 2^{low} to 2^{low + 4}."
        yield f"2-{low}", _table(about, sorted({n for e in powers for n in _around_steps(e)}))
    about = "Around 2^40, and lengths that binary64 logarithms get wrong."
    near = [2**e + d for e in (40, 47, 48, 49, 52) for d in (-1, 0, 1)]
    yield "2-40", _table(about, near)
    step = padme(2**36 + 1) - 2**36
    about = "The last length before a power of two that is not rounded up to it, and its neighbour."
    yield "into-next-power", _table(about, [2**37 - step, 2**37 - step + 1, 2**37])


def _around_steps(exponent: int) -> Iterator[int]:
    power = 2**exponent
    step = padme(power + 1) - power
    for multiple in (0, 1, 2, power // step // 2, power // step - 1):
        for delta in (-1, 0, 1):
            yield power + multiple * step + delta


def _table(about: str, lengths: Iterable[int]) -> Vector:
    listed = list(lengths)
    given, gives = {"lengths": listed}, {"padded": [padded(n) for n in listed]}
    return _good("padme", about, given, gives)


def _good(kind: str, about: str, given: Mapping[str, object], gives: Mapping[str, object]) -> Vector:
    return {"expect": "success", "about": about, "kind": kind, "given": given, "gives": gives}


# ---------------------------------------------------------------- layout


def _largest_length(ciphertext: int) -> int:
    """Give the largest length whose ciphertext is at most that long."""
    low, high = 0, ciphertext
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if ciphertext_length(padded(middle)) <= ciphertext else (low, middle - 1)
    return low


_LARGEST = {size: _largest_length(size * MAX_PARTS) for size in PART_SIZES}

LAYOUTS = {
    "empty": (0, "An empty content is one segment."),
    "one-byte": (1, "One byte is as long as an empty content."),
    "4096": (4096, "The last length of the smallest ciphertext."),
    "4097": (4097, "The first length that is padded above the floor."),
    "one-segment": (258_048, "The longest content of one segment."),
    "two-segments": (258_049, "The shortest content of two segments."),
    "four-mebibytes": (4 * MIB, "Several segments, one part."),
    "one-part": (_largest_length(8 * MIB), "The longest content of one part of 8 MiB."),
    "two-parts": (_largest_length(8 * MIB) + 1, "The shortest content of two parts."),
    "one-gibibyte": (2**30, "One gibibyte."),
    "8-mib-last": (_LARGEST[8 * MIB], "The longest content in parts of 8 MiB."),
    "16-mib-first": (_LARGEST[8 * MIB] + 1, "The shortest content that needs parts of 16 MiB."),
    "16-mib-last": (_LARGEST[16 * MIB], "The longest content in parts of 16 MiB."),
    "32-mib-first": (_LARGEST[16 * MIB] + 1, "The shortest content that needs parts of 32 MiB."),
    "32-mib-last": (_LARGEST[32 * MIB], "The longest content in parts of 32 MiB."),
    "64-mib-first": (_LARGEST[32 * MIB] + 1, "The shortest content that needs parts of 64 MiB."),
    "largest": (_LARGEST[64 * MIB], "The longest content that format 1 can hold."),
}

TOO_LONG = {
    "one-more": (_LARGEST[64 * MIB] + 1, "One byte more than the longest content: too many segments."),
    "2-53": (2**53 - 1, "The largest number that a manifest can hold is far over the limit."),
}


def layouts() -> Iterator[tuple[str, Vector]]:
    """Give segments, ciphertext lengths and parts of content lengths."""
    for name, (length, about) in LAYOUTS.items():
        yield name, _good("layout", about, {"length": length}, _layout(length))
    for name, (length, about) in TOO_LONG.items():
        refused = {"expect": "content-too-large", "about": about, "kind": "layout"}
        yield f"refused-{name}", refused | {"given": {"length": length}}
    plain = _plain_edges()
    gives = {
        "segments": [segments_of(n) for n in plain],
        "ciphertext": [ciphertext_length(n) for n in plain],
    }
    about = "Streams without padding, around the segments' edges."
    yield "edges", _good("layout", about, {"streams": plain}, gives)
    ciphertexts = _part_edges()
    gives = {
        "part_size": [_parts(n)[0] for n in ciphertexts],
        "parts": [_parts(n)[1] for n in ciphertexts],
    }
    about = "Ciphertexts around the lengths where the part size grows."
    yield "parts", _good("layout", about, {"ciphertexts": ciphertexts}, gives)


def _plain_edges() -> list[int]:
    edges = [0, *(FIRST + i * NEXT for i in (0, 1, 2, 30, 31, 32)), FIRST + (MAX_SEGMENTS - 1) * NEXT]
    return sorted({n for edge in edges for n in (edge - 1, edge, edge + 1) if n >= 0})


def _part_edges() -> list[int]:
    edges = [size * MAX_PARTS + delta for size in PART_SIZES for delta in (-1, 0, 1)]
    return [HEADER + TAG, 8 * MIB, 8 * MIB + 1, *edges[:-1]]


def _parts(ciphertext: int) -> tuple[int, int]:
    size = next(size for size in PART_SIZES if ciphertext <= size * MAX_PARTS)
    return size, -(-ciphertext // size)


def _layout(length: int) -> dict[str, int]:
    plain = padded(length)
    ciphertext = ciphertext_length(plain)
    size, parts = _parts(ciphertext)
    return {
        "padded": plain,
        "segments": segments_of(plain),
        "ciphertext": ciphertext,
        "part_size": size,
        "parts": parts,
    }


# ---------------------------------------------------------------- stream

STREAM_LENGTHS = {
    "empty": 0,
    "1": 1,
    **{
        f"edge-{number}-{name}": FIRST + (number - 1) * NEXT + delta
        for number in (1, 2, 3)
        for name, delta in (("before", -1), ("at", 0), ("after", 1))
    },
}


@dataclass(frozen=True)
class Stream:
    """A stream and everything that it is made of."""

    label: str
    length: int
    key: bytes
    object_id: bytes
    header: bytes

    @classmethod
    def of(cls, label: str, length: int) -> Stream:
        """Derive everything from a label."""
        owner = Owner(label_bytes(f"{label}/owner"))
        return cls(f"{label}/plaintext", length, owner.content_key, owner.object_id, owner.content_header)

    def given(self) -> dict[str, object]:
        """Describe the stream."""
        return {
            "content_key": self.key.hex(),
            "object_id": self.object_id.hex(),
            "content_header": self.header.hex(),
            "plaintext": counter(self.label, self.length),
        }

    def encrypt(self) -> bytes:
        """Encrypt it."""
        plaintext = label_bytes(self.label, self.length)
        return encrypt_stream(self.key, self.object_id, self.header, plaintext)


def counter(label: str, length: int) -> dict[str, object]:
    """Describe a long plaintext by how it is made."""
    return {"sha256_counter": label, "length": length}


def held(ciphertext: bytes) -> dict[str, object]:
    """Describe a ciphertext: length, SHA-256, and the tags when they are few."""
    gives: dict[str, object] = {
        "length": len(ciphertext),
        "sha256": hashlib.sha256(ciphertext).hexdigest(),
    }
    segments = [ciphertext[i : i + SEGMENT] for i in range(0, len(ciphertext), SEGMENT)]
    if len(segments) <= 4:
        gives["tags"] = [segment[-TAG:].hex() for segment in segments]
    return gives


def streams() -> Iterator[tuple[str, Vector]]:
    """Give good streams, then damaged ones."""
    for name, length in STREAM_LENGTHS.items():
        stream = Stream.of(f"stream/{name}", length)
        about = f"{length} bytes in {segments_of(length)} segment(s), unpadded."
        yield name, _good("stream", about, stream.given(), held(stream.encrypt()))
    for damage in _damages():
        yield f"{damage.kind}-{damage.name}", damage.vector()


@dataclass(frozen=True)
class Damage:
    """What a host does to a stream, and what a reader must say."""

    name: str
    expect: str
    about: str
    edits: list[Edit] = field(default_factory=list)
    segment: int | None = None
    honest: bool = True  # the host announces the right length
    changed: dict[str, object] = field(default_factory=dict)  # what the reader holds instead

    @property
    def kind(self) -> str:
        """Give the short name of the failure."""
        return self.expect.removeprefix("content-")

    def vector(self) -> Vector:
        """Describe the damage to a stream of four segments."""
        stream, other = Stream.of("stream/damaged", _DAMAGED), Stream.of("stream/other", _DAMAGED)
        delivered = apply(self.edits, stream.encrypt(), other.encrypt())
        given = stream.given() | {"edits": self.edits}
        if any(edit["op"] == "splice" for edit in self.edits):
            given["other"] = other.given()
        given |= {
            "announced": ciphertext_length(_DAMAGED) if self.honest else len(delivered),
            "delivered": {"length": len(delivered), "sha256": hashlib.sha256(delivered).hexdigest()},
        }
        vector: Vector = {"expect": self.expect, "about": self.about, "kind": "stream"}
        if self.segment is not None:
            vector["segment"] = self.segment
        return vector | {"given": given | self.changed}


_DAMAGED = FIRST + 2 * NEXT + 1000
_DAMAGED_CIPHER = 3 * SEGMENT + 1000 + TAG


def apply(edits: list[Edit], good: bytes, other: bytes) -> bytes:
    """Damage a ciphertext, one edit after the other."""
    data = bytearray(good)
    for edit in edits:
        data = _EDITS[str(edit["op"])](data, edit, other)
    return bytes(data)


def _number(edit: Edit, name: str) -> int:
    value = edit[name]
    if not isinstance(value, int):
        raise TypeError(name)
    return value


def _bounds(number: int) -> slice:
    return slice(number * SEGMENT, (number + 1) * SEGMENT)


def _flip(data: bytearray, edit: Edit, _other: bytes) -> bytearray:
    data[_number(edit, "at")] ^= 1 << _number(edit, "bit")
    return data


def _cut(data: bytearray, edit: Edit, _other: bytes) -> bytearray:
    return data[: _number(edit, "at")]


def _append(data: bytearray, edit: Edit, _other: bytes) -> bytearray:
    return data + bytes.fromhex(str(edit["bytes"]))


def _swap(data: bytearray, edit: Edit, _other: bytes) -> bytearray:
    a, b = _bounds(_number(edit, "a")), _bounds(_number(edit, "b"))
    data[a], data[b] = data[b], data[a]
    return data


def _drop(data: bytearray, edit: Edit, _other: bytes) -> bytearray:
    del data[_bounds(_number(edit, "segment"))]
    return data


def _double(data: bytearray, edit: Edit, _other: bytes) -> bytearray:
    bounds = _bounds(_number(edit, "segment"))
    return data[: bounds.stop] + data[bounds] + data[bounds.stop :]


def _splice(data: bytearray, edit: Edit, other: bytes) -> bytearray:
    bounds = _bounds(_number(edit, "segment"))
    data[bounds] = other[bounds]
    return data


_EDITS = {
    "flip": _flip,
    "cut": _cut,
    "append": _append,
    "swap": _swap,
    "drop": _drop,
    "double": _double,
    "splice": _splice,
}


def _damages() -> Iterator[Damage]:
    yield from _flips()
    yield from _moves()
    yield from _wrong_context()
    yield from _lengths()


def _flips() -> Iterator[Damage]:
    regions = [
        ("header-length", 0, 0, "Byte 0 is 41 instead of 40"),
        ("header-length-high", 0, 0, "Byte 0 is 168 instead of 40"),
        ("header-salt", 1, 0, "A bit of the salt"),
        ("header-salt-end", 32, 0, "The last byte of the salt"),
        ("header-nonce-prefix", 33, 0, "A bit of the nonce prefix"),
        ("header-nonce-prefix-end", 39, 0, "The last byte of the nonce prefix"),
        ("first-segment", HEADER, 0, "The first byte of the first segment's ciphertext"),
        ("first-segment-tag", SEGMENT - 1, 0, "The first segment's tag"),
        ("middle-segment", SEGMENT, 1, "The first byte of segment 1"),
        ("middle-segment-middle", 2 * SEGMENT + SEGMENT // 2, 2, "A byte in the middle of segment 2"),
        ("middle-segment-tag", 3 * SEGMENT - TAG, 2, "The tag of segment 2"),
        ("last-segment", 3 * SEGMENT, 3, "The first byte of the last segment"),
        ("last-tag", _DAMAGED_CIPHER - 1, 3, "The last byte of all"),
    ]
    for name, at, segment, what in regions:
        bit = 7 if name.endswith("high") else 0
        edits: list[Edit] = [{"op": "flip", "at": at, "bit": bit}]
        yield Damage(name, "content-tampered", f"{what} was changed.", edits, segment)
    edits = [{"op": "flip", "at": 3 * SEGMENT + 5, "bit": 3}, {"op": "flip", "at": SEGMENT + 5, "bit": 3}]
    about = "Two segments were changed: the first of them is named."
    yield Damage("two-segments", "content-tampered", about, edits, 1)


def _moves() -> Iterator[Damage]:
    tampered = "content-tampered"
    yield Damage(
        "swapped-first", tampered, "The first two segments change places.", [_do("swap", a=0, b=1)], 0
    )
    yield Damage("swapped-middle", tampered, "Segments 1 and 2 change places.", [_do("swap", a=1, b=2)], 1)
    yield Damage("dropped-first", tampered, "The first segment is left out.", [_do("drop", segment=0)], 0)
    yield Damage("dropped-middle", tampered, "Segment 1 is left out.", [_do("drop", segment=1)], 1)
    yield Damage("doubled", tampered, "Segment 1 comes twice.", [_do("double", segment=1)], 2)
    about = "Segment 2 is the one of another object of the same length."
    yield Damage("spliced", tampered, about, [_do("splice", segment=2)], 2)
    edits = [_do("double", segment=2), {"op": "cut", "at": _DAMAGED_CIPHER}]
    yield Damage("doubled-cut", tampered, "Segment 2 comes twice, and the end is cut off.", edits, 3)


def _do(operation: str, **where: int) -> Edit:
    return {"op": operation, **where}


def _wrong_context() -> Iterator[Damage]:
    other = Stream.of("stream/other", _DAMAGED)
    about = "The object id of another object: it is associated data of every segment."
    changed: dict[str, object] = {"reader_object_id": other.object_id.hex()}
    yield Damage("other-object", "content-tampered", about, [], 0, changed=changed)
    about = "The content key of another object."
    changed = {"reader_content_key": other.key.hex()}
    yield Damage("other-key", "content-tampered", about, [], 0, changed=changed)
    edits = [_do("splice", segment=number) for number in range(4)]
    yield Damage("other-content", "content-tampered", "The content of another object is served.", edits, 0)


def _lengths() -> Iterator[Damage]:
    cuts = [
        ("everything", 0, "Nothing arrives"),
        ("in-header", 20, "The stream ends inside the header"),
        ("after-header", HEADER, "The stream ends after the header"),
        ("in-first-segment", 1000, "The stream ends inside the first segment"),
        ("first-edge", SEGMENT, "The stream ends at the edge of the first segment"),
        ("last-edge", 3 * SEGMENT, "The stream ends before the last segment"),
        ("in-middle-segment", 2 * SEGMENT + 5, "The stream ends inside segment 2"),
        ("last-byte", _DAMAGED_CIPHER - 1, "The last byte is missing"),
    ]
    for name, at, what in cuts:
        yield Damage(name, "content-truncated", f"{what}.", [_do("cut", at=at)])
    for name, at, what in cuts:
        about = f"{what}, and the host announces that length."
        yield Damage(name, "content-length", about, [_do("cut", at=at)], honest=False)
    edits: list[Edit] = [{"op": "append", "bytes": "00"}]
    yield Damage("one-more", "content-length", "One byte more is announced.", edits, honest=False)
    edits = [_do("drop", segment=2)]
    yield Damage("dropped", "content-length", "Segment 2 is left out and not announced.", edits, honest=False)
    edits = [_do("double", segment=1)]
    yield Damage("doubled", "content-length", "Segment 1 comes twice and is announced.", edits, honest=False)
    edits = [_do("flip", at=0, bit=0), _do("cut", at=3 * SEGMENT)]
    about = "A wrong length is announced for a changed stream: the length is judged before any segment."
    yield Damage("before-segments", "content-length", about, edits, honest=False)
    edits = [_do("flip", at=SEGMENT + 7, bit=0), _do("cut", at=3 * SEGMENT)]
    about = "Segment 1 was changed and the stream ends early: segments are judged in their order."
    yield Damage("before-end", "content-tampered", about, edits, 1)


# ---------------------------------------------------------------- contents

CONTENTS: dict[str, tuple[list[int], str]] = {
    "0-bytes": ([0], "One empty file: 4,096 bytes of padding."),
    "1-byte": ([1], "One byte and 4,095 bytes of padding."),
    "4095-bytes": ([FLOOR - 1], "One byte of padding."),
    "4096-bytes": ([FLOOR], "No padding."),
    "4097-bytes": ([FLOOR + 1], "Padded to 4,352 bytes."),
    "one-segment": ([258_048], "The longest content of one segment."),
    "two-segments": ([258_049], "Only padding stands in the second segment."),
    "three-segments": ([510_000], "The last segment holds nothing but padding."),
    "million": ([1_000_000], "Four segments."),
    "three-files": ([1000, 0, 300_000], "Files follow one another, nothing between them."),
    "files-of-one-byte": ([1] * 10, "Ten files of one byte."),
}


def contents() -> Iterator[tuple[str, Vector]]:
    """Give shares from the owner secret to the ciphertext."""
    for name, (sizes, about) in CONTENTS.items():
        yield name, _content(name, sizes, about)


def _content(name: str, sizes: list[int], about: str) -> Vector:
    owner = Owner(label_bytes(f"content/{name}/owner"))
    labels = [f"content/{name}/file-{i}" for i in range(len(sizes))]
    plaintext = b"".join(label_bytes(label, size) for label, size in zip(labels, sizes, strict=True))
    length = len(plaintext)
    padding = bytes(padded(length) - length)
    ciphertext = encrypt_stream(owner.content_key, owner.object_id, owner.content_header, plaintext + padding)
    files = [counter(label, size) for label, size in zip(labels, sizes, strict=True)]
    gives = {
        "object_id": owner.object_id.hex(),
        "length": length,
        "padded": padded(length),
        "plaintext_sha256": hashlib.sha256(plaintext).hexdigest(),
        "ciphertext": held(ciphertext),
    }
    given = {"owner_secret": owner.secret.hex(), "files": files}
    return _good("content", about, given, gives)

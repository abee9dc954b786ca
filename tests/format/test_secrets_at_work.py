"""Where a key could meet a second plaintext, or plaintext leave before it is authentic."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consigne.errors import AuthenticityError
from consigne.format import capsule, keys
from consigne.format.content import CAPACITY, HEADER_SIZE, TAG_SIZE, Layout, Opener, Sealer
from consigne.protocol import SEGMENT_SIZE

OWNER = keys.Owner(bytes(range(32)))
SECRET = bytes(range(100, 132))


def sealed(plain: bytes, segment: int = 1) -> tuple[Opener, bytearray]:
    """One segment as it lies on a host, and what opens it."""
    content_keys = OWNER.content_keys()
    out = bytearray(SEGMENT_SIZE)
    size = Sealer(content_keys).seal_into(segment, plain, memoryview(out), last=True)
    header = bytes([HEADER_SIZE]) + content_keys.salt + content_keys.nonce_prefix
    return Opener(OWNER.content_key, OWNER.object_id, header), out[:size]


@settings(max_examples=20, deadline=None)
@given(st.binary(min_size=1, max_size=2000), st.integers(0, 1), st.data())
def test_what_does_not_authenticate_is_not_left_in_the_buffer(
    plain: bytes, segment: int, data: st.DataObject
) -> None:
    opener, there = sealed(plain, segment)
    start = HEADER_SIZE if segment == 0 else 0
    there[data.draw(st.integers(start, len(there) - 1))] ^= 1
    before = b"\xaa" * CAPACITY
    buffer = bytearray(before)
    with pytest.raises(AuthenticityError):
        opener.open_into(segment, memoryview(there), memoryview(buffer), last=True)
    assert buffer == bytes(len(plain)) + before[len(plain) :]


@pytest.mark.parametrize("segment", [0, 1])
def test_a_segment_that_is_shorter_than_its_tag_fails_by_name(segment: int) -> None:
    opener, there = sealed(b"", segment)
    cut = memoryview(there)[: -TAG_SIZE + 15]
    with pytest.raises(AuthenticityError) as caught:
        opener.open_into(segment, cut, memoryview(bytearray(CAPACITY)), last=True)
    assert (caught.value.code, caught.value.segment) == ("content-tampered", segment)


@pytest.mark.parametrize("header", [b"", bytes(40), b"\x28" + bytes(38), b"\x28" + bytes(40)])
def test_what_is_no_header_opens_nothing(header: bytes) -> None:
    with pytest.raises(AuthenticityError) as caught:
        Opener(OWNER.content_key, OWNER.object_id, header)
    assert (caught.value.code, caught.value.segment) == ("content-tampered", 0)


@given(st.integers(0, 2**32 - 1), st.booleans(), st.integers(0, 2**32 - 1), st.booleans())
def test_no_two_segments_share_a_nonce(a: int, a_last: bool, b: int, b_last: bool) -> None:  # noqa: FBT001
    sealer = Sealer(OWNER.content_keys())
    nonces = sealer._nonce(a, last=a_last), sealer._nonce(b, last=b_last)
    assert [len(nonce) for nonce in nonces] == [12, 12]
    assert (nonces[0] == nonces[1]) == ((a, a_last) == (b, b_last))


def test_the_buffers_of_a_segment_must_fit() -> None:
    """A buffer that is too short is an error of ours, never a shorter segment."""
    sealer = Sealer(OWNER.content_keys())
    with pytest.raises(ValueError, match=r"[Bb]uffer"):
        sealer.seal_into(1, b"plain", memoryview(bytearray(20)), last=True)
    opener, there = sealed(b"plain")
    with pytest.raises(ValueError, match=r"[Bb]uffer"):
        opener.open_into(1, memoryview(there), memoryview(bytearray(4)), last=True)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_a_capsule_that_is_sealed_again_has_equal_bytes_or_another_key(one: bytes, other: bytes) -> None:
    first, second = (
        capsule.seal(SECRET, b"id", plain, capsule.salt_of(SECRET, plain)) for plain in (one, other)
    )
    if one == other:
        assert first == second
    else:  # salt and commitment both: the key comes out of the same derivation
        assert first[: capsule.COMMIT_AT] != second[: capsule.COMMIT_AT]
        assert first[capsule.COMMIT_AT : capsule.SEALED_AT] != second[capsule.COMMIT_AT : capsule.SEALED_AT]
    assert capsule.salt_of(SECRET, one) != capsule.salt_of(bytes(32), one)
    assert capsule.unseal(SECRET, b"id", first).rstrip(b" ") == one.rstrip(b" ")


def test_salts_are_of_the_formats_length_and_their_secrets_fresh() -> None:
    assert len(capsule.salt_of(capsule.fresh_salt(), b"")) == capsule.SALT_SIZE == 32
    assert len({capsule.fresh_salt() for _ in range(100)}) == 100
    assert len(capsule.fresh_salt()) == 32


def test_segments_are_full_but_the_last() -> None:
    for length in (0, 1, CAPACITY, 5 * CAPACITY):
        layout = Layout(length)
        sizes = [stop - start for start, stop in map(layout.cipher_range, range(layout.segments))]
        assert all(size == SEGMENT_SIZE for size in sizes[:-1])
        assert sum(sizes) == layout.ciphertext_length

"""Tink opens what we write, and we open what Tink writes: the content is its streaming AEAD."""

from __future__ import annotations

import io
from functools import cache

import pytest
import tink
from hypothesis import given, settings
from hypothesis import strategies as st
from tink import secret_key_access, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2, tink_pb2

from consigne.errors import AuthenticityError
from consigne.format import keys, labels
from consigne.format.content import CAPACITY, FIRST_CAPACITY, HEADER_SIZE, Layout, Opener, Sealer
from consigne.protocol import SEGMENT_SIZE

EDGES = [FIRST_CAPACITY + n * CAPACITY + d for n in (0, 1, 2) for d in (-1, 0, 1)]
LENGTHS = st.one_of(st.integers(0, 3 * SEGMENT_SIZE), st.sampled_from(EDGES))


@cache
def tink_primitive(key: bytes) -> streaming_aead.StreamingAead:
    streaming_aead.register()
    parameters = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingParams(
        ciphertext_segment_size=SEGMENT_SIZE, derived_key_size=32, hkdf_hash_type=common_pb2.SHA256
    )
    secret = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(version=0, key_value=key, params=parameters)
    data = tink_pb2.KeyData(
        type_url="type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey",
        value=secret.SerializeToString(),
        key_material_type=tink_pb2.KeyData.SYMMETRIC,
    )
    keyset = tink_pb2.Keyset(
        primary_key_id=1,
        key=[
            tink_pb2.Keyset.Key(
                key_data=data, status=tink_pb2.ENABLED, key_id=1, output_prefix_type=tink_pb2.RAW
            )
        ],
    )
    handle = tink.proto_keyset_format.parse(keyset.SerializeToString(), secret_key_access.TOKEN)
    return handle.primitive(streaming_aead.StreamingAead)


def seal(owner: keys.Owner, plain: bytes) -> bytes:
    layout, sealer = Layout(len(plain)), Sealer(owner.content_keys())
    out = bytearray(layout.ciphertext_length)
    at = 0
    for segment in range(layout.segments):
        start, stop = layout.plain_range(segment)
        at += sealer.seal_into(segment, plain[start:stop], memoryview(out)[at:], last=layout.is_last(segment))
    assert at == len(out)
    return bytes(out)


def unseal(owner: keys.Owner, sealed: bytes, length: int) -> bytes:
    layout = Layout(length)
    assert len(sealed) == layout.ciphertext_length
    opener = Opener(owner.content_key, owner.object_id, sealed[:HEADER_SIZE])
    out = bytearray()
    buffer = memoryview(bytearray(CAPACITY))
    for segment in range(layout.segments):
        start, stop = layout.cipher_range(segment)
        size = opener.open_into(segment, memoryview(sealed)[start:stop], buffer, last=layout.is_last(segment))
        out += buffer[:size]
    return bytes(out)


@settings(max_examples=40, deadline=None)
@given(length=LENGTHS, seed=st.binary(min_size=32, max_size=32))
def test_tink_opens_ours(length: int, seed: bytes) -> None:
    owner = keys.Owner(seed)
    plain = (seed * (length // 32 + 1))[:length]
    stream = tink_primitive(owner.content_key).new_decrypting_stream(
        io.BytesIO(seal(owner, plain)), labels.CONTENT + owner.object_id
    )
    assert stream.read() == plain


@settings(max_examples=40, deadline=None)
@given(length=LENGTHS, seed=st.binary(min_size=32, max_size=32))
def test_we_open_tinks(length: int, seed: bytes) -> None:
    owner = keys.Owner(seed)
    plain = (seed * (length // 32 + 1))[:length]
    sink = io.BytesIO()
    sink.close = lambda: None  # type: ignore[method-assign] # Tink closes what it wrote to
    with tink_primitive(owner.content_key).new_encrypting_stream(
        sink, labels.CONTENT + owner.object_id
    ) as stream:
        stream.write(plain)
    assert unseal(owner, sink.getvalue(), length) == plain


@settings(max_examples=100, deadline=None)
@given(
    length=st.integers(0, 2 * SEGMENT_SIZE), position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7)
)
def test_no_bit_can_change(length: int, position: float, bit: int) -> None:
    owner = keys.Owner(bytes(32))
    sealed = bytearray(seal(owner, bytes(length)))
    at = int(position * len(sealed))
    sealed[at] ^= 1 << bit
    with pytest.raises(AuthenticityError) as caught:
        unseal(owner, bytes(sealed), length)
    assert caught.value.code == "content-tampered"


@given(length=st.integers(0, 2**40))
def test_layout_is_consistent(length: int) -> None:
    layout = Layout.of_content(length) if length < 2**39 else Layout(length)
    last = layout.segments - 1
    assert layout.plain_range(last)[1] == layout.stream_length
    assert layout.cipher_range(last)[1] == layout.ciphertext_length
    assert layout.segment_at(max(0, layout.stream_length - 1)) == last

"""Format 1 out of primitives: what the vectors are computed with.

This is a second implementation, written from spec/format.md alone. It imports
nothing of the package, so that a mistake there cannot repeat itself here, and it
is made to be read, not to be fast.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import unicodedata
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

SEGMENT = 2**18
TAG = 16
HEADER = 40
FLOOR = 4096
DOWNLOAD, MANAGE = 0x11, 0x21
PASSWORD_FLAG = 0x01

Vector = dict[str, Any]
"""One scenario, as it is written to its file."""


def b64u(data: bytes) -> str:
    """Write bytes as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def label_bytes(label: str, length: int = 32) -> bytes:
    """Give `length` bytes that depend on nothing but the label: the vectors' only source of bytes."""
    blocks = (
        hashlib.sha256(label.encode() + i.to_bytes(8, "big")).digest() for i in range((length + 31) // 32)
    )
    return b"".join(blocks)[:length]


def hkdf(key: bytes, info: bytes, length: int, salt: bytes = b"") -> bytes:
    """HKDF-SHA256 (RFC 5869)."""
    extracted = hmac.digest(salt or bytes(32), key, "sha256")
    out, block = b"", b""
    while len(out) < length:
        block = hmac.digest(extracted, block + info + bytes([len(out) // 32 + 1]), "sha256")
        out += block
    return out[:length]


def derive(key: bytes, label: str, length: int = 32) -> bytes:
    """Derive under one of the format's labels."""
    return hkdf(key, b"consigne/v1/" + label.encode(), length)


def commitment_of(content_key: bytes) -> bytes:
    """Commit to a content key."""
    return derive(content_key, "content-commitment")


def object_id_of(content_key: bytes, owner_hash: bytes) -> bytes:
    """Name the object that has this key and this owner."""
    return derive(commitment_of(content_key) + owner_hash, "object-id")


def link_secret_of(seed: bytes, object_id: bytes) -> bytes:
    """Bind a link's seed to one object."""
    return derive(seed + object_id, "link-secret")


@dataclass(frozen=True)
class Owner:
    """Everything that follows from an owner secret."""

    secret: bytes

    @property
    def token(self) -> bytes:
        """What the owner shows to the host."""
        return derive(self.secret, "owner-token")

    @property
    def hash(self) -> bytes:
        """What the host keeps of the token."""
        return hashlib.sha256(self.token).digest()

    @property
    def content_key(self) -> bytes:
        """The key of the content."""
        return derive(self.secret, "content-key")

    @property
    def object_id(self) -> bytes:
        """The name of the object."""
        return object_id_of(self.content_key, self.hash)

    @property
    def content_header(self) -> bytes:
        """Salt and nonce prefix of the content."""
        return derive(self.secret, "content-header", 39)

    @property
    def root(self) -> bytes:
        """What the owner capsule is sealed under."""
        return derive(self.secret, "owner-root")

    def seed(self, n: int) -> bytes:
        """Give the seed of link n."""
        return derive(self.secret, f"link-seed/{n}")

    def link_secret(self, n: int) -> bytes:
        """Give the secret of link n."""
        return link_secret_of(self.seed(n), self.object_id)


def link_id_of(link_secret: bytes) -> bytes:
    """Name a link."""
    return derive(link_secret, "link-id")


def read_token_of(root: bytes) -> bytes:
    """Give what a reader shows to the host."""
    return derive(root, "read-token")


def password_root(link_secret: bytes, password: str) -> bytes:
    """Join a link secret and a password."""
    salt = derive(link_secret, "password-salt", 16)
    text = unicodedata.normalize("NFC", password).encode()
    stretched = Argon2id(salt=salt, length=32, iterations=3, lanes=4, memory_cost=64 * 1024).derive(text)
    return derive(link_secret + stretched, "password-root")


def fragment_of(kind: int, flags: int, secret: bytes) -> str:
    """Write a link's fragment."""
    return b64u(bytes([kind, flags]) + secret)


def padme(length: int) -> int:
    """Round a length of at least 2 up so that its low bits tell nothing."""
    exponent = length.bit_length() - 1
    low_bits = exponent - exponent.bit_length()
    return -(-length >> low_bits) << low_bits


def padded(length: int) -> int:
    """Give the padded length of a content or a manifest."""
    return padme(max(length, FLOOR))


def segments_of(plaintext: int) -> int:
    """Count the segments of a stream. An empty one has one segment too."""
    first = SEGMENT - HEADER - TAG
    return 1 + max(0, -(-(plaintext - first) // (SEGMENT - TAG)))


def ciphertext_length(plaintext: int) -> int:
    """Give the length of a whole stream."""
    return HEADER + plaintext + TAG * segments_of(plaintext)


def encrypt_stream(content_key: bytes, object_id: bytes, header: bytes, plaintext: bytes) -> bytes:
    """Encrypt as Tink's streaming AEAD AES-GCM-HKDF does."""
    salt, prefix = header[:32], header[32:]
    cipher = AESGCM(hkdf(content_key, b"consigne/v1/content" + object_id, 32, salt))
    out, start, end = bytes([HEADER]) + header, 0, SEGMENT - HEADER - TAG
    for number in range(segments_of(len(plaintext))):
        last = end >= len(plaintext)
        nonce = prefix + number.to_bytes(4, "big") + bytes([last])
        out += cipher.encrypt(nonce, plaintext[start:end], None)
        start, end = end, end + SEGMENT - TAG
    return out


def capsule_keys(root: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """Derive a capsule's key and its commitment."""
    both = hkdf(root, b"consigne/v1/capsule", 64, salt)
    return both[:32], both[32:]


def seal(root: bytes, salt: bytes, associated: bytes, plaintext: bytes) -> bytes:
    """Seal a capsule around a plaintext that is padded already."""
    key, commit = capsule_keys(root, salt)
    return b"\x01" + salt + commit + AESGCM(key).encrypt(bytes(12), plaintext, associated)


def pad_manifest(manifest: bytes) -> bytes:
    """Pad a manifest with spaces."""
    return manifest.ljust(padded(len(manifest)), b" ")


def to_json(value: object) -> bytes:
    """Write a manifest as compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def base_manifest(owner: Owner, n: int, files: list[dict[str, object]]) -> dict[str, Any]:
    """Write the members that every link's manifest has."""
    return {
        "format": "consigne-manifest/1",
        "object": b64u(owner.object_id),
        "key": b64u(owner.content_key),
        "owner": b64u(owner.hash),
        "seed": b64u(owner.seed(n)),
        "length": sum(size for f in files if isinstance(size := f["size"], int)),
        "files": files,
    }

"""Secrets and the rights that follow from them (spec/format.md, "Secrets and rights").

One owner secret, fresh for every upload, gives everything: what the host may see
(id, hashes) and what it may not (keys). A right can be weakened into a lesser one,
never strengthened: `Owner` makes `Reader`s, nothing leads back.

Secrets are wrapped so that no log, traceback or test report can format them
(`secret`).
"""

from __future__ import annotations

import secrets
import unicodedata
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from consigne.errors import UsageError
from consigne.format import labels
from consigne.format.secret import Secret
from consigne.protocol import derive_object_id, token_hash

SECRET_SIZE: Final = 32
FIRST_LINK: Final = 0
MAX_LINK_NUMBER: Final = 2**63 - 1

# Argon2id (RFC 9106). Constants of the format: nothing on the wire can change them.
ARGON_TIME: Final = 3
ARGON_MEMORY_KIB: Final = 64 * 1024
ARGON_LANES: Final = 4


def derive(key: bytes, label: str, size: int = SECRET_SIZE, *, salt: bytes | None = None) -> bytes:
    """HKDF-SHA256 (RFC 5869) with the label as `info`; salt empty but for capsules."""
    info = labels.PREFIX + label.encode("ascii")
    return HKDF(SHA256(), size, salt=salt, info=info).derive(key)


@dataclass(frozen=True)
class ContentKeys(Secret):
    """What encrypts one content: key, and the Tink header's salt and nonce prefix."""

    key: bytes = field(repr=False)
    salt: bytes = field(repr=False)
    nonce_prefix: bytes = field(repr=False)
    object_id: bytes


@dataclass(frozen=True)
class Owner(Secret):
    """The owner secret and what follows from it. Encrypts one content, once."""

    secret: bytes = field(repr=False)

    @classmethod
    def fresh(cls) -> Owner:
        """An owner nobody ever was."""
        return cls(secrets.token_bytes(SECRET_SIZE))

    @property
    def token(self) -> bytes:
        """Bearer token for the owner's requests; the host keeps its SHA-256."""
        return derive(self.secret, labels.OWNER_TOKEN)

    @property
    def owner_hash(self) -> bytes:
        """SHA-256 of the owner token: all that the host stores."""
        return token_hash(self.token)

    @property
    def content_key(self) -> bytes:
        """Key of the content; readers find it in the manifest."""
        return derive(self.secret, labels.CONTENT_KEY)

    @property
    def commitment(self) -> bytes:
        """Commits the object id to the content key without telling it."""
        return content_commitment(self.content_key)

    @property
    def object_id(self) -> bytes:
        """Follows from content key and owner: nobody can take it over."""
        return derive_object_id(self.commitment, self.owner_hash)

    @property
    def capsule_root(self) -> bytes:
        """R of the owner capsule."""
        return derive(self.secret, labels.OWNER_ROOT)

    def content_keys(self) -> ContentKeys:
        """Everything that encrypting the content needs."""
        header = derive(self.secret, labels.CONTENT_HEADER, 39)
        return ContentKeys(self.content_key, header[:32], header[32:], self.object_id)

    def link_seed(self, number: int) -> bytes:
        """seed(n): goes into the manifest of link n, so that S follows from it."""
        return derive(self.secret, f"{labels.LINK_SEED}{number}")

    def link_secret(self, number: int) -> bytes:
        """S(n): what whoever has link n holds."""
        return link_secret(self.link_seed(number), self.object_id)


def fresh_link_number() -> int:
    """A number for a further link: random, so that it is never used again."""
    return secrets.randbits(63)


def content_commitment(content_key: bytes) -> bytes:
    """What commits an object id to one content key."""
    return derive(content_key, labels.CONTENT_COMMITMENT)


def link_secret(seed: bytes, object_id: bytes) -> bytes:
    """S out of its seed and the object: a link belongs to one object."""
    return derive(seed + object_id, labels.LINK_SECRET)


@dataclass(frozen=True)
class Reader(Secret):
    """What a link opens: the id that names it, the token that reads, the root that unseals."""

    link_id: bytes
    root: bytes = field(repr=False)

    @property
    def token(self) -> bytes:
        """Bearer token for reading; the host keeps its SHA-256."""
        return derive(self.root, labels.READ_TOKEN)


def link_id(secret: bytes) -> bytes:
    """The id that the host knows a link by."""
    return derive(secret, labels.LINK_ID)


def reader(secret: bytes, password: str | None) -> Reader:
    """The right to read that link secret S gives, with the password if there is one.

    With a password this takes Argon2id's time (some 0.2 s) and 64 MiB. Raises
    UsageError `password-unusable` for an empty one or lone surrogates.
    """
    root = secret if password is None else _password_root(secret, password)
    return Reader(link_id(secret), root)


def _password_root(secret: bytes, password: str) -> bytes:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    salt = derive(secret, labels.PASSWORD_SALT, 16)
    hardened = Argon2id(
        salt=salt,
        length=SECRET_SIZE,
        iterations=ARGON_TIME,
        lanes=ARGON_LANES,
        memory_cost=ARGON_MEMORY_KIB,
    ).derive(password_bytes(password))
    return derive(secret + hardened, labels.PASSWORD_ROOT)


def password_bytes(password: str) -> bytes:
    """NFC in UTF-8: the same password however a keyboard composes its accents."""
    if not password:
        raise UsageError("password-unusable", "The password is empty.", hint="Give at least one character.")
    try:
        return unicodedata.normalize("NFC", password).encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(
            "password-unusable", "The password is not valid Unicode text.", hint="Give it in UTF-8."
        ) from None

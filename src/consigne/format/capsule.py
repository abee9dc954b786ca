"""The capsule: a manifest, padded and sealed under one key only.

AES-GCM alone lets one ciphertext open under two keys ("invisible salamanders",
Dodis et al., CRYPTO 2018). So the key comes with a commitment out of the same
HKDF, which is compared first, in constant time.

    0x01 ‖ salt (32) ‖ commitment (32) ‖ AES-256-GCM(key, nonce 0, plaintext, data = id)

The key is used once (a salt for each plaintext), so the nonce can be constant.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from consigne.errors import AuthenticityError, PasswordError, UsageError
from consigne.format import labels
from consigne.format.keys import SECRET_SIZE, derive
from consigne.format.padding import padded
from consigne.protocol import CAPSULE_OVERHEAD, MAX_CAPSULE

VERSION: Final = 1
SALT_SIZE: Final = 32
NONCE: Final = bytes(12)
COMMIT_AT: Final = 1 + SALT_SIZE
SEALED_AT: Final = COMMIT_AT + SECRET_SIZE
MAX_PLAINTEXT: Final = MAX_CAPSULE - CAPSULE_OVERHEAD


def fresh_salt() -> bytes:
    """32 random bytes: a salt, or what salts follow from (`salt_of`)."""
    return secrets.token_bytes(SALT_SIZE)


def salt_of(salt_secret: bytes, manifest: bytes) -> bytes:
    """The salt of one manifest: the same again for the same, another one for any other.

    So whoever seals again what changed meanwhile reuses no key (docs/decisions/0045).
    """
    return hmac.digest(salt_secret, manifest, "sha256")


def seal(root: bytes, bound_to: bytes, manifest: bytes, salt: bytes) -> bytes:
    """The capsule of `manifest` under root R, bound to a link or object id.

    Raises UsageError `content-too-large` when the manifest is over 64 MiB padded.
    """
    size = padded(len(manifest))
    if size > MAX_PLAINTEXT:
        raise UsageError(
            "content-too-large", "The list of files is over 64 MiB.", hint="Give fewer files in one upload."
        )
    key, commitment = _key_and_commitment(root, salt)
    sealed = AESGCM(key).encrypt(NONCE, manifest.ljust(size, b" "), bound_to)
    return b"".join((bytes([VERSION]), salt, commitment, sealed))


def unseal(root: bytes, bound_to: bytes, capsule: bytes, *, password: bool = False) -> bytes:
    """The padded manifest out of a capsule; `password`: whether the link's flag is set.

    Raises AuthenticityError `capsule-newer` or `capsule-tampered`, and
    PasswordError `password-wrong` when only another root would fit.
    """
    if not capsule:
        raise _tampered()
    if capsule[0] != VERSION:
        raise AuthenticityError(
            "capsule-newer", "This was made by a newer version of Consigne.", hint="Update, then try again."
        )
    if not CAPSULE_OVERHEAD <= len(capsule) <= MAX_CAPSULE:
        raise _tampered()
    key, commitment = _key_and_commitment(root, capsule[1:COMMIT_AT])
    if not hmac.compare_digest(commitment, capsule[COMMIT_AT:SEALED_AT]):
        raise wrong_password() if password else _tampered()
    try:
        return AESGCM(key).decrypt(NONCE, memoryview(capsule)[SEALED_AT:], bound_to)
    except InvalidTag:
        raise _tampered() from None


def wrong_password() -> PasswordError:
    """The one error of a wrong password, whoever notices it first."""
    return PasswordError("password-wrong", "The password is wrong.", hint="Ask whoever gave the link.")


def _key_and_commitment(root: bytes, salt: bytes) -> tuple[bytes, bytes]:
    both = derive(root, labels.CAPSULE, 2 * SECRET_SIZE, salt=salt)
    return both[:SECRET_SIZE], both[SECRET_SIZE:]


def _tampered() -> AuthenticityError:
    return AuthenticityError(
        "capsule-tampered",
        "What the host answers does not belong to this link.",
        hint="Check that the link is whole; if it is, the host altered its capsule.",
    )

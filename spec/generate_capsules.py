"""Vectors of capsules, a capsule made for two keys among them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from generate_primitives import (
    FLOOR,
    TAG,
    Owner,
    Vector,
    b64u,
    base_manifest,
    capsule_keys,
    label_bytes,
    link_id_of,
    pad_manifest,
    password_root,
    seal,
    to_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNER = Owner(label_bytes("capsule/owner"))
SECRET = OWNER.link_secret(0)
SALT = label_bytes("capsule/salt")
LINK_ID = link_id_of(SECRET)
PASSWORD = "trombone"
AT_SALT, AT_COMMIT, AT_SEALED = 1, 33, 65
SHORTEST = AT_SEALED + FLOOR + TAG


@cache
def _locked_root(password: str) -> bytes:
    return password_root(SECRET, password)


def _manifest(n: int = 0, **more: object) -> bytes:
    files: list[dict[str, object]] = [{"path": "letter.txt", "size": 12}]
    return to_json(base_manifest(OWNER, n, files) | more)


def _manifest_of_length(length: int) -> bytes:
    """Write a manifest of exactly that many bytes, by its note."""
    return _manifest(note="x" * (length - len(_manifest(note=""))))


def _owner_manifest() -> bytes:
    files: list[dict[str, object]] = [{"path": "letter.txt", "size": 12}]
    manifest = base_manifest(OWNER, 0, files)
    del manifest["seed"]
    links = [{"n": "0", "flags": 0}, {"n": str(2**63 - 25), "flags": 1}]
    return to_json(manifest | {"links": links})


GOOD = seal(SECRET, SALT, LINK_ID, pad_manifest(_manifest()))


def capsules() -> Iterator[tuple[str, Vector]]:
    """Give capsules that open, then those that do not."""
    yield from _opening()
    yield from _wrong_password()
    yield from _tampered()
    yield from _foreign()
    yield from _newer()
    yield from _padding()


def _vector(expect: str, about: str, capsule: bytes, **given: str) -> Vector:
    reader = given or {"link_secret": SECRET.hex()}
    return {
        "expect": expect,
        "about": about,
        "kind": "capsule",
        "given": reader | {"capsule": b64u(capsule)},
    }


def _opens(about: str, root: bytes, associated: bytes, manifest: bytes, **given: str) -> Vector:
    capsule = seal(root, SALT, associated, pad_manifest(manifest))
    gives = {"manifest": b64u(manifest), "canonical": True}
    return _vector("success", about, capsule, **given) | {"gives": gives}


def _locked(password: str = PASSWORD) -> dict[str, str]:
    return {"link_secret": SECRET.hex(), "password": password}


def _opening() -> Iterator[tuple[str, Vector]]:
    yield "link", _opens("The capsule of a link without a password.", SECRET, LINK_ID, _manifest())
    about = "The capsule of a link with a password."
    yield "password", _opens(about, _locked_root(PASSWORD), LINK_ID, _manifest(), **_locked())
    composed, decomposed = "tromb\u00f6ne", "trombo\u0308ne"
    about = "Sealed with a composed password, opened with the same one decomposed."
    yield "password-nfd", _opens(about, _locked_root(composed), LINK_ID, _manifest(), **_locked(decomposed))
    about = "An owner capsule: sealed under the owner's root for the object id."
    given = {"owner_secret": OWNER.secret.hex()}
    yield "owner", _opens(about, OWNER.root, OWNER.object_id, _owner_manifest(), **given)
    for length, about in (
        (FLOOR - 1, "A manifest with one byte of padding."),
        (FLOOR, "A manifest that needs no padding."),
        (FLOOR + 1, "A manifest one byte longer than the floor is padded to 4,352 bytes."),
        (20_000, "A longer manifest."),
    ):
        manifest = _manifest_of_length(length)
        yield f"manifest-{length}", _opens(about, SECRET, LINK_ID, manifest)


def _flipped(capsule: bytes, at: int) -> bytes:
    changed = bytearray(capsule)
    changed[at] ^= 1
    return bytes(changed)


def _wrong_password() -> Iterator[tuple[str, Vector]]:
    expect = "password-wrong"
    good = seal(_locked_root(PASSWORD), SALT, LINK_ID, pad_manifest(_manifest()))
    yield "password-wrong", _vector(expect, "Another password.", good, **_locked("trompette"))
    yield "password-wrong-case", _vector(expect, "Case counts.", good, **_locked("Trombone"))
    yield "password-wrong-space", _vector(expect, "A final space counts.", good, **_locked("trombone "))
    about = "The right password, but the commitment was changed: a reader cannot tell this from a wrong one."
    yield "password-commitment", _vector(expect, about, _flipped(good, AT_COMMIT), **_locked())
    about = "The right password, but the salt was changed: the commitment differs."
    yield "password-salt", _vector(expect, about, _flipped(good, AT_SALT), **_locked())
    about = "A capsule sealed without the password, for a link that says there is one."
    yield "password-not-used", _vector(expect, about, GOOD, **_locked())
    about = "The right password and commitment, but GCM fails: the password is not to blame."
    yield "password-gcm", _vector("capsule-tampered", about, _flipped(good, AT_SEALED), **_locked())
    about = "A capsule sealed with a password, for a link that says there is none."
    yield "password-not-said", _vector("capsule-tampered", about, good)


def _tampered() -> Iterator[tuple[str, Vector]]:
    flips = [
        ("salt", AT_SALT, "The first byte of the salt was changed: the commitment differs."),
        ("salt-end", AT_COMMIT - 1, "The last byte of the salt was changed."),
        ("commitment", AT_COMMIT, "The first byte of the commitment was changed."),
        ("commitment-end", AT_SEALED - 1, "The last byte of the commitment was changed."),
        ("sealed", AT_SEALED, "The first sealed byte was changed."),
        ("sealed-padding", len(GOOD) - TAG - 1, "A byte of the padding was changed."),
        ("tag", len(GOOD) - 1, "The last byte of the tag was changed."),
    ]
    for name, at, about in flips:
        yield f"tampered-{name}", _vector("capsule-tampered", about, _flipped(GOOD, at))
    cuts = [
        ("empty", 0, "There is no byte."),
        ("version", 1, "There is the version and nothing else."),
        ("in-salt", 20, "The capsule ends inside the salt."),
        ("head", AT_SEALED, "The capsule ends after the commitment."),
        ("no-tag", AT_SEALED + TAG - 1, "The capsule ends inside what would be the tag."),
        ("short", SHORTEST - 1, "One byte shorter than the shortest capsule."),
    ]
    for name, length, about in cuts:
        yield f"tampered-{name}", _vector("capsule-tampered", about, GOOD[:length])
    yield "tampered-longer", _vector("capsule-tampered", "One byte follows the tag.", GOOD + b"\0")


def _foreign() -> Iterator[tuple[str, Vector]]:
    expect = "capsule-tampered"
    second = OWNER.link_secret(1)
    other = seal(second, SALT, link_id_of(second), pad_manifest(_manifest(1)))
    yield "other-link", _vector(expect, "The capsule of another link of the same object.", other)
    about = "Sealed under this link's root for the id of another link: the commitment agrees, GCM fails."
    yield (
        "other-link-id",
        _vector(expect, about, seal(SECRET, SALT, link_id_of(second), pad_manifest(_manifest()))),
    )
    owner = seal(OWNER.root, SALT, OWNER.object_id, pad_manifest(_owner_manifest()))
    yield "owner-for-link", _vector(expect, "The owner capsule, served for a link.", owner)
    about = "A link's capsule, served as the owner capsule."
    yield "link-for-owner", _vector(expect, about, GOOD, owner_secret=OWNER.secret.hex())
    sealed = seal(OWNER.root, SALT, LINK_ID, pad_manifest(_owner_manifest()))
    about = "Sealed under the owner's root for the id of a link."
    yield "owner-for-link-id", _vector(expect, about, sealed, owner_secret=OWNER.secret.hex())
    about = (
        "GCM opens this capsule under two keys, those of two passwords. "
        "It commits to the first: with the second, the commitment differs."
    )
    two = two_key_capsule(_locked_root(PASSWORD), _locked_root("saxophone"))
    yield "two-keys", _vector("password-wrong", about, two, **_locked("saxophone"))
    two = two_key_capsule(_locked_root(PASSWORD), SECRET)
    about = (
        "GCM opens this capsule under two keys, with a password and without. "
        "It commits to the first: without the password, the commitment differs."
    )
    yield "two-keys-no-password", _vector(expect, about, two)


def _newer() -> Iterator[tuple[str, Vector]]:
    expect = "capsule-newer"
    yield "newer-version", _vector(expect, "Version 2.", b"\x02" + GOOD[1:])
    yield (
        "newer-version-0",
        _vector(expect, "Version 0 was never used: any version but 1 is unknown.", b"\0" + GOOD[1:]),
    )
    yield "newer-short", _vector(expect, "The version is judged before the length.", b"\x02")
    about = "Version 2 of a link with a password: the version is judged before the commitment."
    yield "newer-password", _vector(expect, about, b"\x02" + GOOD[1:], **_locked())
    yield (
        "newer-html",
        _vector(
            expect,
            "A page of HTML instead of a capsule: its first byte is no known version.",
            b"<!doctype html>",
        ),
    )
    yield "newer-null", _vector(expect, "JSON instead of a capsule.", b"null")


def _padding() -> Iterator[tuple[str, Vector]]:
    manifest = _manifest()
    plaintexts = {
        "none": (manifest, "The manifest is not padded."),
        "odd": (manifest.ljust(FLOOR + 4), "Padded to 4,100 bytes, which is no padded length."),
        "next": (manifest.ljust(FLOOR + 256), "Padded further than this manifest needs."),
        "line-feeds": (manifest.ljust(FLOOR, b"\n"), "Padded with line feeds instead of spaces."),
    }
    for name, (plaintext, about) in plaintexts.items():
        leniency = f"{about} A writer must not; a reader does not judge how far white space reaches."
        gives = {"manifest": b64u(manifest), "canonical": False}
        yield f"padding-{name}", _vector("success", leniency, _sealed(plaintext)) | {"gives": gives}
    about = "Padded with zero bytes instead of spaces: they are no white space of JSON."
    zeros = manifest.ljust(FLOOR, b"\0")
    yield "padding-zeros", _vector("manifest-invalid", about, _sealed(zeros))
    yield "only-spaces", _vector("manifest-invalid", "Spaces and no manifest.", _sealed(b" " * FLOOR))
    yield "nothing-sealed", _vector("manifest-invalid", "The sealed plaintext is empty.", _sealed(b""))
    about = "The capsule agrees with the link, but holds the manifest of another link of the same object."
    yield "other-manifest", _vector("manifest-invalid", about, _sealed(pad_manifest(_manifest(1))))


def _sealed(plaintext: bytes) -> bytes:
    return seal(SECRET, SALT, LINK_ID, plaintext)


# ---------------------------------------------------------------- two keys
#
# GCM's tag is a polynomial in a key-dependent H. Two keys give two polynomials over
# the same ciphertext; one free block is enough to make both tags equal.


def two_key_capsule(first: bytes, second: bytes) -> bytes:
    """Make a capsule whose ciphertext GCM accepts under the keys of both roots."""
    (key, commit), (other, _) = capsule_keys(first, SALT), capsule_keys(second, SALT)
    plaintext = pad_manifest(_manifest())
    stream = _keystream(key, len(plaintext) // TAG + 2)
    ciphertext = [a ^ b for a, b in zip(_blocks(plaintext), stream[2:], strict=True)]
    h1, h2 = stream[0], _keystream(other, 1)[0]
    ciphertext[-1] = 0
    difference = _tag(key, ciphertext) ^ _tag(other, ciphertext)
    # The last block of ciphertext is multiplied with H^2: after it comes the block of lengths.
    ciphertext[-1] = _times(difference, _inverse(_times(h1, h1) ^ _times(h2, h2)))
    sealed = b"".join(block.to_bytes(TAG, "big") for block in [*ciphertext, _tag(key, ciphertext)])
    for opens in (key, other):
        AESGCM(opens).decrypt(bytes(12), sealed, LINK_ID)  # raises where this file is wrong
    return b"\x01" + SALT + commit + sealed


def _blocks(data: bytes) -> list[int]:
    return [int.from_bytes(data[i : i + TAG], "big") for i in range(0, len(data), TAG)]


def _keystream(key: bytes, blocks: int) -> list[int]:
    """Encrypt the counters 0, 1, 2 …: with a nonce of zeros these are H, the tag's mask, the keystream."""
    encryptor = Cipher(algorithms.AES(key), modes.CTR(bytes(TAG))).encryptor()
    return _blocks(encryptor.update(bytes(blocks * TAG)))


def _tag(key: bytes, ciphertext: list[int]) -> int:
    h, mask = _keystream(key, 2)
    lengths = (len(LINK_ID) * 8) << 64 | len(ciphertext) * TAG * 8
    total = 0
    for block in [*_blocks(LINK_ID), *ciphertext, lengths]:
        total = _times(total ^ block, h)
    return total ^ mask


def _times(a: int, b: int) -> int:
    """Multiply in GCM's field of 2^128 elements, the first bit being the lowest power."""
    product = 0
    for bit in range(127, -1, -1):
        if a >> bit & 1:
            product ^= b
        b = b >> 1 ^ (0xE1 << 120 if b & 1 else 0)
    return product


def _inverse(a: int) -> int:
    """Raise to 2^128 - 2."""
    result, power = 1 << 127, a
    for _ in range(127):
        power = _times(power, power)
        result = _times(result, power)
    return result

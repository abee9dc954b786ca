"""Attack 16: ciphertext that opens under several keys, really made, and refused all the same.

AES-GCM does not commit to its key. Here are capsules made for two links, for a link and its
owner, for four passwords at once, and a content made for two keys; each test first shows that
AES-GCM alone opens it with every one of them. What refuses is the commitment of the
capsule, which is compared before GCM, and the object id, which follows from one content key.
"""

from __future__ import annotations

import json
import random

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from consigne.format import capsule, content, keys, labels
from consigne.format.link import parse_link
from consigne.protocol import b64u
from tests.attacks.collisions import added, colliding, keystream
from tests.attacks.hostile import (
    SEED,
    Uploader,
    answer,
    answering,
    hostile,
    is_link_capsule,
    left_in,
    password,
)
from tests.cli.shell import Shell
from tests.processes import Host

SALT = bytes(range(32))


def key_and_commitment(root: bytes) -> tuple[bytes, bytes]:
    """As the format derives them, written again: a test shall not believe what it judges."""
    both = HKDF(SHA256(), 64, salt=SALT, info=b"consigne/v1/capsule").derive(root)
    return both[:32], both[32:]


def capsule_for(manifest: bytes, *opened_by: tuple[bytes, bytes]) -> bytes:
    """One capsule for several (root, id): it commits to the first, and GCM opens it with all."""
    secrets = [(key_and_commitment(root)[0], bound_to) for root, bound_to in opened_by]
    padded = manifest.ljust(4096 + 256, b" ")
    ciphertext = added(padded, keystream(secrets[0][0], capsule.NONCE, len(padded)))
    sealed = colliding(secrets, capsule.NONCE, ciphertext)
    opened = {AESGCM(key).decrypt(capsule.NONCE, sealed, bound_to) for key, bound_to in secrets}
    assert len(opened) == len(opened_by), "GCM alone takes it for as many manifests"
    return b"\x01" + SALT + key_and_commitment(opened_by[0][0])[1] + sealed


@pytest.fixture
def uploader(standing: Host) -> Uploader:
    return Uploader(standing)


def test_attack_16_one_capsule_for_two_links(shell: Shell, uploader: Uploader) -> None:
    """With the key that it commits to GCM opens it, so that the manifest is judged; never with the other."""
    uploader.put(uploader.seal(b"content"))
    manifest = json.dumps(uploader.manifest(("a", 7))).encode()
    readers = [keys.reader(uploader.owner.link_secret(number), None) for number in (0, 1)]
    sealed = capsule_for(manifest, *((reader.root, reader.link_id) for reader in readers))
    first, second = (uploader.link_with(sealed, number) for number in (0, 1))
    shell.fails(5, "manifest-invalid", "ls", first)
    shell.fails(5, "capsule-tampered", "ls", second)
    shell.fails(5, "capsule-tampered", "get", second, "-o", "there")
    assert left_in(shell, "there") == []


def test_attack_16_one_capsule_for_a_link_and_its_owner(standing: Host, shell: Shell) -> None:
    """What the owner is shown is not what the reader is shown: the host gives both the same bytes."""
    shell.write("a", "content")
    put = shell.put("a")
    owner = keys.Owner(parse_link(put["manage"]).fragment.secret)
    reader = keys.reader(owner.link_secret(0), None)
    pairs = [(reader.root, reader.link_id), (owner.capsule_root, owner.object_id)]
    said = answer(capsule_for(b"{}", *pairs))
    with hostile(standing, answering(lambda e: e.path.endswith("/capsule"), said), put["link"]) as (_, link):
        manage = put["manage"].replace(standing.url, link.partition("/d#")[0])
        shell.fails(5, "manifest-invalid", "ls", link)
        shell.fails(5, "capsule-tampered", "info", manage)


def test_attack_16_one_capsule_for_many_passwords(standing: Host, shell: Shell) -> None:
    """A host that has the link tries passwords on its reader: each answer would halve what is left.

    Whoever gives a password that is among the guesses, but the first, looks like anybody else.
    """
    shell.write("a", "content")
    link = shell.must("put", "a", *password(shell, "tromba")).out
    secret = parse_link(link).fragment.secret
    guesses = ["clarinet", "tromba", "viola da gamba", "oboe"]
    readers = [keys.reader(secret, guess) for guess in guesses]
    said = answer(capsule_for(b"{}", *((reader.root, reader.link_id) for reader in readers)))
    with hostile(standing, answering(is_link_capsule, said), link) as (_, away):
        shell.fails(5, "manifest-invalid", "ls", away, *password(shell, guesses[0]))
        for tried in ("tromba", "oboe", "not among them"):
            shell.fails(4, "password-wrong", "ls", away, *password(shell, tried))


def stream_key(content_key: bytes, salt: bytes, object_id: bytes) -> bytes:
    info = labels.CONTENT + object_id
    return HKDF(SHA256(), 32, salt=salt, info=info).derive(content_key)


def content_for_two(uploader: Uploader, other_key: bytes, innocent: bytes, guilty: bytes) -> bytes:
    """One segment: `innocent` under our key, then `guilty` under the other, then what makes tags equal."""
    ours = uploader.owner.content_keys()
    both = [stream_key(key, ours.salt, ours.object_id) for key in (ours.key, other_key)]
    nonce, padded = ours.nonce_prefix + b"\0\0\0\0\x01", 4096
    ours_plain = innocent.ljust(padded, b"\0")
    theirs = bytes(len(innocent)) + guilty.ljust(padded - len(innocent), b"\0")
    first = added(ours_plain, keystream(both[0], nonce, padded))
    second = added(theirs, keystream(both[1], nonce, padded))
    mixed = first[: len(innocent)] + second[len(innocent) :]
    return b"\x28" + ours.salt + ours.nonce_prefix + colliding([(key, b"") for key in both], nonce, mixed)


def test_attack_16_one_content_for_two_keys(shell: Shell, uploader: Uploader) -> None:
    """Two links to one object, and each would show another file, both authentic."""
    chance = random.Random(SEED)
    innocent, guilty = chance.randbytes(1600), chance.randbytes(1600)
    other_key = chance.randbytes(32)
    sealed = content_for_two(uploader, other_key, innocent, guilty)
    for key, at, shown in ((uploader.owner.content_key, 0, innocent), (other_key, 1600, guilty)):
        plain = bytearray(4096)
        opener = content.Opener(key, uploader.owner.object_id, sealed[:40])
        opener.open_into(0, memoryview(sealed), memoryview(plain), last=True)
        assert plain[at : at + 1600] == shown, "authentic under both keys"
    uploader.put(sealed)
    files = ("innocent.bin", 1600), ("guilty.bin", 1600), ("rest", 896)
    first = uploader.link(uploader.manifest(*files))
    second = uploader.link(uploader.manifest(*files, number=1, key=b64u(other_key)), number=1)
    assert shell.must("cat", first, "innocent.bin").output == innocent
    for words in (("ls",), ("get", "-o", "there"), ("cat", "guilty.bin")):
        done = shell.run(words[0], second, *words[1:])
        assert done.code == 5, done.err
        assert "does not follow from its key" in done.err
        assert done.output == b""
    assert left_in(shell, "there") == []

"""Manifests: what is accepted says the same after it was written and read again."""

from __future__ import annotations

import json

from consigne.errors import AuthenticityError
from consigne.format import manifest, paths
from consigne.protocol import MAX_CONTENT
from tests.fuzz.target import Target
from tests.fuzz.vectors import joined, load


def check(data: bytes) -> None:
    try:
        found = manifest.parse(data)
    except AuthenticityError as error:
        assert error.code in ("manifest-invalid", "manifest-newer")
        return
    plainly = json.loads(data)
    assert [entry["path"] for entry in plainly["files"]] == [entry.path for entry in found.files]
    assert not any(paths.refusal(entry.path) for entry in found.files)
    assert sum(entry.size for entry in found.files) == found.length == plainly["length"]
    assert found.layout.ciphertext_length <= MAX_CONTENT
    again = manifest.parse(manifest.encode(found))
    assert again.files == found.files
    assert (again.seed, again.note, again.key) == (found.seed, found.note, found.key)
    assert found.key.hex() not in repr(found)


def seeds() -> list[bytes]:
    texts = [joined(given["plaintext"]) for given in load("manifest")]
    return [text.strip() for text in texts if text is not None and len(text) < TARGET.most]


TARGET = Target(
    "manifests",
    check,
    seeds,
    words=(
        b'"size":',
        b'"path":"a/b"',
        b'"links":[{"n":"0","flags":1}]',
        b"1e3",
        b"[",
        b"}",
        b"null",
        b"\\ud800",
    ),
    most=8000,
)

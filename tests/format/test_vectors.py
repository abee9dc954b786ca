"""Every vector of spec/vectors, one test each: the format as others would implement it.

A vector names what must come out first (`expect`), then what goes in (`given`) and,
where it succeeds, what it gives. So there is one function per kind, from `given` to
`gives`, or to the error whose code is `expect`. spec/README.md tells the members.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from consigne.errors import ConsigneError
from consigne.format import capsule, content, keys, link, manifest, padding, paths
from consigne.protocol import b64u, part_count, part_size_for

SPEC = Path(__file__).parents[2] / "spec"
VECTORS = sorted((SPEC / "vectors").glob("*.json"))

FAILURE_CLASSES = {
    "link-incomplete",
    "link-newer",
    "not-found",
    "password-wrong",
    "capsule-tampered",
    "capsule-newer",
    "manifest-invalid",
    "manifest-newer",
    "content-length",
    "content-truncated",
    "content-tampered",
}
ONLY_A_TRANSFER_SHOWS = {"not-found"}  # the host says it; no bytes do
REFUSALS_OF_A_WRITER = {"password-unusable", "link-wrong-kind", "content-too-large"}

Values = dict[str, Any]


def load(path: Path) -> Values:
    vector: Values = json.loads(path.read_text(encoding="ascii"))
    return vector


def unb64u(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def long_bytes(description: Values) -> bytes:
    label, length = description["sha256_counter"].encode(), description["length"]
    blocks = (hashlib.sha256(label + i.to_bytes(8, "big")).digest() for i in range(-(-length // 32)))
    return b"".join(blocks)[:length]


# ---------------------------------------------------------------- from given to gives


def derivation(given: Values) -> Values:
    if "password" in given:
        return derive_with_password(bytes.fromhex(given["link_secret"]), given["password"])
    owner = keys.Owner(bytes.fromhex(given["owner_secret"]))
    derived = derive_link(owner, int(given["n"])) if "n" in given else derive_owner(owner)
    return {name: value.hex() for name, value in derived.items()}


def derive_owner(owner: keys.Owner) -> dict[str, bytes]:
    content_keys = owner.content_keys()
    return {
        "owner_token": owner.token,
        "owner_hash": owner.owner_hash,
        "content_key": owner.content_key,
        "content_commitment": owner.commitment,
        "object_id": owner.object_id,
        "content_header": content_keys.salt + content_keys.nonce_prefix,
        "owner_root": owner.capsule_root,
    }


def derive_link(owner: keys.Owner, number: int) -> dict[str, bytes]:
    reader = keys.reader(owner.link_secret(number), None)
    return {
        "object_id": owner.object_id,
        "seed": owner.link_seed(number),
        "link_secret": owner.link_secret(number),
        "link_id": reader.link_id,
        "read_token": reader.token,
    }


def derive_with_password(secret: bytes, password: str) -> Values:
    reader = keys.reader(secret, password)
    return {
        "password_bytes": keys.password_bytes(password).hex(),
        "password_root": reader.root.hex(),
        "link_id": reader.link_id.hex(),
        "read_token": reader.token.hex(),
    }


def parse_link(given: Values) -> Values:
    if "fragment" in given:
        fragment = link.parse_fragment(given["fragment"])
        assert fragment.encode() == given["fragment"]
        return show_fragment(fragment)
    wanted = link.Kind[given["wanted"].upper()] if "wanted" in given else None
    whole = link.parse_link(given["url"], wanted)
    assert whole.encode() == given["url"]
    return {"base": whole.base, **show_fragment(whole.fragment)}


def show_fragment(fragment: link.Fragment) -> Values:
    return {
        "link": fragment.kind.name.lower(),
        "password": fragment.password,
        "secret": fragment.secret.hex(),
    }


def pad_lengths(given: Values) -> Values:
    return {"padded": [padding.padded(length) for length in given["lengths"]]}


def lay_out(given: Values) -> Values:
    if "streams" in given:
        layouts = [content.Layout(length) for length in given["streams"]]
        return {
            "segments": [layout.segments for layout in layouts],
            "ciphertext": [layout.ciphertext_length for layout in layouts],
        }
    if "ciphertexts" in given:
        sizes = [part_size_for(length) for length in given["ciphertexts"]]
        pairs = zip(given["ciphertexts"], sizes, strict=True)
        return {"part_size": sizes, "parts": [part_count(length, size or 0) for length, size in pairs]}
    layout = content.Layout.of_content(given["length"])
    part_size = part_size_for(layout.ciphertext_length) or 0
    return {
        "padded": layout.stream_length,
        "segments": layout.segments,
        "ciphertext": layout.ciphertext_length,
        "part_size": part_size,
        "parts": part_count(layout.ciphertext_length, part_size),
    }


def stream(given: Values) -> Values:
    sealed = seal_stream(content_keys_of(given), long_bytes(given["plaintext"]))
    if "edits" not in given:
        assert open_stream(given, sealed) == long_bytes(given["plaintext"])
        return held(sealed)
    other = given.get("other")
    foreign = seal_stream(content_keys_of(other), long_bytes(other["plaintext"])) if other else b""
    delivered = damage(bytearray(sealed), given["edits"], foreign)
    assert len(delivered) == given["delivered"]["length"]
    assert hashlib.sha256(delivered).hexdigest() == given["delivered"]["sha256"]
    open_stream(given, delivered)
    return {}


def content_keys_of(given: Values) -> keys.ContentKeys:
    header = bytes.fromhex(given["content_header"])
    key, object_id = bytes.fromhex(given["content_key"]), bytes.fromhex(given["object_id"])
    return keys.ContentKeys(key, header[:32], header[32:], object_id)


def seal_stream(content_keys: keys.ContentKeys, plaintext: bytes) -> bytes:
    layout, sealer = content.Layout(len(plaintext)), content.Sealer(content_keys)
    out = memoryview(bytearray(layout.ciphertext_length))
    for segment in range(layout.segments):
        start, stop = layout.plain_range(segment)
        at, end = layout.cipher_range(segment)
        last = layout.is_last(segment)
        assert sealer.seal_into(segment, plaintext[start:stop], out[at:], last=last) == end - at
    return bytes(out)


def open_stream(given: Values, delivered: bytes) -> bytes:
    """Read as a transfer does: the announced length first, then segment by segment."""
    layout = content.Layout(given["plaintext"]["length"])
    content.check_length(layout, given.get("announced", len(delivered)))
    key = bytes.fromhex(given.get("reader_content_key", given["content_key"]))
    object_id = bytes.fromhex(given.get("reader_object_id", given["object_id"]))
    out = memoryview(bytearray(layout.stream_length))
    for segment in range(layout.segments):
        at, end = layout.cipher_range(segment)
        if end > len(delivered):
            raise content.truncated(segment)
        opener = content.Opener(key, object_id, delivered[: content.HEADER_SIZE])
        start, stop = layout.plain_range(segment)
        sealed = memoryview(delivered)[at:end]
        size = opener.open_into(segment, sealed, out[start:stop], last=layout.is_last(segment))
        assert size == stop - start
    return bytes(out)


def damage(data: bytearray, edits: list[Values], foreign: bytes) -> bytes:
    for edit in edits:
        match edit:
            case {"op": "flip", "at": at, "bit": bit}:
                data[at] ^= 1 << bit
            case {"op": "cut", "at": at}:
                del data[at:]
            case {"op": "append", "bytes": more}:
                data += bytes.fromhex(more)
            case {"op": "swap", "a": a, "b": b}:
                data[bounds(a)], data[bounds(b)] = data[bounds(b)], data[bounds(a)]
            case {"op": "drop", "segment": number}:
                del data[bounds(number)]
            case {"op": "double", "segment": number}:
                end = bounds(number).stop
                data[end:end] = data[bounds(number)]
            case {"op": "splice", "segment": number}:
                data[bounds(number)] = foreign[bounds(number)]
            case _:
                raise AssertionError(edit)
    return bytes(data)


def bounds(segment: int) -> slice:
    return slice(segment * 2**18, (segment + 1) * 2**18)


def held(ciphertext: bytes) -> Values:
    ends = [*range(2**18, len(ciphertext), 2**18), len(ciphertext)]
    shown = {"length": len(ciphertext), "sha256": hashlib.sha256(ciphertext).hexdigest()}
    return shown | ({"tags": [ciphertext[end - 16 : end].hex() for end in ends]} if len(ends) <= 4 else {})


def whole_content(given: Values) -> Values:
    owner = keys.Owner(bytes.fromhex(given["owner_secret"]))
    plaintext = b"".join(long_bytes(file) for file in given["files"])
    layout = content.Layout.of_content(len(plaintext))
    sealed = seal_stream(owner.content_keys(), plaintext.ljust(layout.stream_length, b"\0"))
    return {
        "object_id": owner.object_id.hex(),
        "length": len(plaintext),
        "padded": layout.stream_length,
        "plaintext_sha256": hashlib.sha256(plaintext).hexdigest(),
        "ciphertext": held(sealed),
    }


def open_capsule(given: Values) -> Values:
    """Open a capsule as a link does: unseal, parse, check. Then seal it again."""
    sealed = unb64u(given["capsule"])
    if "owner_secret" in given:
        owner = keys.Owner(bytes.fromhex(given["owner_secret"]))
        root, bound_to = owner.capsule_root, owner.object_id
        plaintext = capsule.unseal(root, bound_to, sealed)
        manifest.parse_for_owner(plaintext, owner)
    else:
        secret = bytes.fromhex(given["link_secret"])
        reader = keys.reader(secret, given.get("password"))
        root, bound_to = reader.root, reader.link_id
        plaintext = capsule.unseal(root, bound_to, sealed, password="password" in given)
        manifest.parse_for_link(plaintext, secret)
    text = plaintext.rstrip(b" \n")
    again = capsule.seal(root, bound_to, text, salt=sealed[1:33])
    return {"manifest": b64u(text), "canonical": again == sealed}


def read_manifest(given: Values) -> Values:
    plaintext = b"".join(manifest_piece(piece) for piece in given["plaintext"])
    if "owner_secret" in given:
        parsed = manifest.parse_for_owner(plaintext, keys.Owner(bytes.fromhex(given["owner_secret"])))
    else:
        parsed = manifest.parse_for_link(plaintext, bytes.fromhex(given["link_secret"]))
    assert parsed.object_id.hex() == given["object_id"]
    gives: Values = {
        "content_key": parsed.key.hex(),
        "owner_hash": parsed.owner_hash.hex(),
        "length": parsed.length,
        "ciphertext": parsed.layout.ciphertext_length,
        "files": show_files(parsed),
    }
    if parsed.note is not None:
        gives["note"] = parsed.note
    if parsed.links:
        gives["links"] = [{"n": str(one.number), "flags": int(one.password)} for one in parsed.links]
    return gives


def manifest_piece(piece: str | Values) -> bytes:
    if isinstance(piece, str):
        return unb64u(piece)
    if "repeat" in piece:
        return piece["repeat"].encode() * piece["times"]
    before, after = piece["count"].encode().split(b"#")
    return b"".join(b"%b%d%b" % (before, i, after) for i in range(piece["times"]))


def show_files(parsed: manifest.Manifest) -> list[Values]:
    shown, start = [], 0
    for entry in parsed.files:
        file = {"path": entry.path, "size": entry.size, "type": entry.type, "modified": entry.modified}
        shown.append({name: value for name, value in file.items() if value is not None} | {"start": start})
        start += entry.size
    return shown


def read_paths(given: Values) -> Values:
    """Read a manifest of empty files with these paths."""
    owner = keys.Owner(bytes(32))
    members = {
        "format": "consigne-manifest/1",
        "object": b64u(owner.object_id),
        "key": b64u(owner.content_key),
        "owner": b64u(owner.owner_hash),
        "seed": b64u(owner.link_seed(0)),
        "length": 0,
        "files": [{"path": path, "size": 0} for path in given["paths"]],
    }
    manifest.parse_for_link(json.dumps(members).encode(), owner.link_secret(0))
    return {}


KINDS = {
    "derivation": derivation,
    "link": parse_link,
    "padme": pad_lengths,
    "layout": lay_out,
    "stream": stream,
    "content": whole_content,
    "capsule": open_capsule,
    "manifest": read_manifest,
    "path": read_paths,
}


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.name)
def test_vector(path: Path) -> None:
    vector = load(path)
    act = KINDS[vector["kind"]]
    if vector["expect"] == "success":
        assert act(vector["given"]) == vector.get("gives", {})
        return
    with pytest.raises(ConsigneError) as caught:
        act(vector["given"])
    assert caught.value.code == vector["expect"]
    assert_it_is_said_in_sentences(caught.value)
    if "segment" in vector:
        assert getattr(caught.value, "segment", None) == vector["segment"]


def assert_it_is_said_in_sentences(error: ConsigneError) -> None:
    """What happened and what to do, each a sentence, and a manifest's fault behind a colon."""
    for sentence in (str(error), error.hint):
        assert re.fullmatch(r"[A-Z][a-z` ][^\n]*[A-Za-z0-9`)#]\.", sentence), sentence
        assert sum(map(str.isupper, sentence)) <= 8, sentence
    if error.code == "manifest-invalid":
        assert re.search(r"is invalid: [a-z`][a-z` ].*[A-Za-z`0-9]\.\Z", str(error)), str(error)
    assert getattr(error, "segment", None) is None or str(error.segment) in str(error)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "path", [p for p in VECTORS if p.name.startswith("path-")], ids=lambda path: path.name
)
def test_a_writer_lists_every_refused_path(path: Path) -> None:
    vector = load(path)
    listed = vector["given"]["paths"]
    assert [one for one in listed if paths.refusal(one) is not None] == vector.get("refused", [])
    only_together = vector["expect"] != "success" and not vector["refused"]
    assert (paths.conflict(listed) is not None) == only_together


# ---------------------------------------------------------------- the vectors themselves


def test_generator_writes_the_same_again() -> None:
    command = [sys.executable, "-B", str(SPEC / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_generator_imports_nothing_of_the_package() -> None:
    for source in SPEC.glob("generate*.py"):
        lines = source.read_text(encoding="utf-8").splitlines()
        imports = [line for line in lines if line.startswith(("import ", "from "))]
        assert not [line for line in imports if "consigne" in line]


def test_each_file_holds_one_scenario_with_its_outcome_first() -> None:
    assert len(VECTORS) >= 80
    for path in VECTORS:
        vector = load(path)
        assert list(vector)[:3] == ["expect", "about", "kind"]
        assert path.name.startswith(f"{vector['kind']}-")
        assert vector["about"].endswith(".")


def test_each_failure_class_has_a_vector() -> None:
    shown = {load(path)["expect"] for path in VECTORS}
    assert shown == (FAILURE_CLASSES - ONLY_A_TRANSFER_SHOWS) | REFUSALS_OF_A_WRITER | {"success"}

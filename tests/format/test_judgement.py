"""What vectors cannot show: exact bounds that are too large to write out, reasons, and what is written."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from consigne.errors import AuthenticityError, ConsigneError, UsageError
from consigne.format import capsule, content, keys, link, manifest, padding, paths, strict_json
from consigne.format.manifest import FileEntry, LinkEntry, Manifest
from consigne.protocol import MAX_CAPSULE, MIB

OWNER = keys.Owner(bytes(range(32)))
WHOLE = Manifest(
    object_id=OWNER.object_id,
    key=OWNER.content_key,
    owner_hash=OWNER.owner_hash,
    length=3,
    files=(FileEntry("a", 1, "text/plain", "2026-11-23T10:00:00Z"), FileEntry("b", 2)),
    note="\u00e9",
    seed=OWNER.link_seed(0),
)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "it is empty"),
        ("/", "it is empty"),
        ("/a", "it is absolute"),
        ("a\\b", "it has a backslash"),
        ("a\0b", "it has a control or direction character, or is not valid Unicode"),
        ("a//b", "a component is empty, `.` or `..`"),
        ("..", "a component is empty, `.` or `..`"),
        ("a/" * 2049, "it is longer than 4096 bytes"),
        ("\u00e9" * 128, "a component is longer than 255 bytes"),
        ("\U0001f9f3" * 64, "a component is longer than 255 bytes"),
        ("\U0001f9f3" * 63 + "abc", None),
        ("a" * 64, None),
        ("...", None),
    ],
)
def test_a_refused_path_is_told_why(path: str, reason: str | None) -> None:
    assert paths.refusal(path) == reason


@pytest.mark.parametrize(
    ("listed", "first"),
    [
        (["a", "b/c", "b"], "b"),
        (["b/c", "x", "b/c"], "b/c"),
        (["a/b/", "a/b/"], "a/b/"),
        (["a/b/", "a/b"], "a/b"),
        (["a/b", "a/b/c/d"], "a/b"),
        (["a/", "a/b", "a/c/", "a/c/d"], None),
        (["a", "a!", "a-/b", "ab/c"], None),
        ([], None),
    ],
)
def test_which_path_is_in_the_way(listed: list[str], first: str | None) -> None:
    assert paths.conflict(listed) == first


def test_a_manifest_is_written_compactly_and_read_back() -> None:
    written = manifest.encode(WHOLE)
    assert list(json.loads(written)) == [
        "format",
        "object",
        "key",
        "owner",
        "length",
        "files",
        "seed",
        "note",
    ]
    assert written.endswith(b'"note":"\xc3\xa9"}')
    assert b" " not in written
    assert b'{"path":"b","size":2}' in written
    assert manifest.parse_for_link(written, OWNER.link_secret(0)) == WHOLE


def test_an_owners_manifest_is_written_with_its_links_and_read_back() -> None:
    owners = replace(
        WHOLE, seed=None, links=(LinkEntry(0, password=False), LinkEntry(2**63 - 1, password=True))
    )
    written = manifest.encode(owners)
    assert b'"links":[{"n":"0","flags":0},{"n":"9223372036854775807","flags":1}]' in written
    assert manifest.parse_for_owner(written, OWNER) == owners
    with pytest.raises(AuthenticityError) as caught:
        manifest.parse_for_owner(written, keys.Owner(bytes(32)))
    assert str(caught.value) == "The link's manifest is invalid: it belongs to another object."
    with pytest.raises(AuthenticityError, match="it lacks the link's seed"):
        manifest.parse_for_link(written, OWNER.link_secret(0))


@pytest.mark.parametrize("number", [math.nan, math.inf, "\ud800"])
def test_nothing_is_written_that_no_reader_takes(number: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        strict_json.serialise({"a": number})


def test_the_number_of_files_is_bounded_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "MAX_FILES", 2)
    manifest.parse_for_link(manifest.encode(WHOLE), OWNER.link_secret(0))
    monkeypatch.setattr(manifest, "MAX_FILES", 1)
    with pytest.raises(AuthenticityError, match="it lists too many files"):
        manifest.parse_for_link(manifest.encode(WHOLE), OWNER.link_secret(0))


def test_a_capsule_is_bounded_exactly() -> None:
    secret, salt, largest = bytes(32), bytes(range(32)), 64 * MIB
    sealed = capsule.seal(secret, b"id", b" " * largest, salt)
    assert len(sealed) == MAX_CAPSULE
    assert len(capsule.unseal(secret, b"id", sealed)) == largest
    with pytest.raises(UsageError) as caught:
        capsule.seal(secret, b"id", b" " * (largest + 1), salt)
    assert caught.value.code == "content-too-large"
    assert str(caught.value) == "The list of files is over 64 MiB."
    assert caught.value.hint == "Give fewer files in one upload."
    with pytest.raises(AuthenticityError) as tampered:
        capsule.unseal(secret, b"id", sealed + b"\0")
    assert tampered.value.code == "capsule-tampered"


def test_a_content_is_bounded_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    at_most = content.Layout.of_content(10 * content.CAPACITY).segments
    monkeypatch.setattr(content, "MAX_SEGMENTS", at_most)
    assert content.Layout.of_content(10 * content.CAPACITY).segments == at_most
    monkeypatch.setattr(content, "MAX_SEGMENTS", at_most - 1)
    with pytest.raises(UsageError):
        content.Layout.of_content(10 * content.CAPACITY)


def test_what_is_missing_is_named() -> None:
    missing = content.truncated(3)
    assert (missing.code, missing.segment) == ("content-truncated", 3)
    assert str(missing) == "The content ends early, in segment 3."


EDGES = [content.FIRST_CAPACITY + more * content.CAPACITY for more in range(4)]


@pytest.mark.parametrize(
    "offset", [0, 1, *(edge + beside for edge in EDGES for beside in (-41, -40, -1, 0, 1))]
)
def test_each_byte_lies_in_one_segment(offset: int) -> None:
    layout = content.Layout(EDGES[-1] + 100)
    start, stop = layout.plain_range(layout.segment_at(offset))
    assert start <= offset < stop
    assert [layout.plain_start(number) for number in range(5)] == [0, *EDGES]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'"\\ud800"', "it holds text that is not Unicode"),
        (b"{", "it is not strict JSON"),
        (b"[" * 17 + b"]" * 17, "it is nested too deeply"),
    ],
)
def test_json_that_is_refused_is_told_why(data: bytes, reason: str) -> None:
    with pytest.raises(AuthenticityError, match=f": {reason}\\."):
        strict_json.parse(data)


def test_a_time_that_is_none_is_told_so() -> None:
    wrong = replace(WHOLE, files=(FileEntry("a", 3, None, "today"),))
    with pytest.raises(AuthenticityError, match=r": a time is not RFC 3339 in UTC\."):
        manifest.parse_for_link(manifest.encode(wrong), OWNER.link_secret(0))


@pytest.mark.parametrize(("base", "fine"), [("https://h", True), ("https://h/", False), ("h", False)])
def test_which_addresses_links_are_made_of(base: str, *, fine: bool) -> None:
    assert link.is_base(base) == fine


@pytest.mark.parametrize("length", range(1, 70))
def test_padding_keeps_the_highest_bits(length: int) -> None:
    """Padmé as its paper writes it, with floating point, where that is still exact."""
    exponent = math.floor(math.log2(length))
    low = exponent - (math.floor(math.log2(exponent)) + 1) if exponent else 0
    assert padding.padme(length) == -(-length // 2**low) * 2**low


def test_a_link_of_another_kind_is_told_which() -> None:
    fragment = link.Fragment(link.Kind.MANAGE, OWNER.secret)
    with pytest.raises(ConsigneError) as caught:
        link.parse_link(link.Link("https://h", fragment).encode(), link.Kind.DOWNLOAD)
    assert str(caught.value) == "This is a manage link; a download link is needed here."


def test_links_are_written_on_purpose_only() -> None:
    whole = link.Link("https://h", link.Fragment(link.Kind.MANAGE, OWNER.secret))
    for text in (str(whole), f"{whole}", repr(whole)):
        assert text == "<manage link>"
    assert whole.encode() == f"https://h/m#{whole.fragment.encode()}"

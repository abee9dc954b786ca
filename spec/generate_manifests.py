"""Vectors of manifests: what a reader takes, and everything that it must refuse."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from generate_primitives import (
    Owner,
    Vector,
    b64u,
    base_manifest,
    ciphertext_length,
    label_bytes,
    padded,
    to_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNER = Owner(label_bytes("manifest/owner"))
OTHER = Owner(label_bytes("manifest/other"))
NOTE = "For the archive.\nTwo lines, \u2018quoted\u2019, \U0001f9f3."

Piece = str | dict[str, object]
"""A part of a manifest's bytes: base64url, or a text and how often it comes."""


def _file(path: str = "a.txt", size: int = 3, **more: object) -> dict[str, object]:
    return {"path": path, "size": size, **more}


def _members(*files: dict[str, object], **more: object) -> dict[str, Any]:
    """Write the members of a good manifest; `more` adds to them or replaces them."""
    return base_manifest(OWNER, 0, list(files) or [_file()]) | more


GOOD = to_json(_members())
COMMAS_LEFT = 5_500_000 - GOOD.count(b",") - 1  # behind GOOD and one more member


def _raw(old: str, new: bytes | str, count: int = 1) -> bytes:
    """Replace a text that stands in the good manifest, with bytes that need be neither UTF-8 nor JSON."""
    before = old.encode()
    if before not in GOOD:
        raise ValueError(old)
    return GOOD.replace(before, new.encode() if isinstance(new, str) else new, count)


def _with(member: bytes | str) -> bytes:
    """Put a raw member at the end of the good manifest."""
    return GOOD[:-1] + b"," + (member.encode() if isinstance(member, str) else member) + b"}"


def _size(number: str) -> bytes:
    """Write a number as it stands where a size is expected, twice, so that the sum agrees."""
    return _raw('"length":3', f'"length":{number}').replace(b'"size":3', b'"size":' + number.encode())


def manifests() -> Iterator[tuple[str, Vector]]:
    """Give manifests that are taken, then those that are not."""
    for name, (about, members) in _accepted().items():
        yield name, _taken(about, members, to_json(members))
    for name, (about, raw) in _accepted_texts().items():
        yield name, _taken(about, json.loads(raw), raw)
    yield "owner", _owner_manifest()
    for group in (_encodings, _numbers, _names_and_texts, _shapes, _members_missing, _members_wrong):
        for name, (about, raw) in group().items():
            yield name, _vector("manifest-invalid", about, [b64u(raw)])
    for name, (about, members) in _claims().items():
        yield name, _vector("manifest-invalid", about, [b64u(to_json(members))])
    yield from _generated()
    yield from _newer()
    yield from _others()


def _vector(expect: str, about: str, pieces: list[Piece], **given: str) -> Vector:
    reader = given or {"link_secret": OWNER.link_secret(0).hex()}
    known = {"object_id": OWNER.object_id.hex(), **reader, "plaintext": pieces}
    return {"expect": expect, "about": about, "kind": "manifest", "given": known}


def _taken(about: str, members: dict[str, Any], raw: bytes, **given: str) -> Vector:
    length = members["length"]
    files, start = [], 0
    for entry in members["files"]:
        known = {name: entry[name] for name in ("path", "size", "type", "modified") if name in entry}
        files.append(known | {"start": start})
        start += entry["size"]
    gives: dict[str, object] = {
        "content_key": OWNER.content_key.hex(),
        "owner_hash": OWNER.hash.hex(),
        "length": length,
        "ciphertext": ciphertext_length(padded(length)),
        "files": files,
    }
    gives |= {name: members[name] for name in ("note", "links") if name in members}
    return _vector("success", about, [b64u(raw)], **given) | {"gives": gives}


def _owner_manifest() -> Vector:
    members = _members()
    del members["seed"]
    members["links"] = [
        {"n": "0", "flags": 0},
        {"n": str(2**63 - 1), "flags": 1},
        {"n": "4503599627370497", "flags": 0},
    ]
    about = "The manifest of an owner capsule: no seed; n is text, since JSON numbers end at 2^53 - 1."
    return _taken(about, members, to_json(members), owner_secret=OWNER.secret.hex())


# ---------------------------------------------------------------- taken


def _accepted() -> dict[str, tuple[str, dict[str, Any]]]:
    tree = [_file("top/a.txt", 5), _file("top/deep/er/b.bin", 0), _file("top/deep/c", 7), _file("d", 1)]
    folders = [_file("empty/", 0), _file("full/of/nothing/", 0), _file("x", 2)]
    times = [
        _file(type="text/plain", modified="2026-11-23T10:00:00Z"),
        _file("b", 0, modified="1969-07-20T20:17:40.123456789Z"),
    ]
    deep: object = []
    for _ in range(14):
        deep = [deep]
    unknown = {"later": {"a": [True, False, None, 0, 2**53 - 1, "x"]}, "more": None}
    return {
        "minimal": ("One file and the required members.", _members()),
        "empty-file": ("A share of one empty file.", _members(_file("empty", 0))),
        "tree": ("Files in folders: each starts where the one before it ends.", _members(*tree)),
        "empty-folders": ("Folders without files: a final / and size 0.", _members(*folders)),
        "folder-and-file-in-it": (
            "A folder entry and a file in that folder.",
            _members(_file("a/", 0), _file("a/b")),
        ),
        "type-and-modified": ("The optional members of a file.", _members(*times)),
        "note": ("A note of several lines.", _members(note=NOTE)),
        "note-empty": ("An empty note is a note.", _members(note="")),
        "note-html": (
            "A note is plain text, whatever it looks like.",
            _members(note="<b>&amp;</b>\u0000\u202e"),
        ),
        "unknown-members": (
            "Unknown members are ignored.",
            _members(_file(mode="0644", tags=[1]), **unknown),
        ),
        "critical-empty": ("`critical` may be empty.", _members(critical=[])),
        "critical-known": (
            "`critical` may name what this reader knows.",
            _members(critical=["files", "note", "links"]),
        ),
        "depth-16": ("Sixteen levels, the manifest's own object counted.", _members(deep=deep)),
        "proto": (
            "`__proto__` is a name like any other.",
            _members(_file("__proto__", 3, __proto__={"size": 9})),
        ),
        "same-name-elsewhere": (
            "The same name in different objects is no double.",
            _members(path="x", size=[{"size": 1}]),
        ),
        "large": ("A share of 600 GB.", _members(_file("disk.img", 600_000_000_000))),
        "largest": (
            "The longest content that format 1 can hold.",
            _members(_file("disk.img", 670_014_898_176)),
        ),
        "owner-members": (
            "`links` in a link's manifest is of no use, but well-formed.",
            _members(links=[{"n": "1", "flags": 0}]),
        ),
    }


def _accepted_texts() -> dict[str, tuple[str, bytes]]:
    pretty = json.dumps(_members(note=NOTE), indent=2).replace("\n", "\r\n\t").encode()
    reordered = to_json(dict(reversed(_members().items())))
    return {
        "pretty-printed": ("White space between tokens, and every character above ASCII escaped.", pretty),
        "other-order": ("The order of members means nothing.", reordered),
        "escaped-names": ("Names are compared after unescaping.", _raw('"format"', '"\\u0066orm\\u0061t"')),
        "escaped-pair": ("A surrogate pair by escapes is one character.", _with('"note":"\\ud83e\\uddf3"')),
        "escaped-backslash": ("An escaped backslash before u is no escape.", _with('"note":"\\\\ud83e"')),
        "spaces-around": (
            "White space before and after the manifest.",
            b" \t\r\n" + GOOD + b"\n" + b" " * 50,
        ),
        "zero-in-unknown": ("0 is a number.", _with('"later":[0,1,10,9007199254740991]')),
        "noncharacter": ("Noncharacters are characters of UTF-8.", _with('"note":"\uffff\U0010ffff"')),
    }


# ---------------------------------------------------------------- refused


def _encodings() -> dict[str, tuple[str, bytes]]:
    text = GOOD.decode()
    return {
        "utf-16-le": ("UTF-16, little-endian, without a byte order mark.", text.encode("utf-16-le")),
        "utf-16-be": ("UTF-16, big-endian, without a byte order mark.", text.encode("utf-16-be")),
        "utf-16-bom": ("UTF-16 with a byte order mark.", b"\xff\xfe" + text.encode("utf-16-le")),
        "utf-32": ("UTF-32.", text.encode("utf-32-le")),
        "bom": ("A byte order mark in UTF-8.", b"\xef\xbb\xbf" + GOOD),
        "bom-after-space": ("A byte order mark is no white space.", b" \xef\xbb\xbf" + GOOD),
        "no-break-space": ("A no-break space is no white space of JSON.", GOOD + b"\xc2\xa0"),
        "not-utf-8": ("The byte 0xff.", _with(b'"note":"\xff"')),
        "overlong": ("A slash in two bytes.", _with(b'"note":"\xc0\xaf"')),
        "cut-character": ("A character that is cut.", _with(b'"note":"\xe2\x80"')),
        "above-unicode": ("A character above U+10FFFF.", _with(b'"note":"\xf4\x90\x80\x80"')),
        "surrogate-raw": ("A lone surrogate in three bytes.", _with(b'"note":"\xed\xa0\xbd"')),
        "surrogate-raw-pair": (
            "A surrogate pair in six bytes (CESU-8).",
            _with(b'"note":"\xed\xa0\xbd\xed\xb8\x80"'),
        ),
        "surrogate-raw-name": ("A lone surrogate in a name.", _with(b'"\xed\xa0\xbd":1')),
    }


def _numbers() -> dict[str, tuple[str, bytes]]:
    sizes = {
        "nan": ("NaN", "NaN is no JSON."),
        "infinity": ("Infinity", "Infinity is no JSON."),
        "minus-infinity": ("-Infinity", "-Infinity is no JSON."),
        "true": ("true", "`true` is no number."),
        "null": ("null", "`null` is no number."),
        "text": ('"3"', "A number in quotes is no number."),
        "fraction": ("3.0", "3.0 is not written as a whole number."),
        "half": ("0.5", "Half a byte."),
        "exponent": ("3e0", "An exponent."),
        "exponent-1e3": ("1e3", "An exponent, with a whole value."),
        "exponent-huge": ("1e400", "A number that becomes infinite."),
        "minus-one": ("-1", "A negative size."),
        "minus-zero": ("-0", "Minus zero."),
        "leading-zero": ("03", "A leading zero."),
        "plus": ("+3", "A plus sign."),
        "hexadecimal": ("0x3", "Hexadecimal is no JSON."),
        "full-width": ("\uff13", "A digit that is not ASCII."),
        "underscore": ("1_000", "An underscore between digits."),
        "2-53": ("9007199254740992", "2^53: the first whole number that binary64 confuses with another."),
        "2-53-fraction": ("9007199254740991.4", "A fraction that binary64 rounds to 2^53 - 1."),
        "17-digits": ("10000000000000000", "Seventeen digits."),
        "2-60": ("1152921504606846976", "2^60 bytes."),
        "2-64": ("18446744073709551619", "2^64 + 3: 3 where integers wrap around."),
        "many-digits": ("9" * 5000, "Five thousand digits."),
    }
    refused = {f"number-{name}": (about, _size(number)) for name, (number, about) in sizes.items()}
    others = {
        "number-unknown-fraction": (
            "Numbers of unknown members are numbers too.",
            _with('"later":{"a":[1.5]}'),
        ),
        "number-unknown-large": ("A large number in an unknown member.", _with('"later":9007199254740992')),
        "number-unknown-minus": ("A negative number in an unknown member.", _with('"later":-1')),
        "number-unknown-nan": ("NaN in an unknown member.", _with('"later":[NaN]')),
    }
    return refused | others


def _names_and_texts() -> dict[str, tuple[str, bytes]]:
    return {
        "doubled-name": ("A top-level name stands twice, with the same value.", _with('"length":3')),
        "doubled-escaped": ("A top-level name stands twice, once by an escape.", _with('"l\\u0065ngth":4')),
        "doubled-in-file": ("A name in a file entry stands twice.", _raw('"size":3', '"size":3,"size":4')),
        "doubled-in-file-escaped": (
            "A name in a file entry stands twice, once by an escape.",
            _raw('"path":"a.txt"', '"path":"a.txt","p\\u0061th":"b.txt"'),
        ),
        "doubled-in-unknown": (
            "A name stands twice inside an unknown member.",
            _with('"later":[{"a":1,"\\u0061":1}]'),
        ),
        "doubled-proto": ("`__proto__` stands twice.", _with('"__proto__":1,"__proto__":1')),
        "doubled-empty": ("The empty name stands twice.", _with('"":1,"":2')),
        "surrogate-high": ("An escaped lone high surrogate in a value.", _with('"note":"\\ud83d"')),
        "surrogate-low": ("An escaped lone low surrogate in a value.", _with('"note":"\\uDE00"')),
        "surrogate-reversed": ("An escaped pair, the wrong way round.", _with('"note":"\\ude00\\ud83d"')),
        "surrogate-name": ("An escaped lone surrogate in a name.", _with('"\\ud83d":1')),
        "surrogate-path": ("An escaped lone surrogate in a path.", _raw('"a.txt"', '"a\\ud800.txt"')),
        "surrogate-unknown": (
            "An escaped lone surrogate in an unknown member.",
            _with('"later":[["\\ud83d"]]'),
        ),
        "line-feed-in-text": ("A raw line feed inside a text.", _with('"note":"a\nb"')),
        "nul-in-text": ("A raw U+0000 inside a text.", _with('"note":"a\x00b"')),
        "unknown-escape": ("An escape that JSON does not know.", _with('"note":"\\x41"')),
        "short-escape": ("An escape with too few digits.", _with('"note":"\\u41"')),
    }


def _shapes() -> dict[str, tuple[str, bytes]]:
    return {
        "empty": ("No byte at all.", b""),
        "white-space": ("White space and nothing else.", b" \n "),
        "array": ("An array around the manifest.", b"[" + GOOD + b"]"),
        "text": ("A text that holds the manifest.", json.dumps(GOOD.decode()).encode()),
        "null": ("`null`.", b"null"),
        "number": ("A number.", b"1"),
        "cut": ("The last byte is missing.", GOOD[:-1]),
        "trailing-text": ("Something follows the manifest.", GOOD + b" x"),
        "trailing-manifest": ("The manifest comes twice.", GOOD + GOOD),
        "trailing-nul": ("A zero byte follows the manifest.", GOOD + b"\0"),
        "leading-text": ("Something comes before the manifest.", b"//\n" + GOOD),
        "comment": ("A comment.", _raw('"length"', '/* bytes */"length"')),
        "trailing-comma": ("A comma after the last member.", GOOD[:-1] + b",}"),
        "single-quotes": ("Single quotes.", GOOD.replace(b'"', b"'")),
        "unquoted-name": ("A name without quotes.", _raw('"length"', "length")),
        "undefined": ("`undefined` is no JSON.", _with('"later":undefined')),
        "python": ("`None` is no JSON.", _with('"later":None')),
    }


def _members_missing() -> dict[str, tuple[str, bytes]]:
    cases = {}
    for name in ("format", "object", "key", "owner", "seed", "length", "files"):
        members = _members()
        del members[name]
        cases[f"without-{name}"] = (f"The member `{name}` is missing.", to_json(members))
    for name in ("path", "size"):
        entry = _file()
        del entry[name]
        cases[f"file-without-{name}"] = (
            f"A file's member `{name}` is missing.",
            to_json(_members() | {"files": [entry]}),
        )
    return cases


def _members_wrong() -> dict[str, tuple[str, bytes]]:
    key = b64u(OWNER.content_key)
    last = "_" if key[-1] != "_" else "-"
    values: dict[str, tuple[str, str, object]] = {
        "format-number": ("`format` is a number.", "format", 1),
        "object-null": ("`object` is null.", "object", None),
        "key-short": ("`key` has 31 bytes.", "key", b64u(OWNER.content_key[:31])),
        "key-long": ("`key` has 33 bytes.", "key", b64u(OWNER.content_key + b"\0")),
        "key-padding": ("`key` has padding.", "key", key + "="),
        "key-hex": ("`key` is written in hex.", "key", OWNER.content_key.hex()),
        "key-last-character": (
            "The last character of `key` carries bits that must be zero.",
            "key",
            key[:-1] + last,
        ),
        "key-space": ("`key` ends with a line feed.", "key", key + "\n"),
        "key-standard-alphabet": ("`key` holds + and /.", "key", "+/" + key[2:]),
        "seed-number": ("`seed` is a number.", "seed", 0),
        "seed-null": ("`seed` is null.", "seed", None),
        "files-empty": ("A share holds at least one entry.", "files", []),
        "files-object": ("`files` is an object.", "files", {"0": _file()}),
        "files-text": ("A file is a text.", "files", ["a.txt"]),
        "files-null": ("A file is null.", "files", [None, _file()]),
        "path-number": ("A path is a number.", "files", [{"path": 1, "size": 3}]),
        "path-null": ("A path is null.", "files", [{"path": None, "size": 3}]),
        "type-number": ("`type` is a number.", "files", [_file(type=1)]),
        "modified-null": ("`modified` is null; it should be left out.", "files", [_file(modified=None)]),
        "modified-number": ("`modified` is a number.", "files", [_file(modified=1795428000)]),
        "modified-zone": (
            "`modified` is not in UTC.",
            "files",
            [_file(modified="2026-11-23T10:00:00+01:00")],
        ),
        "modified-date": ("`modified` is a date without a time.", "files", [_file(modified="2026-11-23")]),
        "modified-lower-case": (
            "`modified` is in lower case.",
            "files",
            [_file(modified="2026-11-23t10:00:00z")],
        ),
        "modified-line-feed": (
            "`modified` ends with a line feed.",
            "files",
            [_file(modified="2026-11-23T10:00:00Z\n")],
        ),
        "modified-digits": (
            "`modified` has ten digits after the point.",
            "files",
            [_file(modified="2026-11-23T10:00:00.0123456789Z")],
        ),
        "note-number": ("`note` is a number.", "note", 1),
        "note-null": ("`note` is null; it should be left out.", "note", None),
        "note-object": ("`note` is an object.", "note", {"text": "x"}),
        "critical-text": ("`critical` is a text.", "critical", "files"),
        "critical-number": ("`critical` holds a number.", "critical", ["files", 1]),
        "links-object": ("`links` is an object.", "links", {}),
        "links-entry": ("A link is a number.", "links", [0]),
        "links-entry-null": ("A link is null.", "links", [None]),
        "links-flags-null": ("A link's flags are `null`.", "links", [{"n": "0", "flags": None}]),
        "links-number": ("n is a JSON number.", "links", [{"n": 0, "flags": 0}]),
        "links-leading-zero": ("n has a leading zero.", "links", [{"n": "01", "flags": 0}]),
        "links-64-bits": ("n is 2^63: one bit too many.", "links", [{"n": str(2**63), "flags": 0}]),
        "links-flags": ("A link has an unknown flag.", "links", [{"n": "0", "flags": 2}]),
        "links-flags-true": ("A link's flags are `true`.", "links", [{"n": "0", "flags": True}]),
    }
    return {
        f"wrong-{name}": (about, to_json(_members() | {member: value}))
        for name, (about, member, value) in values.items()
    }


def _claims() -> dict[str, tuple[str, dict[str, Any]]]:
    """Manifests whose form is good, and whose claims are not."""
    too_long = 670_014_898_177
    halves = [_file("a", 2**53 - 1), _file("b", 2**53 - 1)]
    return {
        "sum-less": ("The sizes sum up to less than `length`.", _members(length=4)),
        "sum-more": ("The sizes sum up to more than `length`.", _members(length=2)),
        "sum-of-none": ("A `length` with an empty file.", _members(_file("a", 0), length=1)),
        "sum-of-no-files": ("No file at all, and a `length` that agrees.", _members(length=0, files=[])),
        "sum-rounded": (
            "Sizes whose sum binary64 rounds to `length`.",
            _members(_file("a", 2**53 - 1), _file("b", 2), length=2**53 - 1),
        ),
        "sum-overflow": ("Sizes whose sum is above 2^53 - 1.", _members(*halves, length=2**53 - 1)),
        "folder-with-size": ("A folder has a size.", _members(_file("a/", 3))),
        "too-long": ("One byte more than the longest content.", _members(_file("a", too_long))),
        "too-long-2-53": ("The largest number, as a size.", _members(_file("a", 2**53 - 1))),
        "other-object": ("`object` is another one.", _members(object=b64u(OTHER.object_id))),
        "other-key": (
            "`key` is another one: the object does not follow from it.",
            _members(key=b64u(OTHER.content_key)),
        ),
        "other-owner": ("`owner` is another one.", _members(owner=b64u(OTHER.hash))),
        "other-seed": (
            "`seed` is that of another link: this link's secret does not follow.",
            _members(seed=b64u(OWNER.seed(1))),
        ),
        "other-share": (
            "Object, key and owner agree with each other, but are of another object.",
            _members(object=b64u(OTHER.object_id), key=b64u(OTHER.content_key), owner=b64u(OTHER.hash)),
        ),
        "paths-equal": ("Two equal paths.", _members(_file("a"), _file("a"))),
        "path-parent": ("A path that leaves the folder.", _members(_file("../../x"))),
        "path-absolute": ("An absolute path.", _members(_file("/etc/x"))),
    }


def _generated() -> Iterator[tuple[str, Vector]]:
    """Give manifests that are too long to be written out."""
    head, tail = b64u(GOOD[:-1] + b',"deep":'), b64u(b"}")
    cases: dict[str, tuple[str, list[Piece]]] = {
        "depth-17": ("Seventeen levels.", [head, _times("[", 16), _times("]", 16), tail]),
        "depth-17-objects": (
            "Seventeen levels of objects.",
            [head, _times('{"a":', 15), b64u(b"{}"), _times("}", 15), tail],
        ),
        "depth-100000": (
            "A hundred thousand levels.",
            [head, _times("[", 100_000), _times("]", 100_000), tail],
        ),
        "depth-open": (
            "A hundred thousand levels that are never closed, and nothing else.",
            [_times("[", 100_000)],
        ),
        "depth-objects": (
            "A hundred thousand levels of objects.",
            [head, _times('{"a":', 100_000), b64u(b"0"), _times("}", 100_000), tail],
        ),
        "containers": (
            "1,100,001 objects and arrays in all, most of them empty.",
            [head, b64u(b"["), _times("[],", 1_100_000 - 4), b64u(b"[]]"), tail],
        ),
        "commas": (
            "5,500,001 commas between values in all.",
            [head, b64u(b"["), _times('"",', COMMAS_LEFT + 1), b64u(b"0]"), tail],
        ),
        "text-unclosed": (
            "A text that never closes, behind more brackets than there may be: a million escaped marks.",
            [_times("[", 1_100_001), b64u(b'"'), _times('\\"', 1_000_000)],
        ),
        "text-unclosed-escape": (
            "It ends within an escape.",
            [_times("[", 1_100_001), b64u(b'"\\')],
        ),
    }
    for name, (about, pieces) in cases.items():
        yield name, _vector("manifest-invalid", about, pieces)
    for name, (about, pieces) in {
        "commas-most": (
            "5,500,000 commas between values in all, and one in a text.",
            [head, b64u(b"["), _times('"",', COMMAS_LEFT), b64u(b'","]'), tail],
        ),
        "signs-in-texts": (
            "Brackets and commas in texts are not counted, behind escaped marks either.",
            [head, b64u(b'["'), _times("[,{", 6_000_000), _times('\\"[', 10), b64u(b'\\\\",[","]]'), tail],
        ),
    }.items():
        vector = _taken(about, _members(), GOOD)
        vector["given"]["plaintext"] = pieces
        yield name, vector
    start, end = to_json(_members(length=0)).split(b'{"path":"a.txt","size":3}')
    counted: Piece = {"count": '{"path":"#","size":0},', "times": 1_000_000}
    pieces = [b64u(start), counted, b64u(b'{"path":"one more","size":0}' + end)]
    yield "million-and-one", _vector("manifest-invalid", "1,000,001 files.", pieces)


def _times(text: str, times: int) -> Piece:
    return {"repeat": text, "times": times}


def _newer() -> Iterator[tuple[str, Vector]]:
    cases: dict[str, tuple[str, dict[str, Any]]] = {
        "critical-unknown": (
            "`critical` names a member that is unknown.",
            _members(later=1, critical=["later"]),
        ),
        "critical-absent": (
            "`critical` names an unknown member that is not even there.",
            _members(critical=["later"]),
        ),
        "critical-one-unknown": (
            "`critical` names known members and an unknown one.",
            _members(critical=["files", "later"]),
        ),
        "critical-case": ("Names are compared to the letter.", _members(critical=["Files"])),
        "critical-file-member": (
            "`critical` names top-level members only: `path` is none.",
            _members(critical=["path"]),
        ),
        "critical-proto": ("`__proto__` is no member that a reader knows.", _members(critical=["__proto__"])),
        "format-2": ("Another format.", _members(format="consigne-manifest/2")),
        "format-empty": ("A format without a name is another format.", _members(format="")),
        "format-only": (
            "Another format may have other members: `format` is judged first.",
            {"format": "consigne-manifest/2"},
        ),
        "critical-first": (
            "`critical` is judged before the members that are required: this one lacks all of them.",
            {"format": "consigne-manifest/1", "critical": ["later"]},
        ),
        "format-and-critical": (
            "Another format and an unknown member.",
            {"format": "consigne-manifest/9", "critical": ["later"]},
        ),
    }
    for name, (about, members) in cases.items():
        yield f"newer-{name}", _vector("manifest-newer", about, [b64u(to_json(members))])
    about = "Another format, but no strict JSON: nothing is judged before that."
    raw = to_json({"format": "consigne-manifest/2"})[:-1] + b',"a":1.5}'
    yield "not-newer-fraction", _vector("manifest-invalid", about, [b64u(raw)])


def _others() -> Iterator[tuple[str, Vector]]:
    """Give good manifests, read with something else than their own link."""
    invalid = "manifest-invalid"
    second = OWNER.link_secret(1).hex()
    yield (
        "for-other-link",
        _vector(
            invalid, "A manifest read with another link of the same object.", [b64u(GOOD)], link_secret=second
        ),
    )
    stranger = OTHER.link_secret(0).hex()
    yield (
        "for-other-object",
        _vector(
            invalid, "A manifest read with a link of another object.", [b64u(GOOD)], link_secret=stranger
        ),
    )
    members = _members()
    del members["seed"]
    members["links"] = [{"n": "0", "flags": 0}]
    given = {"owner_secret": OTHER.secret.hex()}
    about = "An owner's manifest, read with the secret of another owner."
    yield "owner-other", _vector(invalid, about, [b64u(to_json(members))], **given)

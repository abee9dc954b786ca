"""The manifest: names, sizes, key. What a capsule holds, and what a reader checks of it.

Parsing believes nothing: types, bounds, paths, the sum of the sizes; then that the
object follows from key and owner, and the link's secret from seed and object.
Only after that may anything be allocated or fetched.
"""

from __future__ import annotations

import hmac
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from consigne.errors import AuthenticityError, ConsigneError
from consigne.format import keys, paths, strict_json
from consigne.format.content import Layout
from consigne.format.secret import Secret
from consigne.format.strict_json import invalid
from consigne.protocol import b64u, derive_object_id, unb64u

FORMAT: Final = "consigne-manifest/1"
MAX_FILES: Final = 1_000_000
KNOWN: Final = frozenset(
    ("format", "object", "key", "owner", "seed", "length", "files", "note", "critical", "links")
)
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z\Z", re.ASCII)
_LINK_NUMBER: Final = re.compile(r"(0|[1-9][0-9]{0,18})\Z", re.ASCII)


class FileEntry(NamedTuple):  # a tuple: a share has up to a million of them
    """One file (or, with a final `/` in `path`, one folder without files)."""

    path: str
    size: int
    type: str | None = None
    modified: str | None = None

    @property
    def is_folder(self) -> bool:
        """Whether this stands for a folder without files."""
        return self.path.endswith("/")


@dataclass(frozen=True, slots=True)
class LinkEntry:
    """In an owner capsule: a link that was made, by number and flags."""

    number: int
    password: bool


@dataclass(frozen=True)
class Manifest(Secret):
    """What a share is. `seed` stands in a link's manifest, `links` in the owner's."""

    object_id: bytes
    key: bytes = field(repr=False)
    owner_hash: bytes = field(repr=False)
    length: int
    files: tuple[FileEntry, ...] = field(repr=False)
    note: str | None = field(default=None, repr=False)
    seed: bytes | None = field(default=None, repr=False)
    links: tuple[LinkEntry, ...] = field(default=(), repr=False)

    @property
    def layout(self) -> Layout:
        """Where the content's segments lie."""
        return Layout.of_content(self.length)


def encode(manifest: Manifest) -> bytes:
    """The manifest as JSON, not yet padded."""
    value: dict[str, object] = {
        "format": FORMAT,
        "object": b64u(manifest.object_id),
        "key": b64u(manifest.key),
        "owner": b64u(manifest.owner_hash),
        "length": manifest.length,
        "files": [_encode_file(entry) for entry in manifest.files],
    }
    if manifest.seed is not None:
        value["seed"] = b64u(manifest.seed)
    else:
        value["links"] = [{"n": str(link.number), "flags": int(link.password)} for link in manifest.links]
    if manifest.note is not None:
        value["note"] = manifest.note
    return strict_json.serialise(value)


def parse_for_link(data: bytes, link_secret: bytes) -> Manifest:
    """The manifest behind a download link, every check done.

    Raises AuthenticityError `manifest-invalid` or `manifest-newer`.
    """
    manifest = parse(data)
    if manifest.seed is None:
        raise invalid("it lacks the link's seed")
    if not hmac.compare_digest(keys.link_secret(manifest.seed, manifest.object_id), link_secret):
        raise invalid("it belongs to another link")
    return manifest


def parse_for_owner(data: bytes, owner: keys.Owner) -> Manifest:
    """The manifest of an owner capsule, every check done; raises as `parse_for_link`."""
    manifest = parse(data)
    if not hmac.compare_digest(manifest.object_id, owner.object_id):
        raise invalid("it belongs to another object")
    return manifest


def parse(data: bytes) -> Manifest:
    """The manifest out of its padded bytes; the object is checked, not yet the link."""
    value = strict_json.parse(data)
    if not isinstance(value, dict):
        raise invalid("it is not an object")
    _check_version(value)
    manifest = Manifest(
        object_id=_bytes(value, "object"),
        key=_bytes(value, "key"),
        owner_hash=_bytes(value, "owner"),
        length=_size(value.get("length")),
        files=_files(value.get("files")),
        note=_text(value, "note"),
        seed=_bytes(value, "seed") if "seed" in value else None,
        links=_links(value.get("links", [])),
    )
    _check_sizes(manifest)
    expected = derive_object_id(keys.content_commitment(manifest.key), manifest.owner_hash)
    if not hmac.compare_digest(manifest.object_id, expected):
        raise invalid("its object does not follow from its key")
    return manifest


def _encode_file(entry: FileEntry) -> dict[str, object]:
    value: dict[str, object] = {"path": entry.path, "size": entry.size}
    if entry.type is not None:
        value["type"] = entry.type
    if entry.modified is not None:
        value["modified"] = entry.modified
    return value


def _check_version(value: dict[str, Any]) -> None:
    name = value.get("format")
    critical = value.get("critical", [])
    if not isinstance(name, str):
        raise invalid("it does not name its format")
    if not isinstance(critical, list) or not all(isinstance(member, str) for member in critical):
        raise invalid("`critical` is not a list of names")
    if name != FORMAT or not KNOWN.issuperset(critical):
        raise AuthenticityError(
            "manifest-newer", "This was made by a newer version of Consigne.", hint="Update, then try again."
        )


def _check_sizes(manifest: Manifest) -> None:
    if sum(entry.size for entry in manifest.files) != manifest.length:
        raise invalid("its sizes do not sum up")
    try:
        _ = manifest.layout
    except ConsigneError:
        raise invalid("it claims more than an upload can hold") from None


def _files(value: object) -> tuple[FileEntry, ...]:
    if not isinstance(value, list) or not value:
        raise invalid("it lists no files")
    if len(value) > MAX_FILES:
        raise invalid("it lists too many files")
    files = tuple(_file(entry) for entry in value)
    if paths.conflict(entry.path for entry in files) is not None:
        raise invalid("two of its paths are in each other's way")
    return files


def _file(value: object) -> FileEntry:
    if not isinstance(value, dict):
        raise invalid("a file is not an object")
    path = value.get("path")
    if not isinstance(path, str) or paths.refusal(path) is not None:
        raise invalid("it holds a path that is refused")
    size = _size(value.get("size"))
    if size and path.endswith("/"):
        raise invalid("a folder has a size")
    modified = _text(value, "modified")
    if modified is not None and not _INSTANT.match(modified):
        raise invalid("a time is not RFC 3339 in UTC")
    return FileEntry(path, size, _text(value, "type"), modified)


def _links(value: object) -> tuple[LinkEntry, ...]:
    if not isinstance(value, list):
        raise invalid("`links` is not a list")
    return tuple(_link(entry) for entry in value)


def _link(value: object) -> LinkEntry:
    if not isinstance(value, dict):
        raise invalid("a link is not an object")
    number, flags = value.get("n"), value.get("flags")
    if not isinstance(number, str) or not _LINK_NUMBER.match(number) or int(number) > keys.MAX_LINK_NUMBER:
        raise invalid("a link has no number")
    if not _is_whole(flags) or flags not in (0, 1):
        raise invalid("a link has unknown flags")
    return LinkEntry(int(number), password=flags == 1)


def _bytes(value: dict[str, Any], name: str) -> bytes:
    text = value.get(name)
    if isinstance(text, str):
        with suppress(ValueError):
            return unb64u(text)
    raise invalid(f"`{name}` is not 32 bytes of base64url")


def _text(value: dict[str, Any], name: str) -> str | None:
    text = value.get(name)
    if text is None and name not in value:
        return None
    if not isinstance(text, str):
        raise invalid(f"`{name}` is not text")
    return text


def _size(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid("a size is not a number")
    return value


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)

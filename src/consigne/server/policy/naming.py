"""What capsules are called in a store: safe names that follow from ids alone."""

from __future__ import annotations

from typing import Final, NamedTuple

from consigne.protocol import b64u, unb64u

VERSION_TEXT: Final = 16  # characters of an owner capsule's hash that its name carries


class CapsuleName(NamedTuple):
    """What a capsule's name tells: whose it is, and for an owner capsule which version."""

    id: bytes
    version: str | None


def link_capsule(link_id: bytes) -> str:
    """The name of a link's one capsule."""
    return b64u(link_id)


def owner_capsule(object_id: bytes, digest: bytes) -> str:
    """The name of one version of an owner capsule: the next one never overwrites it."""
    return f"{b64u(object_id)}.{version_of(digest)}"


def version_of(digest: bytes) -> str:
    """How a version is told in a name: the beginning of its SHA-256."""
    return b64u(digest)[:VERSION_TEXT]


def read_name(name: str) -> CapsuleName | None:
    """What a name in the store stands for; None if it is none of ours."""
    head, dot, version = name.partition(".")
    known = read_id(head)
    if known is None or (dot and len(version) != VERSION_TEXT):
        return None
    return CapsuleName(known, version if dot else None)


def read_id(text: str) -> bytes | None:
    """The id that a text stands for, if it is one."""
    try:
        return unb64u(text)
    except ValueError:
        return None


def tag(digest: bytes) -> str:
    """The ETag of an owner capsule with this SHA-256, as protocol.capsule_etag makes it."""
    return f'"{b64u(digest)}"'

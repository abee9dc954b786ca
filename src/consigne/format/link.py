"""Links: `base/d#fragment` to download, `base/m#fragment` to manage (spec/links.md).

A fragment is base64url of kind ‖ flags ‖ secret: 34 bytes, exactly 46 characters.
Judged in this order, so that a newer link is called newer whatever its length:
kind, then length, then flags. The path is constant: no page log, proxy or chat
preview sees which file is meant.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from consigne.errors import UsageError
from consigne.format.secret import Secret
from consigne.protocol import b64u

FRAGMENT_LENGTH: Final = 46
FLAG_PASSWORD: Final = 0x01
MAX_URL: Final = 4096
MAX_PORT: Final = 65535


class Kind(IntEnum):
    """First byte of a fragment."""

    DOWNLOAD = 0x11
    MANAGE = 0x21


PATHS: Final = {Kind.DOWNLOAD: "/d", Kind.MANAGE: "/m"}
ALLOWED_FLAGS: Final = {Kind.DOWNLOAD: FLAG_PASSWORD, Kind.MANAGE: 0}
_ADDRESS: Final = re.compile(
    r"(?P<authority>[Hh][Tt][Tt][Pp][Ss]?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?)"
    r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*"
)
ALPHABET: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@dataclass(frozen=True)
class Fragment(Secret):
    """What stands behind the `#`: a right, and whether a password goes with it."""

    kind: Kind
    secret: bytes = field(repr=False)
    password: bool = False

    def encode(self) -> str:
        """The one text of this fragment: 46 characters."""
        flags = FLAG_PASSWORD if self.password else 0
        return b64u(bytes([self.kind, flags]) + self.secret)


@dataclass(frozen=True)
class Link(Secret):
    """A fragment and the host it is for. `base` has no trailing slash."""

    base: str
    fragment: Fragment

    def encode(self) -> str:
        """The whole link: a secret, and so never written by `str` or a format."""
        return f"{self.base}{PATHS[self.fragment.kind]}#{self.fragment.encode()}"

    def __repr__(self) -> str:
        """The right's kind and nothing that could open anything."""
        return f"<{self.fragment.kind.name.lower()} link>"


def parse_fragment(text: str) -> Fragment:
    """The fragment out of its text.

    Raises UsageError `link-newer` (unknown kind or flag) or `link-incomplete`
    (too short, too long, not the one text of these bytes).
    """
    head = _decode(text[:4]) if len(text) >= 4 else None
    if head is None:
        raise _incomplete()
    if head[0] not in tuple(Kind):
        raise UsageError(
            "link-newer", "This link was made by a newer version of Consigne.", hint="Update, then try again."
        )
    kind = Kind(head[0])
    data = _decode(text) if len(text) == FRAGMENT_LENGTH else None
    if data is None:
        raise _incomplete()
    if data[1] & ~ALLOWED_FLAGS[kind]:
        raise UsageError(
            "link-newer",
            "This link has a flag that only a newer version knows.",
            hint="Update, then try again.",
        )
    return Fragment(kind, data[2:], password=bool(data[1] & FLAG_PASSWORD))


def parse_link(text: str, wanted: Kind | None = None) -> Link:
    """Host and fragment out of a whole link.

    Raises UsageError: `link-incomplete` (no fragment, not a web address, cut),
    `link-newer`, and `link-wrong-kind` when it is not of the `wanted` kind.
    """
    url, _, fragment_text = text.strip().partition("#")
    address = _address(url)
    fragment = parse_fragment(fragment_text)
    base = url.removesuffix(PATHS[fragment.kind])
    if len(base) < address.end("authority") or base == url or base.endswith("/"):
        raise _incomplete()
    if wanted is not None and fragment.kind != wanted:
        raise UsageError(
            "link-wrong-kind",
            f"This is a {fragment.kind.name.lower()} link; a {wanted.name.lower()} link is needed here.",
            hint="Download links have /d# in them, manage links /m#.",
        )
    return Link(base, fragment)


def is_base(base: str) -> bool:
    """Whether links can be made of a host's address: what `parse_link` reads back."""
    try:
        _address(base + PATHS[Kind.MANAGE])
    except UsageError:
        return False
    return not base.endswith("/")


def _address(url: str) -> re.Match[str]:
    """What stands before the `#`, read by one grammar: URL parsers disagree on the rest."""
    match = _ADDRESS.fullmatch(url) if len(url) <= MAX_URL else None
    if match is None or int(match["port"] or "0") > MAX_PORT:
        raise _incomplete()
    return match


def _decode(text: str) -> bytes | None:
    """Bytes out of canonical base64url without padding, or None. Four characters, or all of them."""
    if not ALPHABET.issuperset(text):
        return None
    data = base64.urlsafe_b64decode(text + "==")  # padding that is not needed is passed over
    return data if b64u(data) == text else None


def _incomplete() -> UsageError:
    return UsageError(
        "link-incomplete",
        "This link is incomplete.",
        hint="Copy it whole, from https:// to its last character.",
    )

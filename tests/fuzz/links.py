"""Links and fragments: whatever is accepted has exactly one text, and that is what came in."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import urlsplit

from consigne.errors import UsageError
from consigne.format.link import Kind, parse_fragment, parse_link
from tests.fuzz.target import Target
from tests.fuzz.vectors import load

CODES = ("link-incomplete", "link-newer", "link-wrong-kind")


def check(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    for read in (_fragment, _link):
        try:
            read(text)
        except UsageError as error:
            assert error.code in CODES
            assert len(text) < 20 or text not in str(error) + error.hint, "an error quotes the link"


def _fragment(text: str) -> None:
    assert parse_fragment(text).encode() == text


def _link(text: str) -> None:
    link = parse_link(text)
    assert link.encode() == text.strip()
    assert not link.base.endswith("/")
    parts = urlsplit(link.base)
    assert parts.scheme in ("http", "https")
    assert parts.hostname
    assert (parts.username, parts.password, parts.query, parts.fragment) == (None, None, "", "")
    _ = parts.port
    assert link.fragment.encode() not in f"{link} {link!r} {link.fragment} {link.fragment!r}"
    with suppress(UsageError):
        assert parse_link(text, Kind.MANAGE).fragment.kind == Kind.MANAGE


def seeds() -> list[bytes]:
    given = load("link")
    return [each["url" if "url" in each else "fragment"].encode("utf-8", "surrogatepass") for each in given]


TARGET = Target(
    "links",
    check,
    seeds,
    words=(b"#", b"/d#", b"/m#", b"https://", b"http://[::1]", b":", b"@", b"?", b"%00", b"\xe3\x80\x80"),
    most=5000,
    examples=600,
)

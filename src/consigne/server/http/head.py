"""The head of one request: read strictly, once, whole.

httptools (llhttp) parses; this file only decides what is taken. The parser gets
exactly the bytes up to the empty line and is thrown away after: bodies have a
Content-Length and are counted by the connection. Whatever two programs could
read in two ways (both lengths, two lengths, two hosts, bare line feeds, a body in
a head, an encoded slash) is refused, so that a proxy in front and this host never
disagree on where a request ends, or what it is for. Offers to speak another
protocol are passed over.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

import httptools

from consigne.server.refusal import Refusal

END: Final = b"\r\n\r\n"
LENGTH: Final = re.compile(rb"[0-9]{1,16}")
# A bare CR or LF anywhere, an empty line first, or one that begins with a blank: never two readings.
AMBIGUOUS: Final = re.compile(rb"\A\r|(?<!\r)\n|\r(?!\n)|\n[ \t]|\0")
# What is a control character, a border or an end to some readers of a path: routes match exactly.
UNCLEAR: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\\]")
ENCODED_SLASH: Final = re.compile(r"%(?:2f|5c)", re.IGNORECASE)
HOST: Final = re.compile(rb"[A-Za-z0-9.:_~%\[\]-]*")
MOST_HEADERS: Final = 100


@dataclass
class Head:
    """What a request says before its body. `length` is None where no Content-Length came."""

    method: str = ""
    path: str = field(default="", repr=False)  # names an id
    query: bytes = field(default=b"", repr=False)
    headers: list[tuple[bytes, bytes]] = field(default_factory=list, repr=False)  # hold tokens
    length: int | None = None
    keep_alive: bool = False
    expects_continue: bool = False


class _Listener:
    """Collects what the parser calls out."""

    def __init__(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.heads = 0
        self.keep_alive = False
        self.parser: httptools.HttpRequestParser | None = None
        self.stray = False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        # RFC 9112, 5.1: blanks around a value are none of it.
        self.headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.heads += 1
        # Only now: afterwards the parser has forgotten it.
        self.keep_alive = self.parser is not None and self.parser.should_keep_alive()

    def on_body(self, _body: bytes) -> None:
        self.stray = True


def parse(data: bytes) -> Head:
    """The head in `data`, which ends with its first empty line. Raises Refusal."""
    if AMBIGUOUS.search(data):
        raise Refusal("bad-request")
    listener = _Listener()
    parser = listener.parser = httptools.HttpRequestParser(listener)
    try:
        with suppress(httptools.HttpParserUpgrade):  # an offer, whose body is counted as any
            parser.feed_data(data)
        url = httptools.parse_url(listener.url)
    except httptools.HttpParserError:
        raise Refusal("bad-request") from None
    finally:
        listener.parser = None  # no circle for the garbage collector
    if listener.heads != 1 or listener.stray or len(listener.headers) > MOST_HEADERS:
        raise Refusal("bad-request")
    version = parser.get_http_version()
    if version not in ("1.0", "1.1") or parser.get_method() == b"CONNECT" or url.fragment is not None:
        raise Refusal("bad-request")
    _judge_host(listener.headers, version)
    return Head(
        method=parser.get_method().decode("ascii"),
        path=_path(url.path),
        query=url.query or b"",
        headers=listener.headers,
        length=_length(listener.headers),
        keep_alive=version == "1.1" and listener.keep_alive,
        expects_continue=_expects_continue(listener.headers),
    )


def _path(raw: bytes | None) -> str:
    if not raw:
        raise Refusal("bad-request")
    path = raw.decode("latin-1")
    if "%" in path:
        if ENCODED_SLASH.search(path):
            raise Refusal("bad-request")
        path = unquote(path)
    if UNCLEAR.search(path):
        raise Refusal("bad-request")
    return path


def _judge_host(headers: list[tuple[bytes, bytes]], version: str) -> None:
    """Exactly one Host (RFC 9112, 3.2); HTTP/1.0 may go without."""
    found = [value for name, value in headers if name == b"host"]
    if len(found) != 1 and (found or version != "1.0"):
        raise Refusal("bad-request")
    if found and not HOST.fullmatch(found[0]):
        raise Refusal("bad-request")


def _length(headers: list[tuple[bytes, bytes]]) -> int | None:
    """The Content-Length. Chunked bodies are refused: their size is not known before."""
    if any(name == b"transfer-encoding" for name, _ in headers):
        both = any(name == b"content-length" for name, _ in headers)
        raise Refusal("bad-request" if both else "length-required")
    found = [value for name, value in headers if name == b"content-length"]
    if not found:
        return None
    if len(found) > 1 or not LENGTH.fullmatch(found[0]):
        raise Refusal("bad-request")
    return int(found[0])


def _expects_continue(headers: list[tuple[bytes, bytes]]) -> bool:
    expected = [value.lower() for name, value in headers if name == b"expect"]
    if expected not in ([], [b"100-continue"]):
        raise Refusal("bad-request")
    return bool(expected)

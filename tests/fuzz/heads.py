"""Heads of requests: what is accepted has one reading, that of whoever splits it naively at its lines."""

from __future__ import annotations

from urllib.parse import quote

from consigne import protocol
from consigne.server.http import head
from consigne.server.http.head import Head
from consigne.server.refusal import Refusal
from tests.fuzz.target import Target

CODES = ("bad-request", "length-required")


def check(data: bytes) -> None:
    whole = data[: (data + head.END).index(head.END)]
    try:
        found = head.parse(whole + head.END)
    except Refusal as refusal:
        assert refusal.code in CODES
        assert refusal.code in protocol.PROBLEMS
        return
    lines = whole.split(b"\r\n")
    assert lines[0].split(b" ")[0] == found.method.encode()
    assert found.headers == [_naively(line) for line in lines[1:]]
    assert not any(name == b"transfer-encoding" for name, _ in found.headers)
    lengths = [value for name, value in found.headers if name == b"content-length"]
    assert [int(value) for value in lengths] == ([] if found.length is None else [found.length])
    assert not any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 for char in found.path)
    assert b"\n" not in found.query
    again = head.parse(_printed(found))
    assert (again.path, again.query, again.length) == (found.path, found.query, found.length)


def _naively(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.lower(), value.strip(b" \t")


def _printed(found: Head) -> bytes:
    target = quote(found.path, safe="/*").encode() + (b"?" + found.query if found.query else b"")
    lines = [b"%s %s HTTP/1.1" % (found.method.encode(), target)]
    kept = [(name, value) for name, value in found.headers if name != b"host"]
    lines += [name + b": " + value for name, value in [*kept, (b"host", b"a")]]
    return b"\r\n".join([*lines, b"", b""])


def seeds() -> list[bytes]:
    return [
        b"GET /api/v1/service HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PUT /x?a=b HTTP/1.1\r\nHost: a:1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
        b"HEAD /%C3%A9/%61 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        b"POST http://a/b HTTP/1.1\r\nhost:a\r\nContent-Length:0\r\n\r\n",
        b"GET /b HTTP/1.1\r\nhost:a\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length:\t3\t \r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \t y z \t \r\nY:3 \r\n\r\n",
        b"GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ]


WORDS = (
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b":",
        b"\0",
        b"HTTP/1.1",
        b"HTTP/1.0",
        b"%2f",
        b"%0a",
        b"%",
        b"?",
        b"#",
    ),
    *(b"\r\nContent-Length: 1", b"\r\nTransfer-Encoding: chunked", b"\r\nHost: b", b"\r\nConnection: close"),
    *(b"\r\nUpgrade: websocket", b"\r\nExpect: 100-continue", b"http://b", b"+1", b"1, 1", b"\x0b", b"\xa0"),
)
TARGET = Target("heads", check, seeds, words=WORDS, most=2000, examples=600)

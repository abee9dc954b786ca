"""Requests, and what can be wrong with each: the lists that a hand can think of (attack 40)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

ID = re.compile(rb"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Request:
    """One request, to be spoilt."""

    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""
    version: bytes = b"HTTP/1.1"
    lines: bytes = b"\r\n"
    extra: bytes = b""  # after the body
    length: bool = True  # whether it says how long its body is

    @property
    def wire(self) -> bytes:
        said = [(b"Content-Length", b"%d" % len(self.body))] if self.body and self.length else []
        lines = [b" ".join((self.method, self.target, self.version))]
        lines += [name + b": " + value for name, value in (*self.headers, *said)]
        return self.lines.join(lines) + self.lines * 2 + self.body + self.extra

    def with_header(self, name: bytes, value: bytes) -> Request:
        return replace(self, headers=(*self.headers, (name, value)))

    def without(self, name: bytes) -> Request:
        return replace(self, headers=tuple(each for each in self.headers if each[0] != name))


METHODS = [
    *(
        b"get",
        b"GETT",
        b"DELET",
        b"POST",
        b"PATCH",
        b"OPTIONS",
        b"HEAD",
        b"TRACE",
        b"CONNECT",
        b"PROPFIND",
        b"PRI",
    ),
    *(b"", b"G ET", b"GET\t", b"\0", b"\xff\xfe", b"X" * 300),
]

TARGETS = [b"", b"*", b"?", b"#", b"//", b"http://", b"/" * 3000, b"/api", b"/api/v1", b"/api/v2/objects"]
BEFORE = [b"/", b"http://evil.example", b"https://a@b:99999", b"/files", b"/..", b"\\"]
BEHIND = [
    *(b"/", b"A", b"\\", b"\xff", b"\x7f", b" /x", b"#fragment", b"?" + b"a=b&" * 2000, b"/../.."),
    *(b"%", b"%zz", b"%00", b"%0d%0a", b"%2f..%2f", b"%5c", b"%e2%80%a8", b"%ed%a0%80", b"%ff", b";x=y"),
]
IDS = [
    b"",
    b"A" * 42,
    b"A" * 44,
    b"_" * 43,
    b"..",
    b"%41" * 43,
    b"%ff" * 43,
    b"A" * 20_000,
    b"*",
    b"null",
    b"A=" * 20,
]
PARTS = [
    *(b"-1", b"00", b"+0", b"0x0", b"1e3", b"0.0", b"", b"True", b"999999", b"9" * 5000),
    *(b"%d9%a0", b"%20", b"0%20"),
]

RIGHTS = [
    *(b"", b"Bearer", b"Bearer ", b"bearer x", b"Basic YTpi", b"Digest x", b"Negotiate =", b"\xff" * 43),
    *(b"Bearer " + text for text in (b"A" * 42, b"A" * 44, b"_" * 43, b"A" * 43 + b" ", b"A" * 15_000)),
    *(
        b"Bearer \xc3\xa9" + b"A" * 41,
        b"Bearer\t" + b"A" * 43,
        b"Bearer " + b"A" * 43 + b", Bearer " + b"A" * 43,
    ),
]

LENGTHS = [
    b"0",
    b"-1",
    b"+5",
    b"1e3",
    b"0x5",
    b"5, 5",
    b"",
    b"\xd9\xa3",
    b"99999999",
    b"100000001",
    b"9" * 17,
    b"9" * 5000,
]
RANGES = [
    *(
        b"bytes=0-0",
        b"bytes=-1",
        b"bytes=-0",
        b"bytes=5-2",
        b"bytes=-",
        b"bytes=0--1",
        b"bytes= 0-1",
        b"bytes=1e3-",
    ),
    *(b"bytes=0-0,2-3", b"bytes=" + b"0-0," * 3000, b"bytes=" + b"9" * 9000 + b"-", b"bytes=999999999999-"),
    *(b"items=0-1", b"bytes=\xd9\xa3-", b"\xff", b""),
]
HEADERS = [
    *((b"Content-Length", value) for value in LENGTHS),
    *((b"Range", value) for value in RANGES),
    *((b"Host", value) for value in (b"b", b"a b", b"\xff", b"", b"a/b", b"a\tb")),
    *(
        (b"Transfer-Encoding", value)
        for value in (b"chunked", b"gzip, chunked", b"identity", b"\x0bchunked", b"")
    ),
    *((b"Expect", value) for value in (b"100-continue", b"200-ok", b"100-continue, x", b"")),
    *((b"Connection", value) for value in (b"upgrade", b"close, keep-alive", b"authorization", b"\xff")),
    *((b"Upgrade", value) for value in (b"websocket", b"h2c")),
    *(
        (b"Content-Type", value)
        for value in (b"\xff/\xfe", b"text/html;" + b"a" * 3000, b"multipart/form-data")
    ),
    *((b"If-Range", value) for value in (b"\xff", b"Mon, 01 Jan 0000 00:00:00 GMT", b'W/"x"')),
    *((b"If-Match", value) for value in (b"\xff", b"*", b",", b'"' * 5000, b"")),
    *(
        (b"If-None-Match", b"*"),
        (b"If-Modified-Since", b"\xff"),
        (b"TE", b"trailers"),
        (b"Trailer", b"Authorization"),
    ),
    *(
        (b"Content-Encoding", b"gzip"),
        (b"Cookie", b"a=" + b"b" * 5000),
        (b"Origin", b"\xff"),
        (b"X", b"y" * 40_000),
    ),
    *(
        (b"Access-Control-Request-Method", b"\0"),
        (b"X-HTTP-Method-Override", b"DELETE"),
        (b":authority", b"a"),
    ),
    *((b"", b"no name"), (b"a b", b"blank"), (b"\xff", b"x"), (b"\tX", b"y"), (b"Content-Length ", b"5")),
    *((b"X", b"\0"), (b"X", b"a\rb"), (b"X", b"a\nb"), (b"X", b"a\r\n b"), (b"X\r\nY", b"split")),
]

NUMBERS = [
    *(b"NaN", b"Infinity", b"-0", b"01", b"1.0", b"1e2", b"1e400", b"true", b"null", b'"1000"', b"[1]", b"0"),
    *(b"9007199254740991", b"9007199254740993", b"9223372036854775808", b"18446744073709551616", b"-1"),
    *(b"-9223372036854775809", b"9" * 400, b"9" * 5000),
]
BODIES = [
    *(b'{"%s": %s}' % (name, number) for name in (b"length", b"expires_in") for number in NUMBERS),
    *(
        b"{",
        b"}",
        b"[]",
        b"null",
        b"0",
        b'"x"',
        b"{}",
        b"{}{}",
        b"{}\0",
        b"/**/{}",
        b"{'length': 1000}",
        b"\0" * 100,
    ),
    *(
        b'{"length": 1000,}',
        b'{"length": 1000, "x": 1}',
        b'{"length": 1000, "length": 1000}',
        b'{"\\ud800": 1}',
    ),
    *(b'{"length": 1000, "l\\u0065ngth": 1000}', b'{"length": 1000}\0', b'{"id": "' + b"A" * 15_000 + b'"}'),
    *(b"\xff\xfe{\0}\0", b"\xef\xbb\xbf{}", b'{"\xff": 1}', b'{"\xed\xa0\x80": 1}'),
    *(b"[" * 8000, b"[" * 8000 + b"]" * 8000, b'{"a":' * 3000, b'{"a":' * 2500 + b"1" + b"}" * 2500),
    *(b"%PDF-1.4", b"a=b&c=d", b"<xml/>", b"x" * 16_385, b"y" * 100_000),
]


def other_methods(good: Request) -> Iterator[Request]:
    yield from (replace(good, method=method) for method in METHODS)


def other_targets(good: Request) -> Iterator[Request]:
    path = good.target
    odd = [
        *TARGETS,
        path[1:],
        path[:-1],
        path.upper(),
        path.replace(b"/", b"//"),
        path.replace(b"/api", b"/%61pi"),
    ]
    odd += [before + path for before in BEFORE] + [path + behind for behind in BEHIND]
    odd += [ID.sub(lambda _, other=other: other, path) for other in IDS]  # type: ignore[misc]
    odd += [path.replace(b"parts/0", b"parts/" + part) for part in PARTS if b"parts/" in path]
    yield from (replace(good, target=target) for target in odd if target != path)


def other_rights(good: Request) -> Iterator[Request]:
    for right in RIGHTS:
        yield good.without(b"Authorization").with_header(b"Authorization", right)
        yield good.with_header(b"Authorization", right)


def other_headers(good: Request) -> Iterator[Request]:
    yield from (good.with_header(name, value) for name, value in HEADERS)


def other_bodies(good: Request) -> Iterator[Request]:
    for body in BODIES:
        yield replace(good, body=body)
    yield from (replace(good, body=body, length=False) for body in (b"{}", b"\0" * 100, b"x" * 40_000))


def other_frames(good: Request) -> Iterator[Request]:
    yield good.without(b"Host")
    yield from (replace(good, lines=lines) for lines in (b"\n", b"\r", b"\r\r\n", b"\n\r"))
    versions = (b"", b"HTTP/0.9", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.1 x", b"HTTP/1.10", b"ICY", b"http/1.1")
    yield from (replace(good, version=version) for version in versions)
    yield replace(good, headers=good.headers * 60)
    yield replace(good, headers=(*good.headers, *((b"X-%d" % number, b"y") for number in range(120))))
    after = (b"GET / HTTP/1.1\r\n\r\n", b"\0" * 5000, b"\r\n" * 5000, good.wire * 30, b"0\r\n\r\n")
    yield from (replace(good, extra=extra) for extra in after)


WRONG = {
    "method": other_methods,
    "target": other_targets,
    "right": other_rights,
    "header": other_headers,
    "body": other_bodies,
    "frame": other_frames,
}

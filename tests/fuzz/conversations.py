"""Conversations over one connection: the same answers in whatever pieces the bytes arrive.

If where a request ends depended on how the network cut it, two programs could disagree
about it too. The application tells what it got, so that a byte that went astray shows.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

from starlette.types import Receive, Scope, Send

from consigne import protocol
from consigne.server.http import head
from consigne.server.http.hub import Hub
from consigne.server.refusal import Refusal
from consigne.server.settings import Settings
from tests.fuzz import wire
from tests.fuzz.heads import WORDS
from tests.fuzz.target import Target

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
STATUSES = {200, *(problem.status for problem in protocol.PROBLEMS.values())} - {500, 503, 507}
HEAD_SIZE = 1024


async def tell(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that answers with what it got, to the byte."""
    body, more = b"", scope["path"] != "/unread"
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    told = [scope["method"], scope["path"], len(body), hashlib.sha256(body).hexdigest()]
    answer = json.dumps(told).encode()
    headers = [(b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


@cache
def _loop() -> tuple[asyncio.AbstractEventLoop, Hub, list[tuple[str, str]]]:
    asked: list[tuple[str, str]] = []

    async def listening(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append((scope["method"], scope["path"]))
        await tell(scope, receive, send)

    async def hub() -> Hub:
        return Hub(listening, replace(Settings(), head_size=HEAD_SIZE))

    loop = asyncio.new_event_loop()
    return loop, loop.run_until_complete(hub()), asked


def check(data: bytes) -> None:
    told = {said_to(pieces) for pieces in _cuts(data)}
    assert len(told) == 1, told


def said_to(pieces: list[bytes]) -> bytes:
    """All that a peer hears which sends `pieces` and ends its side, but for `100 Continue`."""
    loop, hub, asked = _loop()
    asked.clear()
    sent = loop.run_until_complete(wire.converse(hub, pieces)).replace(CONTINUE, b"")
    assert asked == list(_requests(b"".join(pieces)))[: len(asked)]
    found = wire.answers(sent, [method.encode() for method, _ in asked])
    assert len(found) <= len(asked) + 1
    for number, (status, headers, body) in enumerate(found):
        assert status in STATUSES
        last = number == len(found) - 1
        assert last or headers.get(b"connection") != b"close"
        if body:
            assert len(body) == int(headers[b"content-length"])
            json.loads(body)
    return sent


def _requests(data: bytes) -> Iterator[tuple[str, str]]:
    """Method and path of each request in `data`, as read by whoever has all of it before his eyes."""
    while head.END in data:
        data = data.removeprefix(b"\r\n")
        size = data.find(head.END) + len(head.END)
        try:
            found = head.parse(data[:size])
        except Refusal:
            return
        yield found.method, found.path
        data = data[size + (found.length or 0) :]


def _cuts(data: bytes) -> Iterator[list[bytes]]:
    """Whole; byte by byte; in two at what its own digest chooses; behind every carriage return."""
    yield [data]
    yield [data[at : at + 1] for at in range(len(data))]
    for chance in hashlib.sha256(data).digest()[:3]:
        at = len(data) * chance // 256
        yield [data[:at], data[at:]]
    yield [piece + b"\r" for piece in data.split(b"\r")[:-1]] + [data.rpartition(b"\r")[2]]


def seeds() -> list[bytes]:
    get = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
    put = b"PUT /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde"
    return [
        get + put + get,
        put.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n") + b"\r\n" + get,
        put.replace(b"/b", b"/unread") + get,
        b"HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n" + get + b"GET /last HTTP/1.0\r\n\r\n" + get,
        put.replace(b"5", b"20000").replace(b"abcde", b"x" * 600),
        put.replace(b"5", b"20000").replace(b"/b", b"/unread").replace(b"abcde", get),
        b"\r\n" + get + b"\r\n" + get + b"\r\n\r\n" + get,
        b"\r\n\r\n\r\n" + get,
        get.replace(b"/a", b"/" + b"a" * 1100),
        b"PUT /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + get,
        b"GET /a HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n" + put,
        put[:-2],
    ]


TARGET = Target(
    "conversations", check, seeds, words=(*WORDS, b"\r\n\r\n", *seeds()[:1]), most=1500, examples=150
)

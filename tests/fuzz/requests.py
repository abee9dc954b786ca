"""Whole requests to the whole host, over no socket: 2xx or a problem of the table, and never `internal`.

One object is complete, one is waiting for its second part; their tokens are in the seeds.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cache

from consigne import protocol
from consigne.protocol import b64u
from consigne.server.api.app import App
from consigne.server.http.hub import Hub
from tests.fuzz import scratch, wire
from tests.fuzz.heads import WORDS
from tests.fuzz.target import Target
from tests.hosts import CAPSULE
from tests.server.lodging import Link, Lodging, Owner, lodging

PROBLEM_TYPE = protocol.PROBLEM_TYPE.encode()
OWNERS = [(b"%d" % number * 32, b"c%d" % number * 16) for number in range(3)]
LINK, READER = b"l" * 32, b"r" * 32


@dataclass
class World:
    """A furnished host, and what it was asked and noted since the last look."""

    loop: asyncio.AbstractEventLoop
    stack: AsyncExitStack  # keeps the host open as long as it lives
    hub: Hub
    ticket: bytes
    methods: list[bytes]
    noted: list[str]


class Ear(logging.Handler):
    """Hears what the host notes."""

    def __init__(self, noted: list[str]) -> None:
        super().__init__()
        self._noted = noted

    def emit(self, record: logging.LogRecord) -> None:
        self._noted.append(record.getMessage())


@cache
def _world() -> World:
    loop, stack = asyncio.new_event_loop(), AsyncExitStack()
    methods: list[bytes] = []

    async def build() -> tuple[Hub, bytes]:
        host = await stack.enter_async_context(lodging(scratch.folder("requests")))
        ticket = await _furnish(host)
        return Hub(_listening(App(host.service, host.settings), methods), host.settings), ticket

    noted: list[str] = []
    logging.getLogger("consigne.server").addHandler(Ear(noted))
    hub, ticket = loop.run_until_complete(build())
    return World(loop, stack, hub, ticket, methods, noted)


async def _furnish(host: Lodging) -> bytes:
    """A complete object with a link, and one of two parts that has its first; a ticket."""
    whole, half, _ = owners = [Owner(host.service, token, commitment) for token, commitment in OWNERS]
    await whole.begin(5000)
    await whole.send(0, b"x" * 5000)
    await whole.complete(5000)
    await half.begin(None)
    await half.send(0, b"y" * 5000)
    link = Link(host.service, LINK, READER)
    value: protocol.NewLink = {
        "object": b64u(owners[0].id),
        "token_hash": b64u(protocol.token_hash(READER)),
        "expires_in": None,
        "downloads": None,
    }
    await host.service.put_link(LINK, whole.token, value)
    await host.service.put_link_capsule(LINK, whole.token, len(CAPSULE), _once(CAPSULE))
    return await link.ticket()


async def _once(data: bytes):  # type: ignore[no-untyped-def]  # noqa: ANN202
    yield data


def _listening(app: App, methods: list[bytes]) -> Callable[..., Awaitable[None]]:
    async def listening(scope, receive, send) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        methods.append(scope["method"].encode())
        await app(scope, receive, send)

    return listening


def check(data: bytes) -> None:
    world = _world()
    world.methods.clear()
    data = data.replace(b"TICKET", b64u(world.ticket).encode())
    world.noted.clear()
    sent = world.loop.run_until_complete(wire.converse(world.hub, [data]))
    for status, headers, body in wire.answers(sent, world.methods):
        if status >= 400 and body:
            assert headers[b"content-type"] == PROBLEM_TYPE
            told = json.loads(body)
            assert told["status"] == status == protocol.PROBLEMS[told["code"]].status
            assert told["code"] not in ("internal", "storage-failed")
        assert b"x-content-type-options" in headers
    assert not world.noted


def seeds() -> list[bytes]:
    (token, _), (other, _), (fresh, commitment) = OWNERS
    ids = [protocol.derive_object_id(secret, protocol.token_hash(token)) for token, secret in OWNERS]
    new = {"id": b64u(ids[2]), "commitment": b64u(commitment), "owner_hash": b64u(protocol.token_hash(fresh))}
    link = {"object": b64u(ids[0]), "token_hash": b64u(bytes(32)), "expires_in": 60, "downloads": 3}
    content = protocol.content_route(ids[0])
    return [
        _request("POST", protocol.OBJECTS, body=json.dumps({**new, "length": 9, "expires_in": 60}).encode()),
        _request("PUT", protocol.part_route(ids[1], 1), other, b"z" * 40),
        _request("POST", protocol.complete_route(ids[1]), other, b'{"length":5000}'),
        _request("GET", protocol.object_route(ids[0]), token),
        _request("PATCH", protocol.object_route(ids[0]), token, b'{"expires_in":86400}'),
        _request("DELETE", protocol.object_route(ids[2]), fresh),
        _request("PUT", protocol.owner_capsule_route(ids[0]), token, CAPSULE, "If-Match: *"),
        _request("GET", protocol.owner_capsule_route(ids[0]), token),
        _request("PUT", protocol.link_route(b"k" * 32), token, json.dumps(link).encode()),
        _request("GET", protocol.link_route(LINK), READER),
        _request("GET", protocol.link_capsule_route(LINK), READER),
        _request("POST", protocol.downloads_route(LINK), READER),
        _request("DELETE", protocol.link_lock_route(LINK), token),
        _request("GET", content, None, b"", "Authorization: Bearer TICKET", "Range: bytes=10-20"),
        _request("HEAD", content, None, b"", "Authorization: Bearer TICKET"),
        _request("GET", protocol.content_route(ids[1]), None, b"", "Authorization: Bearer TICKET"),
        _request("GET", protocol.OBJECTS + "/" + "A" * 42 + "B", token),
        _request("PUT", protocol.object_route(ids[1]) + "/parts/01", other, b"z"),
        _request("GET", protocol.object_route(ids[0]), None, b"", "Authorization: Bearer " + "A" * 42 + "B"),
        _request("PATCH", protocol.object_route(ids[0]), token, b'{"expires_in":' + b"9" * 400 + b"}"),
        _request("POST", protocol.OBJECTS, None, b"[" * 2000),
        _request("OPTIONS", protocol.OBJECTS) + _request("GET", "/d") + _request("GET", "/readyz"),
    ]


def _request(method: str, path: str, token: bytes | None = None, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: a", *headers]
    lines += [f"Authorization: Bearer {b64u(token)}"] if token else []
    lines += [f"Content-Length: {len(body)}"] if body or method in ("POST", "PUT") else []
    return "\r\n".join([*lines, "", ""]).encode() + body


MORE = (
    b'"length":null',
    b"1e400",
    b"[" * 500,
    b"9" * 400,
    b"\\ud800",
    b'"x":1',
    b"true",
    b"Range: bytes=-1\r\n",
)
TARGET = Target("requests", check, seeds, words=(*WORDS, *MORE), most=3000, examples=250)

"""A peer that speaks HTTP by hand over a raw socket, and an application that tells what arrived."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Self

from starlette.types import Receive, Scope, Send

from tests.hosts import Running

BIG = 3 * 1024 * 1024
HUGE = 32 * 1024 * 1024  # more than a kernel holds for a connection


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with what it got: method, path, how many bytes, and their sum."""
    count = total = 0
    more = scope["path"] != "/unread"
    while more:
        message = await receive()
        count += len(message["body"])
        total = (total + sum(message["body"])) % 65536
        more = message["more_body"]
    if scope["path"] == "/wait":
        await asyncio.sleep(0.5)
    size = {"/big": BIG, "/big/short": BIG, "/huge": HUGE}.get(scope["path"], 0)
    body = json.dumps([scope["method"], scope["path"], count, total]).encode()
    headers = [(b"content-length", b"%d" % (size or len(body)))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["path"] == "/big/short":
        size //= 2
    await send({"type": "http.response.body", "body": bytes(size) if size else body})


class Peer:
    def __init__(self, host: Running) -> None:
        self.socket = socket.create_connection(("127.0.0.1", host.port), timeout=10)
        self.left = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> Peer:
        self.socket.sendall(data)
        return self

    def answer(self) -> tuple[int, bytes, bytes]:
        """Status, head, body of the next answer."""
        while b"\r\n\r\n" not in self.left:
            self._more()
        head, _, self.left = self.left.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
        while len(self.left) < length:
            self._more()
        body, self.left = self.left[:length], self.left[length:]
        return int(head.split()[1]), head, body

    def closed(self) -> bool:
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def _more(self) -> None:
        data = self.socket.recv(1 << 20)
        if not data:
            raise EOFError
        self.left += data

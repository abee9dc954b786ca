"""A proxy between client and host: records every byte, and breaks what a test wants broken.

It understands just enough HTTP/1.1 to know where messages end (Content-Length in
both directions, which is all that our client and host speak).
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

CHUNK = 1 << 16


@dataclass
class Exchange:
    """One request and its answer, as far as they got."""

    head: bytes
    body: bytearray = field(default_factory=bytearray)
    answer_head: bytes = b""
    answer: bytearray = field(default_factory=bytearray)
    finished: bool = False

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode("latin-1")

    @property
    def method(self) -> str:
        return self.line.split(" ")[0]

    @property
    def path(self) -> str:
        return self.line.split(" ")[1]

    @property
    def status(self) -> int:
        return int(self.answer_head.split(b" ", 2)[1]) if self.answer_head else 0

    @property
    def acknowledged(self) -> bool:
        return self.finished and 200 <= self.status < 300

    @property
    def part(self) -> tuple[str, int] | None:
        """(object, number) where this sent a part."""
        found = re.fullmatch(r".*/objects/([^/]+)/parts/(\d+)", self.path)
        return (found[1], int(found[2])) if found and self.method == "PUT" else None


@dataclass
class Fault:
    """What goes wrong with one exchange. Bytes are counted from the start of the body."""

    cut_request: int | None = None  # break off after so many bytes of the request's body
    drop_answer: bool = False  # the host hears the request, the client no answer
    cut_answer: int | None = None  # break off after so many bytes of the answer's body
    instead: bytes | None = None  # answer this and do not ask the host
    rewrite: Callable[[bytes, bytes], tuple[bytes, bytes]] | None = None  # head and body of the answer


class Proxy:
    """Listens on loopback, forwards to `upstream`. Ask `plan` about each exchange."""

    def __init__(
        self, upstream: int, plan: Callable[[int, Exchange], Fault | None] = lambda *_: None
    ) -> None:
        self._upstream = upstream
        self.plan = plan
        self.exchanges: list[Exchange] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._sockets: set[socket.socket] = set()
        self.port = int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.break_connections()
        for thread in list(self._threads):
            thread.join(10)

    def break_connections(self) -> None:
        """Every connection that is open breaks now."""
        with self._lock:
            sockets = list(self._sockets)
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def parts(self) -> list[Exchange]:
        """The exchanges that sent a part."""
        return [exchange for exchange in self.exchanges if exchange.part is not None]

    def _spawn(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._spawn(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        host: socket.socket | None = None
        with self._lock:
            self._sockets.add(client)
        try:
            with suppress(OSError, ValueError):
                host = socket.create_connection(("127.0.0.1", self._upstream))
                with self._lock:
                    self._sockets.add(host)
                while self._exchange(client, host):
                    pass
        finally:
            for each in (client, host):
                if each is not None:
                    with self._lock:
                        self._sockets.discard(each)
                    each.close()

    def _exchange(self, client: socket.socket, host: socket.socket) -> bool:
        head, rest = read_head(client)
        if not head:
            return False
        exchange = Exchange(head)
        with self._lock:
            self.exchanges.append(exchange)
            number = len(self.exchanges) - 1
        fault = self.plan(number, exchange) or Fault()
        if fault.instead is None:
            host.sendall(head)
        sent = self._relay(
            client, host, rest, length_of(head), exchange.body, fault.cut_request, fault.instead
        )
        if not sent:
            return False
        if fault.instead is not None:
            client.sendall(fault.instead)
            return False
        return self._answer(client, host, exchange, fault)

    def _answer(self, client: socket.socket, host: socket.socket, exchange: Exchange, fault: Fault) -> bool:
        head, rest = read_head(host)
        exchange.answer_head = head
        if not head or fault.drop_answer:
            return False
        length = 0 if exchange.method == "HEAD" or exchange.status in (204, 304) else length_of(head)
        if fault.rewrite is not None:
            body = bytearray(rest)
            while len(body) < length:
                body += host.recv(CHUNK) or b""
            head, new_body = fault.rewrite(head, bytes(body))
            client.sendall(head + new_body)
            return False
        client.sendall(head)
        exchange.finished = self._relay(host, client, rest, length, exchange.answer, fault.cut_answer)
        return exchange.finished

    @staticmethod
    def _relay(
        source: socket.socket,
        sink: socket.socket,
        rest: bytes,
        length: int,
        record: bytearray,
        cut: int | None,
        swallow: bytes | None = None,
    ) -> bool:
        """Pass `length` bytes on; whether all of them went."""
        while len(record) < length:
            piece = rest or source.recv(CHUNK)
            rest = b""
            if not piece:
                return False
            record += piece
            if cut is not None and len(record) >= cut:
                return False
            if swallow is None:
                sink.sendall(piece)
        return True


def read_head(source: socket.socket) -> tuple[bytes, bytes]:
    """A message's head with its blank line, and what came after it."""
    data = bytearray()
    while b"\r\n\r\n" not in data:
        piece = source.recv(CHUNK)
        if not piece:
            return b"", b""
        data += piece
    head, _, rest = bytes(data).partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def length_of(head: bytes) -> int:
    """Content-Length, or 0."""
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return int(found[1]) if found else 0


def problem(status: int, code: str, *headers: str) -> bytes:
    """A problem document as the host would send it."""
    body = b'{"status": %d, "code": "%s"}' % (status, code.encode())
    lines = [
        f"HTTP/1.1 {status} Problem",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

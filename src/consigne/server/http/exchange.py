"""One request and its answer, as ASGI sees them.

The body comes through two buffers: while the application writes one to the disk,
the connection fills the other, so receiving and writing overlap without a second
task. A piece that `receive` gives stays valid until the next call.

The answer goes out with its length known. When the request's body was not read to
its end, the answer closes the connection: what is left of the body is no request.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from consigne.server import logs
from consigne.server.api import problems
from consigne.server.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from consigne.server.buffers import Buffers
    from consigne.server.http.connection import Connection
    from consigne.server.http.head import Head

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
JOINED: Final = 64 * 1024  # a body up to this size goes out in one write with its head
NO_BODY: Final = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class DisconnectedError(ConnectionError):
    """The other side is gone. Raised out of `receive` and `send`; nobody is to be told."""


class Incoming:
    """The body on its way in: filled by the connection, taken by the application."""

    def __init__(self, length: int, buffers: Buffers) -> None:
        self.left = length  # bytes that the socket has not given yet
        self._buffers = buffers
        self._filling: memoryview | None = None
        self._filled = 0
        self._lent: memoryview | None = None
        self._untaken = length
        self._abandoned = False
        self.changed = asyncio.Event()

    @property
    def full(self) -> bool:
        """No room until the application takes a piece."""
        return self._filling is not None and self._filled == len(self._filling)

    @property
    def taken(self) -> bool:
        """The application has had all of it."""
        return self._untaken == 0

    def room(self) -> memoryview:
        """Where the next bytes go; never longer than what is left of the body."""
        if self._filling is None:
            self._filling, self._filled = self._buffers.take(self.left), 0
        return self._filling[self._filled : self._filled + self.left]

    def arrived(self, count: int) -> None:
        """Count bytes that now lie in `room`."""
        self._filled += count
        self.left -= count
        if self.full or self.left == 0:
            self.changed.set()

    async def take(self) -> memoryview:
        """The next piece; valid until the next call. Empty once the body is over."""
        self.release()
        if self._untaken == 0:
            return memoryview(b"")
        while not (self.full or self.left == 0 or self._abandoned):
            self.changed.clear()
            await self.changed.wait()
        if self._abandoned:
            return memoryview(b"")
        assert self._filling is not None  # noqa: S101  full, or the last piece
        piece = self._filling[: self._filled]
        self._untaken -= self._filled
        self._lent, self._filling = self._filling, None
        return piece

    def abandon(self) -> None:
        """No more will come; whoever waits is woken with an empty piece."""
        self._abandoned = True
        self.changed.set()

    def release(self) -> None:
        """Hand back the piece that was taken last."""
        if self._lent is not None:
            self._buffers.give(self._lent)
            self._lent = None

    def drop(self) -> None:
        """Hand back all, when the application is done."""
        self.release()
        if self._filling is not None:
            self._buffers.give(self._filling)
            self._filling = None


class Exchange:
    """One request on a connection, and the answer to it."""

    def __init__(self, connection: Connection, head: Head, buffers: Buffers) -> None:
        self.incoming = Incoming(head.length or 0, buffers)
        self.keep_alive = head.keep_alive
        self.done = False
        self.too_slow = False
        self._connection = connection
        self._head = head
        self._expects_continue = head.expects_continue
        self._status = b""
        self._to_send = 0
        self._started = False
        self._body_told = False

    async def run(self, app: Callable[..., Awaitable[None]]) -> None:
        """Call the application; whatever it does, the connection is left in order."""
        try:
            await app(self._scope(), self.receive, self.send)
        except DisconnectedError:
            pass
        except Exception as error:  # noqa: BLE001  the last net: nothing of it may be told or logged whole
            self._fail(error)
        finally:
            self.incoming.drop()
            self._connection.finished(self)

    def _fail(self, error: Exception) -> None:
        refusal = error if isinstance(error, Refusal) else Refusal("internal")
        if refusal is not error:
            logs.unexpected(error)
        if not self._started:  # else it is too late to say anything, and the connection is cut
            self.keep_alive, self.done = False, True
            self._connection.write(problems.raw(refusal))

    def _scope(self) -> dict[str, Any]:
        """The ASGI scope. Whose request it is stays out of it, so that nothing can log it."""
        head = self._head
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "server": None,
            "client": None,
            "scheme": "http",
            "method": head.method,
            "root_path": "",
            "path": head.path,
            "raw_path": head.path.encode("utf-8", "surrogatepass"),
            "query_string": head.query,
            "headers": head.headers,
            "state": {},
        }

    async def receive(self) -> dict[str, Any]:
        """The next piece of the body; after the last, once the peer sends no more, `http.disconnect`.

        A peer that went and one that only listens on look the same. Raises
        DisconnectedError, or Refusal when the body comes too slowly.
        """
        if self._body_told:
            await self._connection.gone.wait()
            return {"type": "http.disconnect"}
        self.ask_for_body()
        self._connection.wants_body()
        piece = await self.incoming.take()
        if self.too_slow:
            raise Refusal("too-slow")
        if self._connection.lost:
            raise DisconnectedError
        self._body_told = self.incoming.taken
        return {"type": "http.request", "body": piece, "more_body": not self.incoming.taken}

    def ask_for_body(self) -> None:
        """Tell a peer that waits for it to send the body."""
        if self._expects_continue and not self._started:
            self._expects_continue = False
            if self.incoming.left:  # else it came without being asked for
                self._connection.write(CONTINUE)

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Start the answer, or send a piece of its body; returns when the piece may be overwritten."""
        if self._connection.lost:
            raise DisconnectedError
        if message["type"] == "http.response.start":
            self._start(message["status"], message["headers"])
            return
        body = message.get("body", b"")
        self._to_send -= len(body)
        if self._head.method == "HEAD":
            body, self._to_send = b"", 0
        await self._write(body)
        if not message.get("more_body", False):
            # An answer that promised more than it gave must not look whole.
            self.keep_alive = self.keep_alive and self._to_send == 0
            self.done = self._to_send == 0

    def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        if not self.incoming.taken or self._connection.stopping:
            self.keep_alive = False
        lines = [b"HTTP/1.1 %d %s\r\n" % (status, HTTPStatus(status).phrase.encode())]
        for name, value in headers:
            if b"\n" in value or b"\r" in value:
                raise ValueError("a header's value must be one line")
            if name.lower() == b"content-length":
                self._to_send = int(value)
            lines.append(name + b": " + value + b"\r\n")
        lines.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        self._status = b"".join(lines)
        self._started = True

    async def _write(self, body: bytes | memoryview) -> None:
        head, self._status = self._status, b""
        if head and len(body) <= JOINED:
            self._connection.write(b"".join((head, body)))
        else:
            if head:
                self._connection.write(head)
            if body:
                self._connection.write(body)
        await self._connection.drained()
        if self._connection.lost:
            raise DisconnectedError

"""What all connections of a host share: the application, buffers, limits, the end.

The hub admits connections up to a number (an idle one makes room for a new one),
starts the application for each request, and stops gracefully: no new connection,
running answers may end, what is left after `stop_timeout` is cut.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from consigne.server.buffers import SMALL, Buffers
from consigne.server.http.connection import Connection

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from consigne.server.http.exchange import Exchange
    from consigne.server.settings import Settings

BACKLOG: Final = 1024
LAST_WORDS: Final = 1.0  # seconds in which cancelled requests may clean up


class Hub:
    """The listening side of one host. Lives in one event loop."""

    def __init__(self, app: Callable[..., Awaitable[None]], settings: Settings) -> None:
        self.settings = settings
        self.loop = asyncio.get_running_loop()
        self.buffers = Buffers()
        self.scratch = memoryview(bytearray(SMALL))
        self.idle: dict[Connection, None] = {}  # oldest first
        self.stopping = False
        self._app = app
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def listen(self, listener: socket.socket) -> None:
        """Take connections from a bound socket."""
        self._server = await self.loop.create_server(lambda: Connection(self), sock=listener, backlog=BACKLOG)

    def admit(self, connection: Connection) -> bool:
        """Whether one more connection is served; the longest idle one makes room."""
        self._connections.add(connection)
        if len(self._connections) > self.settings.connections:
            oldest = next(iter(self.idle), None)
            if oldest is None:
                return False
            oldest.abort()
        return True

    def left(self, connection: Connection) -> None:
        """A connection is over."""
        self._connections.discard(connection)
        self.idle.pop(connection, None)

    def start(self, exchange: Exchange) -> None:
        """Serve one request."""
        task = self.loop.create_task(exchange.run(self._app))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Stop listening, let running answers end up to `stop_timeout`, then cut."""
        self.stopping = True
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self.settings.stop_timeout)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LAST_WORDS)
        for connection in list(self._connections):
            connection.abort()
        await asyncio.sleep(0)

"""What all connections of a host share: the application, buffers, limits, the end.

The hub admits connections up to a number (one that may go makes room for a new one:
idle before answered, before those that are still arriving; the oldest of each first),
starts the application for each request, and stops gracefully: no new connection,
running answers may end, what is left after `stop_timeout` is cut.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from consigne.server.buffers import SMALL, Buffers
from consigne.server.http.connection import ARRIVING, CLOSING, IDLE, Connection

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
        self.stopping = False
        self._app = app
        self._connections: set[Connection] = set()
        self._spare: dict[int, dict[Connection, None]] = {IDLE: {}, CLOSING: {}, ARRIVING: {}}  # oldest first
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def listen(self, listener: socket.socket) -> None:
        """Take connections from a bound socket."""
        self._server = await self.loop.create_server(lambda: Connection(self), sock=listener, backlog=BACKLOG)

    def admit(self, connection: Connection) -> bool:
        """Whether one more connection is served; one that may go makes room."""
        if len(self._connections) >= self.settings.connections:
            oldest = next((each for kind in self._spare.values() for each in kind), None)
            if oldest is None:
                return False
            self.left(oldest)  # at once: whoever comes in the same moment ends another
            oldest.abort()
        self._connections.add(connection)
        return True

    def may_go(self, connection: Connection, kind: int) -> bool:
        """A connection is idle, closing or arriving from now on; False if it was that already."""
        if connection in self._spare[kind]:
            return False
        self.must_stay(connection)
        self._spare[kind][connection] = None
        return True

    def must_stay(self, connection: Connection) -> None:
        """A connection is none that makes room."""
        for kind in self._spare.values():
            kind.pop(connection, None)

    def left(self, connection: Connection) -> None:
        """A connection is over."""
        self._connections.discard(connection)
        self.must_stay(connection)

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

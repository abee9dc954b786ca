"""The host's own HTTP layer without a socket: bytes in, in the pieces one likes; bytes out.

`Wire` is the transport that a loop would give to a `Connection`. It hands bytes over as a
loop does: into the buffer it is told to, not while reading is paused, the end last.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable

from consigne.server.http.connection import Connection
from consigne.server.http.hub import Hub

PATIENCE = 10.0  # a conversation whose peer has ended its side is over at once; this is a hang

STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) [A-Za-z -]+")
FIELD = re.compile(rb"([A-Za-z-]+): ([\x20-\x7e]*)")


class Wire(asyncio.Transport):
    """One end of a connection that never fills up."""

    def __init__(self, connection: Connection, most_early: int) -> None:
        super().__init__()
        self.sent = bytearray()
        self.over = asyncio.Event()
        self._connection = connection
        self._most_early = most_early
        self._changed = asyncio.Event()
        self._paused = self._closing = False
        connection.connection_made(self)

    # ------------------------------------------------------------ what the peer does

    async def hear(self, pieces: Iterable[bytes]) -> None:
        """The peer sends `pieces`, then ends its side."""
        for piece in pieces:
            left = piece
            while left and await self._readable():
                room = self._connection.get_buffer(-1)
                count = min(len(room), len(left))
                assert count, "a buffer without room"
                room[:count] = left[:count]
                left = left[count:]
                self._connection.buffer_updated(count)
                assert len(self._connection._early) <= self._most_early, "read ahead without a bound"
        if await self._readable() and not self._connection.eof_received():
            self.close()

    async def _readable(self) -> bool:
        """Wait until the host reads; False once it has closed."""
        await asyncio.sleep(0)
        while self._paused and not self._closing:
            self._changed.clear()
            await self._changed.wait()
        return not self._closing

    # ------------------------------------------------------------ what a connection does

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.over.is_set(), "written after the end"
        self.sent += data

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._changed.set()
            asyncio.get_running_loop().call_soon(self._end)

    abort = close

    def _end(self) -> None:
        self._connection.connection_lost(None)
        self.over.set()

    def is_closing(self) -> bool:
        return self._closing

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self._changed.set()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0


async def converse(hub: Hub, pieces: Iterable[bytes]) -> bytes:
    """All that the host says to a peer that sends `pieces` and ends. A hang is a TimeoutError."""
    connection = Connection(hub)
    wire = Wire(connection, hub.settings.head_size)
    async with asyncio.timeout(PATIENCE):
        await wire.hear(pieces)
        await wire.over.wait()
        if hub._tasks:
            await asyncio.wait(hub._tasks)
    assert connection not in hub._connections
    return bytes(wire.sent)


def answers(sent: bytes, methods: list[bytes]) -> list[tuple[int, dict[bytes, bytes], bytes]]:
    """Status, headers and body of each answer in `sent`; `methods` are those of the requests.

    Raises AssertionError for anything that is no whole HTTP. The last one may be cut.
    """
    found = []
    while sent:
        head, end, rest = sent.partition(b"\r\n\r\n")
        status_line, *lines = head.split(b"\r\n")
        match = STATUS_LINE.fullmatch(status_line)
        assert match, head
        assert end, head
        if match[1] == b"100":
            sent = rest
            continue
        pairs = [FIELD.fullmatch(line) for line in lines]
        assert all(pairs), head
        headers = {pair[1].lower(): pair[2] for pair in pairs if pair}
        assert len(headers) == len(pairs), "a header twice"
        bodiless = match[1] == b"204" or methods[len(found) : len(found) + 1] == [b"HEAD"]
        length = 0 if bodiless else int(headers[b"content-length"])
        found.append((int(match[1]), headers, rest[:length]))
        sent = rest[length:]
    return found

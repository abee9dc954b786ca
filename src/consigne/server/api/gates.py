"""Which requests take a place of which gate, and for how long.

    work       JSON, pages, readiness: until the answer stands. Small bodies were whole before, and
               sending takes no place, so nobody's slowness holds one.
    transfers  parts, capsules, content: until the last byte is in or out, thus at a peer's pace
    waiting    readers of bytes that are still being uploaded: they leave their place among the
               transfers while they wait

So slow peers can fill the transfers and the waiting room, and everything else is still answered.
All three together are less than the connections of a host as it comes.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

from consigne.server.api.limits import RETRY_AFTER, Gate
from consigne.server.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType
    from typing import Self

    from starlette.requests import Request

    from consigne.server.settings import Settings

MOST_WAITING: Final = 1024
TRIES: Final = 20
BETWEEN_TRIES: Final = 0.05  # seconds
TRANSFERS: Final = frozenset(
    [("PUT", "parts/{part}"), ("GET", "capsule"), ("PUT", "capsule"), ("GET", "content")]
)


class Gates:
    """The gates of one host."""

    def __init__(self, settings: Settings) -> None:
        self.work = Gate(settings.requests_at_once)
        self.transfers = Gate(settings.requests_at_once)
        # Half of the connections at most: whoever waits holds one, and others need some.
        self.waiting = Gate(max(1, min(MOST_WAITING, settings.connections // 2)))

    def place(self, path: str, request: Request) -> Place:
        """A place for a request of the route `path`. Enter it; refuses `busy`."""
        transfers = (request.method, path.partition("/{id}/")[2]) in TRANSFERS
        return Place(self, request, transfers=transfers)


class Place:
    """The place of one request in its gate."""

    def __init__(self, gates: Gates, request: Request, *, transfers: bool) -> None:
        self._gates = gates
        self._request = request
        self._gate = gates.transfers if transfers else gates.work
        self._held = ExitStack()

    def __enter__(self) -> Self:
        """Take it. Refuses `busy`."""
        self._held.enter_context(self._gate.enter())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back, if it was not yet."""
        self._held.close()

    def answering(self) -> None:
        """The answer stands: only a transfer needs its place to send it."""
        if self._gate is not self._gates.transfers:
            self._held.close()

    @asynccontextmanager
    async def left(self) -> AsyncIterator[None]:
        """Leave the place while something is waited for, then take it again.

        Refuses `busy`, and `not-yet` once the peer sends no more: most of those are gone, and
        whoever listens on may ask again.
        """
        self._held.close()
        await self._judge_peer()
        with self._gates.waiting.enter():
            yield
            await self._judge_peer()
            await self._return()

    async def _judge_peer(self) -> None:
        if await self._request.is_disconnected():
            raise Refusal("not-yet", retry_after=1)

    async def _return(self) -> None:
        """Take the place again. A part that arrives wakes a crowd: it goes in one after the other."""
        for _ in range(TRIES):
            try:
                self._held.enter_context(self._gate.enter())
            except Refusal:
                await asyncio.sleep(BETWEEN_TRIES)
            else:
                return
        raise Refusal("busy", retry_after=RETRY_AFTER)

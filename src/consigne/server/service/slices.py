"""A slice of content on its way out: counts what it hands over, gives back the rest.

A ticket is charged for the whole slice before its first byte. Whoever serves it
closes it, and what was not handed over is refunded, so that a broken download does
not eat the ticket it resumes on.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consigne.server.policy.ranges import Span

Bytes = bytes | memoryview
Refund = Callable[[int], Awaitable[None]]


class Slice:
    """Bytes [start, stop) of a content of `total` bytes (None: unknown yet).

    `partial`: a part was asked for (206). Iterate `chunks` once, then `aclose`.
    """

    def __init__(
        self,
        span: Span,
        total: int | None,
        *,
        partial: bool,
        source: AsyncIterator[Bytes] | None = None,
        refund: Refund | None = None,
    ) -> None:
        self.start, self.stop = span
        self.total = total
        self.partial = partial
        self._source = source
        self._refund = refund
        self._left = span.size
        self.chunks = self._hand_over()

    async def _hand_over(self) -> AsyncGenerator[Bytes, None]:
        if self._source is not None:
            async for chunk in self._source:
                self._left -= len(chunk)
                yield chunk

    async def aclose(self) -> None:
        """Close the source and refund what was not handed over. Idempotent."""
        refund, left = self._refund, self._left
        self._refund = None
        try:
            # First: it is queued at once, even for a request that is being cancelled.
            if refund is not None and left > 0:
                await refund(left)
        finally:
            await self.chunks.aclose()
            close = getattr(self._source, "aclose", None)
            if close is not None:
                await close()

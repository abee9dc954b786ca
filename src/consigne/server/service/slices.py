"""A slice of content, or a capsule, on its way out: judged, paid for, and counted piece by piece.

A download may last for hours, and its object be removed in the first minute. So before
each piece it is asked whether the slice may still be served, if something was told or
a minute has passed; a slice that may not ends by raising, and whoever sends it cuts the
connection, so that nobody takes what he has for the whole.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from consigne.server.service.prepaid import RESERVE
from consigne.server.stores import StoreDamaged

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
    from contextlib import ExitStack

    from consigne.server.policy.ranges import Span

JUDGED_EVERY: Final = 60.0  # seconds: what another process removed, or what expired, is not told

Bytes = bytes | memoryview


class Standing:
    """Whether what is being served may be served on. `leave` ends the watch behind `told`."""

    def __init__(self, told: asyncio.Event, judge: Callable[[], Awaitable[object]], leave: ExitStack) -> None:
        self._told = told
        self._judge = judge
        self._leave = leave
        self._due = monotonic() + JUDGED_EVERY

    async def check(self) -> None:
        """Judge again if it is time. Raises Refusal."""
        if self._told.is_set() or monotonic() >= self._due:
            await self.judge()

    async def judge(self) -> None:
        """Judge again now. Raises Refusal."""
        self._told.clear()
        self._due = monotonic() + JUDGED_EVERY
        await self._judge()

    def close(self) -> None:
        """Hear of nothing any more. Idempotent."""
        self._leave.close()


class Fare:
    """What a slice was charged for and did not hand over yet, in bytes.

    Charged a reserve at a time: a download that broke off unnoticed must not hold
    all that its ticket may be served.
    """

    def __init__(
        self,
        paid: int,
        size: int,
        charge: Callable[[int], Awaitable[object]],
        refund: Callable[[int], Awaitable[None]],
    ) -> None:
        self._paid = paid
        self._left = size
        self._charge = charge
        self._refund = refund

    async def cover(self, size: int) -> None:
        """`size` bytes are about to be handed over. Refuses `ticket-spent` and whatever ended the ticket."""
        if size > self._paid:
            helping = max(size - self._paid, min(RESERVE, self._left - self._paid))
            await self._charge(helping)
            self._paid += helping
        self._paid -= size
        self._left -= size

    async def close(self) -> None:
        """Give back what was not handed over. Idempotent."""
        paid, self._paid = self._paid, 0
        if paid > 0:
            await self._refund(paid)


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
        standing: Standing | None = None,
        fare: Fare | None = None,
    ) -> None:
        self.start, self.stop = span
        self.total = total
        self.partial = partial
        self._source = source
        self._standing = standing
        self._fare = fare
        self.chunks = self._hand_over()

    async def _hand_over(self) -> AsyncGenerator[Bytes, None]:
        if self._source is None:
            return
        try:
            async for chunk in self._source:
                if self._standing is not None:
                    await self._standing.check()
                if self._fare is not None:
                    await self._fare.cover(len(chunk))
                yield chunk
        except StoreDamaged:
            if self._standing is not None:  # removed in this very moment? then that is what happened
                await self._standing.judge()
            raise

    async def aclose(self) -> None:
        """Close the source and refund what was not handed over. Idempotent."""
        try:
            # First: it is queued at once, even for a request that is being cancelled.
            if self._fare is not None:
                await self._fare.close()
        finally:
            if self._standing is not None:
                self._standing.close()
            await self.chunks.aclose()
            close = getattr(self._source, "aclose", None)
            if close is not None:
                await close()

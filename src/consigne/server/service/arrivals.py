"""Hearing of an object: readers sleep until a durable part wakes them, or learn that it is gone.

Another process's progress is not heard of here; whoever waits looks again after a
second anyway.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Arrivals:
    """Who waits for which object. Used on one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, set[asyncio.Event]] = {}

    def tell(self, object_id: bytes) -> None:
        """Something about this object changed: more is durable, or it is gone."""
        for event in self._waiting.get(object_id, ()):
            event.set()

    @contextmanager
    def watch(self, object_id: bytes) -> Iterator[asyncio.Event]:
        """An event that is set from now on whenever the object changes."""
        event = asyncio.Event()
        events = self._waiting.setdefault(object_id, set())
        events.add(event)
        try:
            yield event
        finally:
            events.discard(event)
            if not events and self._waiting.get(object_id) is events:
                del self._waiting[object_id]


async def changed(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set, at most so long; then clear it for the next time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
    event.clear()

"""How much the host does at once. What is over the limit does not wait: it is answered `busy`."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from consigne.server.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

RETRY_AFTER: Final = 1


class Gate:
    """Lets a number of requests in at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._inside = 0

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Be one of them. Refuses `busy`."""
        if self._inside >= self._most:
            raise Refusal("busy", retry_after=RETRY_AFTER)
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

"""Bytes that tickets were charged for in the catalog and have not been served yet.

A commit for each range would make a download wait for the disk at every step. So a
ticket is charged RESERVE bytes ahead, durably, and ranges are taken out of that in
memory. A crash loses a ticket at most one reserve, which the slack of its budget
covers; it never gives it any. Used by operations on the catalog's writer only, one
after the other; `forget` alone is called from elsewhere.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

from consigne.protocol import MIB

RESERVE: Final = 64 * MIB
MOST_TICKETS: Final = 4096


class Returned(NamedTuple):
    """Bytes to give back to a ticket in the catalog."""

    ticket: bytes
    size: int


class Prepaid:
    """What is left of each ticket's reserve, by the ticket's hash."""

    def __init__(self) -> None:
        self._left: OrderedDict[bytes, int] = OrderedDict()

    def left(self, ticket: bytes) -> int:
        """Bytes that the ticket may be served without another charge."""
        return self._left.get(ticket, 0)

    def set(self, ticket: bytes, left: int) -> list[Returned]:
        """Note what is left. What there is no place for is to be given back in the catalog."""
        self._left[ticket] = min(left, RESERVE)
        self._left.move_to_end(ticket)
        returned = [Returned(ticket, left - RESERVE)] if left > RESERVE else []
        while len(self._left) > MOST_TICKETS:
            returned.append(Returned(*self._left.popitem(last=False)))
        return returned

    def give_up(self) -> list[Returned]:
        """All that is left, to be given back in the catalog."""
        returned = [Returned(*each) for each in self._left.items()]
        self._left.clear()
        return returned

    def forget(self, ticket: bytes) -> None:
        """After a commit that failed: what was noted was never charged."""
        self._left.pop(ticket, None)

"""Giving up on a host that keeps a connection alive and says next to nothing.

Time limits of sockets start anew with every byte: a head that drips, or an endless
row of `100 Continue`, would hold a caller for ever. So a request runs in a thread of
its own and is left alone when it has not moved for too long.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

from consigne.client.patience import stalled

if TYPE_CHECKING:
    from collections.abc import Callable

_Result = TypeVar("_Result")


def watched(work: Callable[[Callable[[int], None]], _Result], seconds: float) -> _Result:
    """What `work` returns or raises; it is given a function to call with each piece that moves.

    Raises HostError `host-stalled` when nothing moved for `seconds`.
    """
    results: list[_Result] = []
    failures: list[BaseException] = []
    done = threading.Event()
    last = time.monotonic()

    def moved(_count: int) -> None:
        nonlocal last
        last = time.monotonic()

    def run() -> None:
        try:
            results.append(work(moved))
        except BaseException as failure:  # noqa: BLE001 - raised again in the caller's thread
            failures.append(failure)
        done.set()

    threading.Thread(target=run, daemon=True).start()
    while not done.wait(0.5):
        if time.monotonic() - last > seconds:
            raise stalled()
    if failures:
        raise failures[0]
    return results[0]

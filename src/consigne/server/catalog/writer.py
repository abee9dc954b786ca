"""One thread that writes, many operations to a commit.

Operations wait in a queue while the commit before them is on its way to the disk.
The thread then takes all of them, runs each in a savepoint of its own within one
transaction, commits once, and only then answers: one fsync for the whole group.
An operation that raises undoes itself and nobody else; a commit that fails answers
every one of its group with an error. A group that wrote nothing costs no fsync.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from consigne.server.catalog import CatalogBusy, CatalogError, CatalogFailed
from consigne.server.catalog.transaction import Transaction, typed

if TYPE_CHECKING:
    import asyncio

MAX_GROUP: Final = 512
MAX_WAITING: Final = 20_000

Operation = Callable[[Transaction], Any]
Upkeep = Callable[[sqlite3.Connection], Any]


class _Waiting(NamedTuple):
    """Something to run, and the future that hears of it."""

    future: asyncio.Future[Any]
    operation: Operation | None
    upkeep: Upkeep | None


class _Failure(NamedTuple):
    """An outcome that is raised, as opposed to an exception that is returned."""

    error: BaseException


class Writer:
    """Owns a connection and the thread that uses it. Made and used on one event loop."""

    def __init__(self, connection: sqlite3.Connection, loop: asyncio.AbstractEventLoop) -> None:
        self._connection = connection
        self._loop = loop
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="catalog-writer", daemon=True)
        self._thread.start()

    def submit(self, operation: Operation) -> asyncio.Future[Any]:
        """Queue an operation; the future has its outcome once that is durable."""
        return self._put(operation, None)

    def submit_upkeep(self, upkeep: Upkeep) -> asyncio.Future[Any]:
        """Queue something that must run outside a transaction, such as a checkpoint."""
        return self._put(None, upkeep)

    def _put(self, operation: Operation | None, upkeep: Upkeep | None) -> asyncio.Future[Any]:
        if self._closed:
            raise CatalogFailed("the catalog is closed")
        if self._queue.qsize() >= MAX_WAITING:
            raise CatalogBusy("too many operations wait for the catalog")
        future: asyncio.Future[Any] = self._loop.create_future()
        self._queue.put(_Waiting(future, operation, upkeep))
        return future

    def close(self) -> None:
        """Run what is queued, then end the thread. Blocks."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        ended = False
        while not ended:
            waiting, ended = self._gather()
            group = [each for each in waiting if each.operation is not None]
            if group:
                outcome = self._guarded(partial(self._commit, group))
                self._answer(group, [outcome] * len(group) if isinstance(outcome, _Failure) else outcome)
            for each in waiting:
                if each.upkeep is not None:
                    self._answer([each], [self._guarded(partial(each.upkeep, self._connection))])

    def _gather(self) -> tuple[list[_Waiting], bool]:
        """Wait for one, take all that is there with it; True when it was the last."""
        first = self._queue.get()
        waiting: list[_Waiting] = []
        try:
            while first is not None:
                waiting.append(first)
                if len(waiting) == MAX_GROUP:
                    return waiting, False
                first = self._queue.get_nowait()
        except queue.Empty:
            return waiting, False
        return waiting, True

    def _commit(self, group: list[_Waiting]) -> list[Any]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            outcomes = [self._attempt(waiting.operation) for waiting in group if waiting.operation]
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return outcomes

    def _attempt(self, operation: Operation) -> object:
        """Run one operation in its savepoint; an error of its own stays its own."""
        self._connection.execute("SAVEPOINT one")
        try:
            outcome = operation(Transaction(self._connection))
        except Exception as error:
            # A full disk may have rolled back the whole transaction: then the group fails.
            if not self._connection.in_transaction:
                raise
            self._connection.execute("ROLLBACK TO one")
            outcome = _Failure(typed(error) if isinstance(error, sqlite3.Error) else error)
        self._connection.execute("RELEASE one")
        return outcome

    def _guarded(self, act: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the act gives
        """The thread never dies: whatever goes wrong becomes somebody's answer."""
        try:
            return act()
        except CatalogError as error:
            return _Failure(error)
        except sqlite3.Error as error:
            return _Failure(typed(error))
        except BaseException as error:  # noqa: BLE001 - see above
            return _Failure(CatalogFailed(f"the catalog failed ({type(error).__name__})"))

    def _answer(self, group: list[_Waiting], outcomes: list[Any]) -> None:
        # A loop that was closed has nobody left who waits.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_settle, group, outcomes)


def _settle(group: list[_Waiting], outcomes: list[Any]) -> None:
    """On the event loop: give each future its outcome, unless its caller has left."""
    for waiting, outcome in zip(group, outcomes, strict=True):
        if waiting.future.done():
            continue
        if isinstance(outcome, _Failure):
            waiting.future.set_exception(outcome.error)
        else:
            waiting.future.set_result(outcome)

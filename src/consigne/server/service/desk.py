"""The desk that every part of the service stands at: catalog, store, settings, clock.

It also turns the errors of catalog and store into refusals, in one place, so that no
failure of the host ever looks like success, or like anything about the request.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from consigne.server.catalog import CatalogError, CatalogFull
from consigne.server.policy import rules
from consigne.server.refusal import Refusal
from consigne.server.service.arrivals import Arrivals
from consigne.server.service.prepaid import Prepaid
from consigne.server.service.receiving import Receiving
from consigne.server.service.turns import Turns
from consigne.server.stores import Draft, ShortBody, StoredName, StoreError, StoreFull, TooLong

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    from consigne.server.catalog.catalog import Catalog
    from consigne.server.catalog.transaction import Transaction
    from consigne.server.settings import Settings

T = TypeVar("T")

RESERVE: Final = b"reserve"  # whose turn it is with the room that is kept for removing


class Store(Protocol):
    """What the service asks of a store; the promises are in `stores`."""

    async def write_part(  # noqa: D102 - see `stores`
        self,
        object_id: bytes,
        part: int,
        part_size: int,
        length: int,
        body: AsyncIterator[bytes | memoryview],
    ) -> None: ...

    def warm(self, object_id: bytes) -> None: ...  # noqa: D102

    def read(  # noqa: D102
        self, object_id: bytes, part_size: int, start: int, stop: int
    ) -> AsyncIterator[bytes | memoryview]: ...

    async def draft_capsule(self, length: int, body: AsyncIterator[bytes | memoryview]) -> Draft: ...  # noqa: D102
    async def put_capsule(self, name: str, draft: Draft) -> None: ...  # noqa: D102
    async def get_capsule(self, name: str) -> tuple[int, AsyncGenerator[bytes | memoryview, None]]: ...  # noqa: D102
    async def delete_capsule(self, name: str) -> None: ...  # noqa: D102
    async def delete_object(self, object_id: bytes) -> None: ...  # noqa: D102
    async def delete_temporary(self, name: str) -> None: ...  # noqa: D102
    def names(self) -> AsyncIterator[StoredName]: ...  # noqa: D102
    async def free(self) -> int: ...  # noqa: D102
    async def identity(self) -> bytes | None: ...  # noqa: D102
    async def identify(self, identity: bytes) -> None: ...  # noqa: D102


class Desk:
    """What uploads, links, downloads and the sweep have in common."""

    def __init__(
        self, catalog: Catalog, store: Store, settings: Settings, clock: Callable[[], float] = time.time
    ) -> None:
        self.catalog = catalog
        self.store = store
        self.settings = settings
        self.clock = clock
        self.arrivals = Arrivals()
        self.turns = Turns()
        self.receiving = Receiving()
        self.prepaid = Prepaid()

    async def write(self, operation: Callable[[Transaction], T | Refusal]) -> T:
        """Run an operation on the catalog, durably; a Refusal that it returns is kept, then raised."""
        try:
            outcome = await self.catalog.write(operation)
        except CatalogError as error:
            raise _refused(error) from error
        if isinstance(outcome, Refusal):
            raise outcome
        return outcome

    async def write_less(self, operation: Callable[[Transaction], T | Refusal]) -> T:
        """As `write`, for what makes room: a full disk is met with what is kept for this."""
        try:
            return await self.write(operation)
        except Refusal as refusal:
            if refusal.code != "storage-full":
                raise
        async with self.turns.of(RESERVE):  # else a sweep that ends takes the room back in between
            await self.catalog.release_reserve()
            return await self.write(operation)

    async def keep_reserve(self) -> None:
        """Keep room for removing again, if there is any."""
        async with self.turns.of(RESERVE):
            await self.catalog.keep_reserve()

    async def find_room(self, needed: int = 0) -> None:
        """Refuses `storage-full` unless there is room for `needed` more bytes, and for rows."""
        free = await stored(self.store.free())
        rules.judge_room(self.receiving.bytes + needed, free, self.settings.min_free)
        await self._find_room_for_rows(self.settings.min_free)

    async def find_room_for_ticket(self) -> None:
        """Refuses `storage-full` where even readers would take the last of it.

        They take rows only, out of what uploads leave: whoever fills a disk must not shut it to them.
        """
        await self._find_room_for_rows(self.settings.min_free // 2)

    async def _find_room_for_rows(self, kept: int) -> None:
        try:
            rules.judge_room(0, await self.catalog.free(), kept)
        except CatalogError as error:
            raise _refused(error) from error

    async def read(self, operation: Callable[[Transaction], T]) -> T:
        """Run an operation that only looks."""
        try:
            return await self.catalog.read(operation)
        except CatalogError as error:
            raise _refused(error) from error

    async def tidy(self) -> None:
        """Take what was deleted off the disk that the catalog lies on."""
        try:
            await self.catalog.tidy()
        except CatalogError as error:
            raise _refused(error) from error

    async def discard(self, object_id: bytes | None, capsules: list[str]) -> None:
        """Delete files that no row speaks of any more; the sweep takes what fails to go."""
        try:
            if object_id is not None:
                await self.store.delete_object(object_id)
            for name in capsules:
                await self.store.delete_capsule(name)
        except StoreError:
            return


async def stored(work: Awaitable[T]) -> T:
    """What the store does, its errors as refusals."""
    try:
        return await work
    except ShortBody:
        raise Refusal("bad-request") from None
    except TooLong:
        raise Refusal("too-large") from None
    except StoreError as error:
        raise _refused(error) from error


def _refused(error: CatalogError | StoreError) -> Refusal:
    if isinstance(error, CatalogFull | StoreFull):
        return Refusal("storage-full")
    return Refusal("storage-failed", retry_after=1)

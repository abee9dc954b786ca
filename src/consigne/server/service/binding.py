"""A catalog and a store belong together, by a random id that both keep.

A sweep takes each file that its catalog does not know for a leftover, so a store with
the catalog of another host (or an empty disk, where the store was not mounted) is
refused by name before anything is done.
"""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING

from consigne import protocol
from consigne.errors import LocalError
from consigne.server.catalog import gone, identity

if TYPE_CHECKING:
    from consigne.server.catalog.catalog import Catalog
    from consigne.server.service.desk import Store


async def bind(catalog: Catalog, store: Store) -> None:
    """Make sure that the two belong together; new ones do from now on.

    New ones: the row comes first, since a catalog that never knew an object and has no
    id of its own may take no store that has one. A catalog from before there were ids:
    the store comes first, and the row takes on what the store says. So whichever of the
    two a crash left alone finds its other half. Raises LocalError `store-foreign`,
    StoreError, CatalogError.
    """
    expected, found = await catalog.read(identity.find), await store.identity()
    fresh = await catalog.read(gone.is_fresh)
    if expected is None and not fresh:
        if found is None:
            found = secrets.token_bytes(protocol.ID_SIZE)
            await store.identify(found)
        await catalog.write(partial(identity.keep, store_id=found))
    elif found is None and fresh:
        if expected is None:
            expected = secrets.token_bytes(protocol.ID_SIZE)
            await catalog.write(partial(identity.keep, store_id=expected))
        await store.identify(expected)
    elif expected != found:
        raise LocalError(
            "store-foreign",
            "This store does not belong to this catalog.",
            hint="Check `store` and `catalog`, and that the disk of the store is mounted.",
        )

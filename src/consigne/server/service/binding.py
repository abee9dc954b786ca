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

    The row comes first: after a crash between the two, the store has no id yet and the
    catalog has never known an object. Raises LocalError `store-foreign`, StoreError,
    CatalogError.
    """
    expected, found = await catalog.read(identity.find), await store.identity()
    if expected is None and found is None:
        expected = secrets.token_bytes(protocol.ID_SIZE)
        await catalog.write(partial(identity.keep, store_id=expected))
        await store.identify(expected)
    elif found is None and expected is not None and await catalog.read(gone.is_fresh):
        await store.identify(expected)
    elif expected != found:
        raise LocalError(
            "store-foreign",
            "This store does not belong to this catalog.",
            hint="Check `store` and `catalog`, and that the disk of the store is mounted.",
        )

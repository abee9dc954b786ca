"""A catalog from before stores had ids takes on what the store says; one crash between the two is no harm."""

from __future__ import annotations

import pytest

from consigne.errors import LocalError
from consigne.server.service.binding import bind
from tests.server.lodging import Lodging, hosted


def another(host: Lodging) -> None:
    (host.folder / "store/identity").write_text("A" * 43 + "\n")


async def forget(host: Lodging) -> None:
    """As a catalog was that knew objects before there were ids."""
    await host.catalog.write(lambda tx: tx.run("DELETE FROM store"))


@hosted
async def test_a_catalog_from_before_takes_on_the_stores_id(host: Lodging) -> None:
    await bind(host.catalog, host.store)
    first = await host.store.identity()
    await host.put()
    await forget(host)
    await bind(host.catalog, host.store)
    assert await host.store.identity() == first
    await bind(host.catalog, host.store)


@hosted
async def test_both_from_before_are_given_one(host: Lodging) -> None:
    await host.put()
    await bind(host.catalog, host.store)
    assert len(await host.store.identity() or b"") == 32
    await bind(host.catalog, host.store)


@hosted
async def test_another_store_is_refused_once_they_belong_together(host: Lodging) -> None:
    await bind(host.catalog, host.store)
    await host.put()
    another(host)
    with pytest.raises(LocalError) as caught:
        await bind(host.catalog, host.store)
    assert caught.value.code == "store-foreign"

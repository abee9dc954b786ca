"""A real service on a real catalog and disk store, with a clock to set; and owners to use it.

`@hosted` gives an async test a `Lodging` under the name `host`. An `Owner` is the
little that a client is to a host: random bytes from which ids and hashes follow.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from consigne import protocol
from consigne.server.catalog.catalog import Catalog
from consigne.server.refusal import Refusal
from consigne.server.service.service import Range, Service, Slice
from consigne.server.settings import Settings
from consigne.server.stores.disk import DiskStore

NOON = 20_000 * protocol.DAY + 43_200.5  # some day's noon, half a second in
CAPSULE = b"\x01" + bytes(200)
MIB = protocol.MIB


@dataclass
class Clock:
    now: float = NOON

    def __call__(self) -> float:
        return self.now

    def pass_days(self, days: float) -> None:
        self.now += days * protocol.DAY


class Lodging:
    """One host, to be restarted at will."""

    def __init__(self, folder: Path, store_class: type[DiskStore] = DiskStore, **settings: object) -> None:
        self.folder, self.clock = folder, Clock()
        self.settings = replace(Settings(min_free=0), **settings)
        self._store_class = store_class

    @property
    def database(self) -> Path:
        return self.folder / "catalog.db"

    async def open(self) -> None:
        self.catalog = Catalog(self.database)
        await self.catalog.open()
        self.store = self._store_class(self.folder / "store")
        await self.store.open()
        self.service = Service(self.catalog, self.store, self.settings, self.clock)
        self.service.wait_for_bytes = 0.05

    async def close(self) -> None:
        await self.catalog.close()
        await self.store.close()

    async def restart(self) -> None:
        await self.close()
        await self.open()

    async def names(self) -> list[tuple[str, str]]:
        return sorted([(name.kind, name.name) async for name in self.store.names()])

    def age(self, days: float) -> None:
        """Let every file of the store be so many days old."""
        then = int(self.clock.now // protocol.DAY - days) * protocol.DAY
        for file in (self.folder / "store").rglob("*"):
            if file.is_file():
                os.utime(file, (then, then))

    async def rows(self, table: str) -> list[tuple[Any, ...]]:
        return await self.catalog.read(lambda tx: list(tx.rows(f"SELECT * FROM {table}")))  # noqa: S608

    async def begin(self, length: int | None = None, expires_in: int | None = None) -> protocol.ObjectState:
        owner = Owner(self.service)
        await owner.begin(length, expires_in)
        return owner

    async def put(self, content: bytes = b"x" * 5000, **link: object) -> Owner:
        """A complete object with one link that has its capsule."""
        owner = await self.begin(len(content))
        await owner.send(0, content)
        await owner.complete(len(content))
        await owner.link(**link)
        return owner


@asynccontextmanager
async def lodging(folder: Path, **settings: object) -> AsyncIterator[Lodging]:
    host = Lodging(folder, **settings)
    await host.open()
    try:
        yield host
    finally:
        await host.close()


def hosted(test: Callable[..., Any]) -> Callable[..., None]:
    """Run an async test that takes `host`."""

    @functools.wraps(test)
    def run(tmp_path: Path, **values: object) -> None:
        async def with_host() -> None:
            async with lodging(tmp_path) as host:
                await test(host=host, **values)

        asyncio.run(with_host())

    signature = inspect.signature(test)
    others = [value for name, value in signature.parameters.items() if name != "host"]
    asked = inspect.Parameter("tmp_path", inspect.Parameter.KEYWORD_ONLY)
    run.__signature__ = signature.replace(parameters=[*others, asked])
    return run


@dataclass
class Link:
    service: Service
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    token: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    async def view(self) -> protocol.LinkView:
        return await self.service.link_view(self.id, self.token)

    async def ticket(self) -> bytes:
        answer = await self.service.start_download(self.id, self.token)
        return protocol.unb64u(answer["ticket"])


@dataclass
class Owner:
    service: Service
    token: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    commitment: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    links: list[Link] = field(default_factory=list)

    @property
    def hash(self) -> bytes:
        return protocol.token_hash(self.token)

    @property
    def id(self) -> bytes:
        return protocol.derive_object_id(self.commitment, self.hash)

    def new(self, length: int | None = None, expires_in: int | None = None) -> dict[str, Any]:
        return {
            "id": protocol.b64u(self.id),
            "commitment": protocol.b64u(self.commitment),
            "owner_hash": protocol.b64u(self.hash),
            "length": length,
            "expires_in": expires_in,
        }

    async def begin(self, length: int | None = None, expires_in: int | None = None) -> protocol.ObjectState:
        return await self.service.begin(self.new(length, expires_in))

    async def send(self, part: int, data: bytes) -> None:
        await self.service.receive_part(self.id, self.token, part, len(data), pieces(data))

    async def complete(self, length: int | None) -> protocol.ObjectState:
        return await self.service.complete(self.id, self.token, length)

    async def state(self) -> protocol.ObjectState:
        return await self.service.object_state(self.id, self.token)

    async def remove(self) -> None:
        await self.service.remove(self.id, self.token)

    def new_link(
        self, link: Link, expires_in: int | None = None, downloads: int | None = None
    ) -> dict[str, Any]:
        return {
            "object": protocol.b64u(self.id),
            "token_hash": protocol.b64u(protocol.token_hash(link.token)),
            "expires_in": expires_in,
            "downloads": downloads,
        }

    async def link(self, capsule: bytes | None = CAPSULE, **values: object) -> Link:
        link = Link(self.service)
        await self.service.put_link(link.id, self.token, self.new_link(link, **values))
        if capsule is not None:
            await put_link_capsule(self.service, link.id, self.token, capsule)
        self.links.append(link)
        return link

    async def ticket(self) -> bytes:
        return await self.links[0].ticket()

    async def fetch(
        self,
        ticket: bytes,
        first: int | None = None,
        last: int | None = None,
        suffix: int | None = None,
        *,
        whole: bool = False,
    ) -> bytes:
        wanted = None if whole else Range(first, last, suffix)
        return await read_all(await self.service.content(self.id, ticket, wanted))


# ---------------------------------------------------------------- capsules, whole


async def put_owner_capsule(
    service: Service, object_id: bytes, token: bytes, capsule: bytes, if_match: str | None
) -> str:
    return await service.put_owner_capsule(object_id, token, len(capsule), pieces(capsule), if_match)


async def put_link_capsule(service: Service, link_id: bytes, token: bytes, capsule: bytes) -> None:
    await service.put_link_capsule(link_id, token, len(capsule), pieces(capsule))


async def owner_capsule(service: Service, object_id: bytes, token: bytes) -> tuple[bytes, str]:
    found, tag = await service.owner_capsule(object_id, token)
    return await read_all(found), tag


async def link_capsule(service: Service, link_id: bytes, token: bytes) -> bytes:
    return await read_all(await service.link_capsule(link_id, token))


async def read_all(found: Slice) -> bytes:
    try:
        return b"".join([bytes(chunk) async for chunk in found.chunks])
    finally:
        await found.aclose()


async def keep(store: DiskStore, name: str, capsule: bytes) -> None:
    """A capsule in a store, by no service."""
    await store.put_capsule(name, await store.draft_capsule(len(capsule), pieces(capsule)))


async def pieces(data: bytes, size: int = MIB) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@asynccontextmanager
async def refused(code: str) -> AsyncIterator[list[Refusal]]:
    """What happens inside is refused with `code`; gives the refusal afterwards."""
    told = []
    with pytest.raises(Refusal) as caught:
        yield told
    assert caught.value.code == code
    told.append(caught.value)

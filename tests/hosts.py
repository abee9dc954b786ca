"""A real host on a real socket: in a thread of this process, or in a process of its own."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from consigne import protocol
from consigne.server.api.app import App
from consigne.server.catalog.catalog import Catalog
from consigne.server.http.hub import Hub
from consigne.server.main import loop_factory
from consigne.server.service.service import Service
from consigne.server.settings import Settings
from consigne.server.stores.disk import DiskStore

CAPSULE = b"\x01" + bytes(range(200))
Asgi = Callable[..., Awaitable[None]]


@dataclass
class Running:
    """A host in a thread. `service` may be changed by a test before it asks."""

    port: int
    hub: Hub
    service: Service | None
    loop: asyncio.AbstractEventLoop

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def do(self, work: Awaitable[Any]) -> object:
        """Run a coroutine on the host's loop."""

        async def wrapped() -> object:
            return await work

        return asyncio.run_coroutine_threadsafe(wrapped(), self.loop).result(30)


@contextmanager
def hub_of(
    make: Callable[[AsyncExitStack], Awaitable[tuple[Asgi, Settings, Service | None]]],
) -> Iterator[Running]:
    """Run what `make` gives in a thread of its own, on a free port."""
    ready: list[Running] = []
    is_ready, failed = threading.Event(), []

    async def main() -> None:
        async with AsyncExitStack() as stack:
            app, settings, service = await make(stack)
            hub = Hub(app, settings)
            listener = socket.create_server(("127.0.0.1", 0))
            await hub.listen(listener)
            stop = asyncio.Event()
            running = Running(listener.getsockname()[1], hub, service, asyncio.get_running_loop())
            ready.extend([running, stop])  # type: ignore[list-item]
            is_ready.set()
            await stop.wait()
            await hub.stop()

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                runner.run(main())
        except BaseException as error:  # noqa: BLE001 - shown to the test
            failed.append(error)
            is_ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    is_ready.wait(30)
    try:
        if failed:
            raise failed[0]
        yield ready[0]
    finally:
        if len(ready) > 1:
            ready[0].loop.call_soon_threadsafe(ready[1].set)  # type: ignore[attr-defined]
        thread.join(30)
    assert not failed, failed


@asynccontextmanager
async def service_in(folder: Path, settings: Settings) -> AsyncIterator[Service]:
    catalog, store = Catalog(folder / "catalog.db"), DiskStore(folder / "store")
    await store.open()
    await catalog.open()
    try:
        yield Service(catalog, store, settings)
    finally:
        await catalog.close()
        await store.close()


@contextmanager
def host_in_thread(folder: Path, **values: object) -> Iterator[Running]:
    """The whole host, with settings of its own."""
    settings = replace(Settings(min_free=0), **values)  # type: ignore[arg-type]

    async def make(stack: AsyncExitStack) -> tuple[Asgi, Settings, Service]:
        service = await stack.enter_async_context(service_in(folder, settings))
        return App(service, settings), settings, service

    with hub_of(make) as running:
        yield running


@contextmanager
def app_in_thread(app: Asgi, **values: object) -> Iterator[Running]:
    """Any ASGI application behind our HTTP."""

    async def make(_stack: AsyncExitStack) -> tuple[Asgi, Settings, None]:
        return app, replace(Settings(), **values), None  # type: ignore[arg-type]

    with hub_of(make) as running:
        yield running


@contextmanager
def running_host(folder: Path, **settings: object) -> Iterator[str]:
    """A host in a process of its own; its address."""
    with started(folder, **settings) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("Consigne is at "), line + process.stderr.read()
        yield line.split()[-1]


@contextmanager
def started(folder: Path, **settings: object) -> Iterator[subprocess.Popen[str]]:
    values = {"data": str(folder / "data"), "listen": "127.0.0.1:0", **settings}
    given = {f"CONSIGNE_{name.upper()}": str(value) for name, value in values.items()}
    with subprocess.Popen(
        [sys.executable, "-m", "consigne.server.main"],
        env={**os.environ, **given},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(40)


# -------------------------------------------------------------------- asking


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value

    @property
    def code(self) -> str:
        assert self.headers["content-type"] == protocol.PROBLEM_TYPE
        assert self.json["status"] == self.status
        return str(self.json["code"])


def ask(
    port: int,
    method: str,
    path: str,
    token: bytes | None = None,
    body: object = None,
    **headers: str,
) -> Answer:
    """One request on a connection of its own. A dict goes as JSON; `if_match` means If-Match."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        sent["Authorization"] = f"Bearer {protocol.b64u(token)}"
    data = json.dumps(body).encode() if isinstance(body, dict | list) else body
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body=data, headers=sent)  # type: ignore[arg-type]
        response = connection.getresponse()
        named = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, named, response.read())
    finally:
        connection.close()


@dataclass
class Owner:
    """The little that a client is to a host: random bytes from which ids and hashes follow."""

    port: int
    token: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    commitment: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    link: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    reader: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    @property
    def id(self) -> bytes:
        return protocol.derive_object_id(self.commitment, protocol.token_hash(self.token))

    def new(self, length: int | None, expires_in: int | None = None) -> dict[str, object]:
        return {
            "id": protocol.b64u(self.id),
            "commitment": protocol.b64u(self.commitment),
            "owner_hash": protocol.b64u(protocol.token_hash(self.token)),
            "length": length,
            "expires_in": expires_in,
        }

    def begin(self, length: int | None, expires_in: int | None = None) -> Answer:
        return ask(self.port, "POST", protocol.OBJECTS, body=self.new(length, expires_in))

    def send(self, part: int, data: bytes) -> Answer:
        return ask(self.port, "PUT", protocol.part_route(self.id, part), self.token, data)

    def complete(self, length: int) -> Answer:
        return ask(self.port, "POST", protocol.complete_route(self.id), self.token, {"length": length})

    def new_link(self, downloads: int | None = None) -> dict[str, object]:
        return {
            "object": protocol.b64u(self.id),
            "token_hash": protocol.b64u(protocol.token_hash(self.reader)),
            "expires_in": None,
            "downloads": downloads,
        }

    def share(self, downloads: int | None = None, capsule: bytes = CAPSULE) -> None:
        made = ask(self.port, "PUT", protocol.link_route(self.link), self.token, self.new_link(downloads))
        assert made.status == 201, made.body
        sealed = ask(self.port, "PUT", protocol.link_capsule_route(self.link), self.token, capsule)
        assert sealed.status == 204, sealed.body

    def put(self, data: bytes, downloads: int | None = None) -> Owner:
        """A complete object with a link."""
        assert self.begin(len(data)).status == 201
        size = protocol.part_size_for(len(data)) or 0
        for start in range(0, len(data), size):
            assert self.send(start // size, data[start : start + size]).status == 204
        assert self.complete(len(data)).status == 200
        self.share(downloads)
        return self

    def ticket(self) -> bytes:
        answer = ask(self.port, "POST", protocol.downloads_route(self.link), self.reader)
        assert answer.status == 201, answer.body
        return protocol.unb64u(answer.json["ticket"])

    def content(self, ticket: bytes, method: str = "GET", **headers: str) -> Answer:
        return ask(self.port, method, protocol.content_route(self.id), ticket, **headers)

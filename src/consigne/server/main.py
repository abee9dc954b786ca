"""The host from start to end: lock, store, catalog, socket, sweep, and a graceful stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from consigne.errors import ConsigneError, LocalError
from consigne.server import logs
from consigne.server.api.app import App
from consigne.server.catalog import CatalogError
from consigne.server.catalog.catalog import Catalog
from consigne.server.folders import lock, make_durable_folder
from consigne.server.http.hub import Hub
from consigne.server.policy.leaps import Leaps
from consigne.server.refusal import Refusal
from consigne.server.service.binding import bind
from consigne.server.service.service import Service
from consigne.server.settings import Settings, resolve
from consigne.server.stores import StoreError, StoreInUse
from consigne.server.stores.disk import DiskStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

LOCK: Final = "lock"


def serve(settings: Settings) -> None:
    """Run a host until SIGTERM or SIGINT; returns when it has stopped gracefully.

    Raises LocalError where the data folder, the store or the address cannot be used,
    UsageError where the catalog is of a newer version.
    """
    logs.configure(settings.log_level)
    os.umask(0o077)
    _allow_many_files()
    with (
        held(settings.data_folder),
        _listening(settings) as listener,
        asyncio.Runner(loop_factory=loop_factory()) as runner,
    ):
        runner.run(_run(settings, listener))


async def _run(settings: Settings, listener: socket.socket) -> None:
    asyncio.get_running_loop().set_exception_handler(_lost_exception)
    async with opened(settings) as service:
        hub = Hub(App(service, settings), settings)
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        await hub.listen(listener)
        sweeping = asyncio.create_task(_sweep_now_and_then(service, settings.sweep_interval))
        port = listener.getsockname()[1]
        _say(f"Consigne is at http://{settings.listen.rpartition(':')[0]}:{port}{settings.base_path}")
        await stopped.wait()
        await hub.stop()
        sweeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sweeping


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Service]:
    """The service over its store and catalog, which are closed at the end."""
    with _locked(settings.catalog_file):
        store, catalog = DiskStore(settings.store_folder), Catalog(settings.catalog_file)
        with _told():
            await store.open()
        try:
            await catalog.open()
            with _told():
                await bind(catalog, store)
            service = Service(catalog, store, settings)
            try:
                yield service
            finally:
                await service.settle()
        finally:
            await catalog.close()
            await store.close()


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What goes wrong with store or catalog at the start, said by name."""
    try:
        yield
    except StoreInUse:
        raise _in_use("store") from None
    except StoreError as error:
        hint = "Check the folder that `store` names, its rights, and the room on its disk."
        raise LocalError("store-failed", f"The store cannot be opened: {error}.", hint=hint) from None
    except CatalogError as error:
        hint = "Check the file that `catalog` names, its rights, and the room on its disk."
        raise LocalError("catalog-failed", f"The catalog cannot be opened: {error}.", hint=hint) from None


async def _sweep_now_and_then(service: Service, interval: float) -> None:
    leaps = Leaps()
    while True:
        try:
            if leaps.doubts(service.clock(), time.clock_gettime(time.CLOCK_BOOTTIME)):
                logs.LOG.error("the clock has leapt ahead: nothing is swept for a day, or until it is back")
            else:
                report = await service.sweep()
                logs.LOG.debug("swept: %s", report)
        except Refusal as refusal:
            logs.LOG.error("the sweep ended early: %s", refusal.code)
        except Exception as error:  # noqa: BLE001  the next sweep may do better
            logs.unexpected(error)
        await asyncio.sleep(interval)


@contextlib.contextmanager
def held(data: Path) -> Iterator[None]:
    """The data folder, made if need be, for this process alone."""
    try:
        make_durable_folder(data)
        held_lock = lock(data / LOCK)
    except BlockingIOError:
        raise _in_use("data folder") from None
    except OSError as error:
        hint = "Name another with --data, or check its rights."
        raise LocalError("data-unusable", f"The data folder: {error.strerror}.", hint=hint) from None
    try:
        yield
    finally:
        os.close(held_lock)  # and with it the lock is given back


@contextlib.contextmanager
def _locked(catalog: Path) -> Iterator[None]:
    """The catalog for this process alone, wherever the data folder is."""
    try:
        make_durable_folder(catalog.parent)
        held_lock = lock(catalog.with_name(f"{catalog.name}.{LOCK}"))
    except BlockingIOError:
        raise _in_use("catalog") from None
    except OSError as error:
        hint = "Check the file that `catalog` names, its rights, and the room on its disk."
        raise LocalError("catalog-failed", f"The catalog: {error.strerror}.", hint=hint) from None
    try:
        yield
    finally:
        os.close(held_lock)


def _in_use(what: str) -> LocalError:
    hint = "Stop the other one, or name another folder with --data."
    return LocalError("data-in-use", f"Another host uses this {what}.", hint=hint)


@contextlib.contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """A socket bound to `listen`."""
    with contextlib.ExitStack() as stack:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                settings.host or None, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            listener = stack.enter_context(socket.socket(family, kind, protocol))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError as error:
            message = f"Cannot listen on {settings.listen}: {error.strerror}."
            hint = "Another program may use it: name another with --listen HOST:PORT."
            raise LocalError("listen-failed", message, hint=hint) from None
        yield listener


def _allow_many_files() -> None:
    """Connections and objects are files: as many as the system lets this process have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The event loop that hosts run on."""
    try:
        import uvloop
    except ImportError:  # a platform without it: asyncio's own is nearly as fast here
        return None
    return uvloop.new_event_loop


def _lost_exception(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Whatever nobody awaited: its message may quote addresses, so only the type is noted."""
    error = context.get("exception")
    if isinstance(error, BaseException) and not isinstance(error, ConnectionError):
        logs.unexpected(error)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def run() -> int:
    """A host by its environment alone: `python -m consigne.server.main`."""
    try:
        serve(resolve({}, os.environ))
    except ConsigneError as error:
        _say(f"error: {error}\nhint: {error.hint}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(run())

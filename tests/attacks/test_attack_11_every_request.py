"""Attack 11: the host, or the command, is killed at each request of a put and of a get in turn.

The requests are numbered as a proxy sees them go by. At number n the host (or the
command) is killed: before the host hears the request, or when it has answered and
nobody has heard that yet. Then: what the host answered is there; the same command,
given again, ends well, without sending anything that was acknowledged; a link for one
download still is one.

`CONSIGNE_TEST_KILLS` from 200 on (as in `make soak`) takes every n; below that a
sample, by `CONSIGNE_TEST_SEED`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consigne import protocol
from tests.hosts import Answer, ask
from tests.processes import Host, User
from tests.proxy import Exchange, Fault, Proxy
from tests.soak import EVERY_INSTANT, SEED

SAMPLE = 100 if EVERY_INSTANT else 1  # of each way to be killed
PUT_REQUESTS, GET_REQUESTS = 8, 6
SIZE, PARTS = 17 * protocol.MIB, 3
WAYS = ["host, before", "host, after", "command, before", "command, after"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def cases(requests: int, salt: str) -> list[tuple[str, int]]:
    """Which way at which request: all of them, or a few."""
    chance = random.Random(f"{SEED} {salt}")
    each = [[(way, n) for n in range(requests)] for way in WAYS]
    return list(itertools.chain(*(chance.sample(one, min(SAMPLE, len(one))) for one in each)))


class Killer:
    """A proxy's plan: at request number `at`, in its way; everything else passes."""

    def __init__(self, way: str, at: int, host: Host) -> None:
        self.who, _, self.when = way.partition(", ")
        self.at = at
        self.host = host
        self.command: subprocess.Popen[str] | None = None
        self.struck: Exchange | None = None

    def plan(self, number: int, exchange: Exchange) -> Fault | None:
        if number != self.at or self.struck is not None:
            return None
        self.struck = exchange
        if self.when == "before":
            self._kill()
            return Fault(instead=b"")
        return Fault(rewrite=self._kill_and_say_nothing)

    def _kill_and_say_nothing(self, _head: bytes, _body: bytes) -> tuple[bytes, bytes]:
        self._kill()
        return b"", b""

    def _kill(self) -> None:
        if self.who == "host":
            self.host.kill()
            return
        while self.command is None:  # it was started, and asks before we were told so
            time.sleep(0.001)
        self.command.kill()


def answered(exchange: Exchange) -> bool:
    """Whether the host said yes, heard or not."""
    return 200 <= exchange.status < 300


def bearer(exchange: Exchange) -> bytes | None:
    found = re.search(rb"(?i)\r\nauthorization: bearer ([A-Za-z0-9_-]{43})\r\n", exchange.head)
    return protocol.unb64u(found[1].decode()) if found else None


class Witness:
    """Looks, on the host as it is now, for what it had acknowledged in a put."""

    def __init__(self, port: int, exchanges: list[Exchange]) -> None:
        self.port = port
        self.said = [exchange for exchange in exchanges if answered(exchange)]
        tokens = [token for exchange in exchanges if (token := bearer(exchange))]
        self.token = tokens[0] if tokens else None

    def look(self) -> None:
        for exchange in self.said:
            kind = re.sub(r"/[A-Za-z0-9_-]{43}", "/{id}", exchange.path.removeprefix(protocol.API))
            look: Callable[[Exchange], None] = {
                "/objects": self._object,
                "/objects/{id}/parts/0": self._part,
                "/objects/{id}/parts/1": self._part,
                "/objects/{id}/parts/2": self._part,
                "/objects/{id}/complete": self._complete,
                "/objects/{id}/capsule": self._owner_capsule,
                "/links/{id}": self._link,
                "/links/{id}/capsule": self._link_capsule,
            }[kind]
            look(exchange)

    def _get(self, path: str) -> Answer:
        return ask(self.port, "GET", path, self.token)

    def _object(self, exchange: Exchange) -> None:
        again = ask(self.port, "POST", exchange.path, None, bytes(exchange.body))
        assert again.code == "object-exists"

    def _part(self, exchange: Exchange) -> None:
        assert exchange.part is not None
        state = self._get(f"{protocol.OBJECTS}/{exchange.part[0]}").json
        assert any(first <= exchange.part[1] <= last for first, last in state["parts"]), exchange.part[1]

    def _complete(self, exchange: Exchange) -> None:
        assert self._get(exchange.path.removesuffix("/complete")).json["complete"]

    def _owner_capsule(self, exchange: Exchange) -> None:
        assert self._get(exchange.path).body == exchange.body

    def _link(self, exchange: Exchange) -> None:
        object_id = json.loads(exchange.body)["object"]
        links = self._get(f"{protocol.OBJECTS}/{object_id}").json["links"]
        assert [link["id"] for link in links] == [exchange.path.rpartition("/")[2]]

    def _link_capsule(self, exchange: Exchange) -> None:
        """The same bytes are fine, any others are not: these are there."""
        other = ask(self.port, "PUT", exchange.path, self.token, b"\x01" + os.urandom(len(exchange.body) - 1))
        assert other.code == "capsule-exists"
        assert ask(self.port, "PUT", exchange.path, self.token, bytes(exchange.body)).status == 204


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "file.bin"
    path.write_bytes(random.Random(SEED).randbytes(SIZE))
    return path


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with Host(tmp_path_factory.mktemp("server")) as running:
        yield running


def strike(user: User, killer: Killer, *command: str) -> None:
    """Give the command once, and let it end as it ends; afterwards the host runs again."""
    process = user.start(*command, CONSIGNE_PATIENCE="0.3")
    killer.command = process
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    assert killer.struck is not None, "there are fewer requests than that"
    # A host that went at the last request took nothing with it that the command waits for.
    assert process.returncode in ((-9,) if killer.who == "command" else (0, 6)), err
    if killer.who == "host":
        killer.host.start()


def same(path: Path, source: Path) -> bool:
    digests = [hashlib.sha256(each.read_bytes()).digest() for each in (path, source)]
    return digests[0] == digests[1]


def test_attack_11_how_many_requests_there_are(tmp_path: Path, host: Host, source: Path) -> None:
    """What "every request" means: these numbers, and no more."""
    with Proxy(host.port) as proxy:
        user = User(tmp_path / "home", proxy.url)
        link = user.must("put", str(source))
        assert len(proxy.exchanges) == PUT_REQUESTS
        proxy.exchanges.clear()
        user.must("get", link, "-o", str(tmp_path / "got"))
        assert len(proxy.exchanges) == GET_REQUESTS


@pytest.mark.parametrize(("way", "at"), cases(PUT_REQUESTS, "put"))
def test_attack_11_put_is_killed_at_a_request(
    tmp_path: Path, host: Host, source: Path, way: str, at: int
) -> None:
    killer = Killer(way, at, host)
    with Proxy(host.port, killer.plan) as proxy:
        user = User(tmp_path / "home", proxy.url)
        strike(user, killer, "put", str(source), "--downloads", "1")
        first = list(proxy.exchanges)
        Witness(host.port, first).look()
        proxy.exchanges.clear()
        link = user.must("put", str(source), "--downloads", "1")
        there = {exchange.part for exchange in first if exchange.part and answered(exchange)}
        again = {exchange.part for exchange in proxy.parts()}
        assert not there & again, "sent again what was acknowledged"
        assert len(there) + len(again) == PARTS, "nor did it begin anew"
        user.must("get", link, "-o", str(tmp_path / "got"))
    assert same(tmp_path / "got/file.bin", source)


@pytest.mark.parametrize(("way", "at"), cases(GET_REQUESTS, "get"))
def test_attack_11_get_is_killed_at_a_request(
    tmp_path: Path, host: Host, source: Path, way: str, at: int
) -> None:
    killer = Killer(way, at, host)
    with Proxy(host.port, killer.plan) as proxy:
        link = User(tmp_path / "owner", host.url).must("put", str(source), "--downloads", "1")
        link = link.replace(host.url, proxy.url)
        user, command = User(tmp_path / "home", proxy.url), ("get", link, "-o", str(tmp_path / "got"))
        strike(user, killer, *command)
        assert not (tmp_path / "got/file.bin").exists() or same(tmp_path / "got/file.bin", source)
        user.must(*command)
        assert same(tmp_path / "got/file.bin", source)
        assert user.run("get", link, "-o", str(tmp_path / "more")).returncode == 3, "it was one download"

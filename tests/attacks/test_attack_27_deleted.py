"""Attack 27: what was deleted is searched for on the stolen disk, and only hashes of its ids are found.

The whole data folder is read, file by file: the catalog with its free pages, its log, its
copies from before migrations, the store. What is searched for is all that was ever kept of
the thing: ids, hashes, capsules, stretches of ciphertext from everywhere, in every encoding.
Before it is deleted, the same search finds all of them.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from consigne import protocol
from tests.attacks.stolen import files
from tests.hosts import Owner, Running, ask, host_in_thread
from tests.processes import Host
from tests.searching import find
from tests.server.lodging import Clock

RESERVE = "catalog.db.reserve"  # 16 MiB of nothing
NONE: list[bytes] = []


@pytest.fixture
def clock() -> Clock:
    return Clock(time.time())  # files have the day on which they are really written


@pytest.fixture
def host(tmp_path: Path, clock: Clock) -> Iterator[Running]:
    with host_in_thread(tmp_path) as running:
        assert running.service is not None
        running.service.clock = clock
        yield running


class Doomed:
    """An object with all that it can have, and everything that a host ever keeps of it."""

    def __init__(self, port: int, size: int = 300_000, *, complete: bool = True) -> None:
        self.owner = owner = Owner(port)
        self.data = secrets.token_bytes(size)
        self.capsules = [b"\x01" + secrets.token_bytes(400) for _ in range(3)]
        whole = size if complete else size + protocol.PART_SIZES[0]
        assert owner.begin(whole, 20 * protocol.DAY).status == 201
        step = protocol.part_size_for(size) or 0
        for start in range(0, size, step):
            assert owner.send(start // step, self.data[start : start + step]).status == 204
        owner.share(capsule=self.capsules[0])
        first = self.put_owner_capsule(self.capsules[1])
        self.put_owner_capsule(self.capsules[2], if_match=first)
        assert owner.complete(size).status == (200 if complete else 409)
        self.ticket = owner.ticket()
        assert owner.content(self.ticket, range="bytes=0-999").body == self.data[:1000]

    def put_owner_capsule(self, capsule: bytes, **headers: str) -> str:
        route = protocol.owner_capsule_route(self.owner.id)
        answer = ask(self.owner.port, "PUT", route, self.owner.token, capsule, **headers)
        assert answer.status == 204
        return answer.headers["etag"]

    def remove(self) -> None:
        assert (
            ask(self.owner.port, "DELETE", protocol.object_route(self.owner.id), self.owner.token).status
            == 204
        )

    @property
    def of_the_link(self) -> dict[str, bytes]:
        return {
            "link id": self.owner.link,
            "hash of the read token": protocol.token_hash(self.owner.reader),
            "hash of the link's capsule": hashlib.sha256(self.capsules[0]).digest(),
            "hash of the ticket": protocol.token_hash(self.ticket),
            "link's capsule": self.capsules[0][100:148],
        }

    @property
    def of_the_object(self) -> dict[str, bytes]:
        return {
            **self.of_the_link,
            "object id": self.owner.id,
            "owner hash": protocol.token_hash(self.owner.token),
            "hash of the owner capsule": hashlib.sha256(self.capsules[2]).digest(),
            "owner capsule": self.capsules[2][100:148],
        }

    @property
    def ciphertext(self) -> list[bytes]:
        """Stretches of it, from beginning to end."""
        step = max(4096, len(self.data) // 64)
        return [self.data[at : at + 48] for at in [*range(0, len(self.data) - 48, step), len(self.data) - 48]]

    @property
    def hidden(self) -> dict[str, bytes]:
        """What was never on the disk, or is not any more already."""
        return {
            "owner token": self.owner.token,
            "read token": self.owner.reader,
            "ticket": self.ticket,
            "commitment": self.owner.commitment,
            "the former owner capsule": self.capsules[1][100:148],
        }


def whole_disk(folder: Path) -> bytes:
    """Every file under the folder, and every name."""
    everything = files(folder)
    reserve = everything.pop(RESERVE, b"")
    assert reserve.count(0) == len(reserve)
    return b"\n\n".join([*everything.values(), "\n".join(everything).encode()])


def found_on(folder: Path, needles: dict[str, bytes], ciphertext: list[bytes] = NONE) -> set[str]:
    """Which of these lie there, in any encoding; ciphertext as it is."""
    hay = whole_disk(folder)
    return {*find(hay, needles), *(f"ciphertext {n}" for n, piece in enumerate(ciphertext) if piece in hay)}


def crowd(host: Running, count: int) -> list[Owner]:
    """Others, so that rows of the doomed lie between theirs, and on pages that become free."""
    return [Owner(host.port).put(secrets.token_bytes(50)) for _ in range(count)]


def sweep(host: Running) -> None:
    assert host.service is not None
    host.do(host.service.sweep())


@pytest.mark.slow
@pytest.mark.parametrize("end", ["removed", "expired", "never completed"])
def test_attack_27_nothing_of_an_object_is_left(
    tmp_path: Path, host: Running, clock: Clock, end: str
) -> None:
    size = 300_000 if end != "never completed" else protocol.PART_SIZES[0]
    stays = crowd(host, 10)
    doomed, leave = Doomed(host.port, size, complete=end != "never completed"), crowd(host, 20)
    everything = doomed.of_the_object
    there = found_on(tmp_path, everything, doomed.ciphertext)
    assert len(there) == len(everything) + len(doomed.ciphertext), "the search finds what is there"
    assert found_on(tmp_path, doomed.hidden) == set()
    if end == "removed":
        doomed.remove()
        for owner in leave:
            assert ask(host.port, "DELETE", protocol.object_route(owner.id), owner.token).status == 204
    else:
        clock.pass_days(3 if end == "never completed" else 22)
    sweep(host)
    assert found_on(tmp_path, {**everything, **doomed.hidden}, doomed.ciphertext) == set()
    ids = {"object": protocol.token_hash(doomed.owner.id), "link": protocol.token_hash(doomed.owner.link)}
    assert found_on(tmp_path, ids) == {"object", "link"}, "hashes of its ids are all that is kept"
    if end == "removed":
        assert all(owner.content(owner.ticket()).status == 200 for owner in stays)


def test_attack_27_nothing_of_a_revoked_link_is_left(tmp_path: Path, host: Running) -> None:
    crowd(host, 10)
    doomed = Doomed(host.port)
    assert found_on(tmp_path, doomed.of_the_link) == set(doomed.of_the_link)
    route = protocol.link_route(doomed.owner.link)
    assert ask(host.port, "DELETE", route, doomed.owner.token).status == 204
    sweep(host)
    assert found_on(tmp_path, doomed.of_the_link) == set()
    assert found_on(tmp_path, {"it": protocol.token_hash(doomed.owner.link)}) == {"it"}
    assert "object id" in found_on(tmp_path, doomed.of_the_object)


def test_attack_27_nothing_is_left_in_what_came_in_half(tmp_path: Path, host: Running) -> None:
    """A part and a capsule whose senders went away in the middle; then the object is removed."""
    owner, half = Owner(host.port).put(b"x"), secrets.token_bytes(2 * protocol.MIB)
    other = Owner(host.port)
    other.begin(len(half) * 4)
    for path, token in (
        (protocol.part_route(other.id, 0), other.token),
        (protocol.owner_capsule_route(owner.id), owner.token),
    ):
        with socket.create_connection(("127.0.0.1", host.port)) as peer:
            head = f"PUT {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(half) * 4}\r\n"
            peer.sendall(f"{head}Authorization: Bearer {protocol.b64u(token)}\r\n\r\n".encode() + half)
            time.sleep(0.2)
    needles = [half[at : at + 48] for at in range(0, len(half), 65536)]
    assert found_on(tmp_path, {}, needles), "a part that broke off lies there until its object goes"
    for each in (other, owner):
        assert ask(host.port, "DELETE", protocol.object_route(each.id), each.token).status == 204
    sweep(host)
    assert found_on(tmp_path, {}, needles) == set()


def test_attack_27_nothing_is_left_in_the_copy_before_a_migration(tmp_path: Path, clock: Clock) -> None:
    with host_in_thread(tmp_path) as host:
        doomed = Doomed(host.port)
    with closing(sqlite3.connect(tmp_path / "catalog.db")) as catalog, catalog:
        catalog.execute("DROP TABLE store")
        catalog.execute("DELETE FROM applied WHERE version > 1")
    rows = doomed.of_the_object
    with host_in_thread(tmp_path) as host:
        assert host.service is not None
        host.service.clock = clock
        doomed.owner.port = host.port
        doomed.remove()
        sweep(host)
        (copy,) = tmp_path.glob("catalog.db.before-*")
        (tmp_path / "catalog.db.before-0002.partial-123").write_bytes(copy.read_bytes())
        assert found_on(tmp_path, rows), "for two days one can go back"
        clock.pass_days(2)
        sweep(host)
        assert found_on(tmp_path, rows) == set()
        assert not list(tmp_path.glob("catalog.db.before-*"))


@pytest.mark.slow
def test_attack_27_nothing_is_left_after_a_kill(tmp_path: Path) -> None:
    """The host is killed the moment it has said yes: its log is full, nobody has tidied."""
    with Host(tmp_path / "server", {"sweep_interval": "0.2"}) as host:
        doomed = Doomed(host.port, 20 * protocol.MIB)
        everything = doomed.of_the_object
        assert len(found_on(host.data, everything, doomed.ciphertext)) > len(everything)
        doomed.remove()
        host.kill()
        host.start()
        until = time.monotonic() + 20
        needles = {**everything, **doomed.hidden}
        while (left := found_on(host.data, needles, doomed.ciphertext)) and time.monotonic() < until:
            time.sleep(0.2)
        assert left == set()


# ---------------------------------------------------------------- who still reads it


def held_open(folder: Path) -> list[str]:
    """Files that were deleted and are still open in this process."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            target = os.readlink(descriptor)
            if target.startswith(str(folder)) and target.endswith("(deleted)"):
                found.append(target)
    return found


def wait_until_stuck(host: Running) -> None:
    """Until the kernel takes no more: the host waits for the peer in the middle of a piece."""
    before: set[int] = set()
    while not (waiting := {each._unsent() for each in host.hub._connections} - {0}) or waiting != before:
        before = waiting
        time.sleep(0.1)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to see open files")
def test_attack_27_nobody_keeps_a_removed_object_by_reading_it_slowly(tmp_path: Path) -> None:
    """Under the least rate the answer ends, and the file with it: bytes now and then are no reading."""
    with host_in_thread(tmp_path, body_timeout=1.0, body_min_rate=60_000) as host, socket.socket() as slow:
        owner = Owner(host.port).put(secrets.token_bytes(16 * protocol.MIB))  # more than a kernel holds
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(10)
        slow.connect(("127.0.0.1", host.port))
        head = f"GET {protocol.content_route(owner.id)} HTTP/1.1\r\nHost: a\r\n"
        slow.sendall(f"{head}Authorization: Bearer {protocol.b64u(owner.ticket())}\r\n\r\n".encode())
        assert slow.recv(1000)
        wait_until_stuck(host)
        assert ask(host.port, "DELETE", protocol.object_route(owner.id), owner.token).status == 204
        assert held_open(tmp_path), "he has it, for now"
        over = threading.Event()

        def trickle() -> None:
            with suppress(OSError):
                while not over.wait(0.1) and slow.recv(1500):
                    pass

        thread = threading.Thread(target=trickle)
        thread.start()
        until = time.monotonic() + 15
        while (held := held_open(tmp_path)) and time.monotonic() < until:
            time.sleep(0.05)
        over.set()
        thread.join()
        assert held == []

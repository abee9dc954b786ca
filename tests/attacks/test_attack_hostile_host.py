"""A host that lies in the frame of its answers: lists, sizes, lengths, endless heads.

Attacks 8, 10 and 43 from the side of the protocol: whatever it says, no key and nonce
meets two plaintexts, nothing that was not sent counts as sent, and nobody waits for ever.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from consigne.protocol import MIB, SEGMENT_SIZE
from tests.processes import Host, User
from tests.proxy import CHUNK, Exchange, Fault, Proxy


def rewritten(change: Callable[[dict[str, object]], None]) -> Callable[[bytes, bytes], tuple[bytes, bytes]]:
    """An answer whose JSON says something else."""

    def rewrite(head: bytes, body: bytes) -> tuple[bytes, bytes]:
        value = json.loads(body)
        change(value)
        data = json.dumps(value).encode()
        lines = [
            line
            for line in head.split(b"\r\n")
            if not line.lower().startswith((b"content-length", b"connection"))
        ]
        fields = b"\r\n".join(line for line in lines if line)
        return fields + b"\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(data), data

    return rewrite


def lying(wanted: Callable[[Exchange], bool], **members: object) -> Callable[[int, Exchange], Fault | None]:
    def plan(_: int, exchange: Exchange) -> Fault | None:
        return Fault(rewrite=rewritten(lambda value: value.update(members))) if wanted(exchange) else None

    return plan


def creates(exchange: Exchange) -> bool:
    return exchange.method == "POST" and exchange.path.endswith("/objects")


def completes(exchange: Exchange) -> bool:
    return exchange.path.endswith("/complete")


LIES: dict[str, tuple[Callable[[Exchange], bool], dict[str, object]]] = {
    "parts that nobody sent": (creates, {"parts": [[0, 0]]}),
    "another part size": (creates, {"part_size": 16 * MIB}),
    "another object": (creates, {"id": "A" * 43}),
    "another length": (creates, {"length": 1}),
    "not complete after all": (completes, {"complete": False}),
    "complete with another length": (completes, {"length": 1}),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_about_an_object_ends_the_put(tmp_path: Path, host: Host, lie: str) -> None:
    source = tmp_path / "file"
    source.write_bytes(os.urandom(10_000))
    with Proxy(host.port, lying(LIES[lie][0], **LIES[lie][1])) as proxy:
        done = User(tmp_path / "home", proxy.url).run("put", str(source))
    assert done.returncode == 6, done.stderr
    assert "makes no sense" in done.stderr
    assert "/d#" not in done.stdout


def test_a_chunked_answer_has_no_bounds_and_is_refused(tmp_path: Path, host: Host) -> None:
    (tmp_path / "file").write_bytes(b"x")
    link = User(tmp_path / "home", host.url).must("put", str(tmp_path / "file"))
    for size in (b"-1", b"-5", b"ffffffffff", b"zz"):
        answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\n" + bytes(1000)
        with Proxy(host.port, lambda *_, answer=answer: Fault(instead=answer)) as proxy:
            user = User(tmp_path / "home", proxy.url)
            done = user.run("ls", link.replace(host.url, proxy.url))
            assert done.returncode == 6, done.stderr
            assert "makes no sense" in done.stderr


@contextmanager
def dripping(first: bytes, drip: bytes) -> Iterator[str]:
    """A host that says `first`, then `drip` twice a second, for ever."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def talk(peer: socket.socket) -> None:
        with peer, suppress(OSError):
            peer.recv(65536)
            peer.sendall(first)
            while not over.wait(0.3):
                peer.sendall(drip)

    def listen() -> None:
        with suppress(OSError):
            while True:
                peer, _ = listener.accept()
                threading.Thread(target=talk, args=(peer,), daemon=True).start()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    over.set()
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


DRIPS = {
    "continue for ever": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a head for ever": (b"HTTP/1.1 200 OK\r\nX-Y: ", b"z"),
    "a body for ever": (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" "),
}


@pytest.mark.parametrize("what", DRIPS)
def test_nobody_waits_for_ever(tmp_path: Path, what: str) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with dripping(*DRIPS[what]) as url:
        began = time.monotonic()
        done = User(tmp_path / "home", url).run("put", str(tmp_path / "file"), CONSIGNE_PATIENCE="2")
        assert done.returncode == 6, done.stderr
        assert time.monotonic() - began < 30, "it gave up by itself, not because the test did"


@pytest.mark.slow
def test_a_get_that_ends_in_the_padding_is_whole_when_it_is_gone_on_with(tmp_path: Path, host: Host) -> None:
    """The last segments hold padding; the file's end is written, not only taken, before it counts.

    Four segments of padding, two of which come: while they do, almost all of the last job's
    plaintext waits to be written, and what was taken is further than what was written.
    """
    source = tmp_path / "file.bin"
    source.write_bytes(os.urandom(36 * MIB + 1))
    link = User(tmp_path / "home", host.url).must("put", str(source))
    held = threading.Event()

    def plan(_: int, exchange: Exchange) -> Fault | None:
        """The last two segments never come, until they are let through."""
        _, asked, range_ = exchange.head.lower().partition(b"\r\nrange: bytes=")
        left = 37 * MIB - 2 * SEGMENT_SIZE + CHUNK - int(range_.split(b"-")[0]) if asked else 1
        if held.is_set() or not asked:
            return None
        return Fault(cut_answer=left) if left > 0 else Fault(instead=b"")

    with Proxy(host.port, plan) as proxy:
        user = User(tmp_path / "taker", proxy.url)
        away = link.replace(host.url, proxy.url)
        first = user.run("get", away, "-o", str(tmp_path / "got"), CONSIGNE_PATIENCE="1")
        assert first.returncode in (5, 6), first.stderr
        held.set()
        user.must("get", away, "-o", str(tmp_path / "got"))
    assert (tmp_path / "got/file.bin").read_bytes() == source.read_bytes()

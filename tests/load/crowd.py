"""Peers that take places and give nothing: idle, slow, half gone, or not reading.

One thread drives all of them. Whoever is sent away comes again, so the pressure stays.
"""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from consigne import protocol

TCP_REPAIR = 19  # Linux: a socket in repair closes without a word to its peer
BEAT = 0.5  # seconds
HELLO = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"GET /api/v1/service HTTP/1.1\r\nHost: a\r\nX-Slow: "
BODY = b"POST /api/v1/objects HTTP/1.1\r\nHost: a\r\nContent-Length: 16000\r\n\r\n"


@dataclass
class Peer:
    """One of the crowd: what it says at first, and what at each beat."""

    first: bytes
    beat: bytes = b""
    half: bool = False  # ends its side after its first words
    socket: socket.socket | None = None


def idle() -> Peer:
    return Peer(b"")


def kept() -> Peer:
    """Had one answer, and stays."""
    return Peer(HELLO)


def slow_head() -> Peer:
    return Peer(HEAD, b"x")


def slow_small_body() -> Peer:
    return Peer(BODY, b"x")


def half_open() -> Peer:
    return Peer(HEAD, half=True)


def slow_part(object_id: bytes, token: bytes, length: int) -> Callable[[], Peer]:
    """Sends a part at a few bytes a second."""
    head = f"PUT {protocol.part_route(object_id, 0)} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n"
    head += f"Authorization: Bearer {protocol.b64u(token)}\r\n\r\n"
    return lambda: Peer(head.encode() + bytes(100_000), bytes(8))


def deaf(object_id: bytes, ticket: bytes) -> Callable[[], Peer]:
    """Asks for a whole content and takes none of it."""
    head = f"GET {protocol.content_route(object_id)} HTTP/1.1\r\nHost: a\r\n"
    head += f"Authorization: Bearer {protocol.b64u(ticket)}\r\n\r\n"
    return lambda: Peer(head.encode())


@dataclass
class Crowd:
    """So many of each kind, on the host at `port`, while it is entered."""

    port: int
    kinds: list[tuple[int, Callable[[], Peer]]]
    seed: int = 0
    peers: list[Peer] = field(default_factory=list)
    came_again: int = 0

    def __enter__(self) -> Self:
        self.peers = [make() for count, make in self.kinds for _ in range(count)]
        for peer in self.peers:
            self._come(peer)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._drive)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """All go: a third says goodbye, a third breaks off, a third vanishes without a word."""
        self._over.set()
        self._thread.join()
        chance = random.Random(self.seed)
        for peer in self.peers:
            if peer.socket is not None:
                chance.choice([_close, _reset, _vanish])(peer.socket)

    def _drive(self) -> None:
        while not self._over.wait(BEAT):
            for peer in self.peers:
                if peer.socket is None or not self._beats(peer):
                    self.came_again += 1
                    self._come(peer)

    def _come(self, peer: Peer) -> None:
        if peer.socket is not None:
            peer.socket.close()
            peer.socket = None
        sock = socket.socket()
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.settimeout(2)
            sock.connect(("127.0.0.1", self.port))
            sock.setblocking(False)
            sock.send(peer.first)
            if peer.half:
                sock.shutdown(socket.SHUT_WR)
        except OSError:  # the host was killed, or is busy: next time
            sock.close()
            return
        peer.socket = sock

    @staticmethod
    def _beats(peer: Peer) -> bool:
        """One more beat; False if the host has ended the connection."""
        sock = peer.socket
        assert sock is not None
        try:
            if peer.beat:
                with suppress(BlockingIOError):
                    sock.send(peer.beat)
            with suppress(BlockingIOError):
                return sock.recv(1, socket.MSG_PEEK) != b""
        except OSError:
            return False
        return True


def _close(sock: socket.socket) -> None:
    sock.close()


def _reset(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


def _vanish(sock: socket.socket) -> None:
    """As if its cable were cut; who may not do that stays silent until the end of the process."""
    with suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    sock.close()

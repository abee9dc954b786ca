"""Attack 40 over a real socket: the host says there what it says on the wire without one."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, seed, settings

from tests.fuzz.conversations import CONTINUE, HEAD_SIZE, TARGET, said_to, tell
from tests.fuzz.mutation import inputs
from tests.hosts import Running, app_in_thread
from tests.soak import SEED


@pytest.fixture(scope="module")
def host() -> Iterator[Running]:
    with app_in_thread(tell, head_size=HEAD_SIZE) as running:
        yield running


def said_over_a_socket(host: Running, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", host.port), timeout=10) as peer:
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        pieces = []
        while piece := peer.recv(1 << 16):
            pieces.append(piece)
    return b"".join(pieces).replace(CONTINUE, b"")


def test_attack_40_seeds_over_a_socket(host: Running) -> None:
    for data in TARGET.starts():
        assert said_over_a_socket(host, data) == said_to([data])


@pytest.mark.slow
def test_attack_40_mutations_over_a_socket(host: Running) -> None:
    @seed(SEED)
    @settings(max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(data=inputs(TARGET))
    def meet(data: bytes) -> None:
        assert said_over_a_socket(host, data) == said_to([data])

    meet()
    assert said_over_a_socket(host, TARGET.seeds()[0]).count(b"200 OK") == 3

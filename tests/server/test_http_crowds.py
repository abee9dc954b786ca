"""Whoever takes more than a share: of memory, of connections, of the places of gates (attacks 36, 40).

Each test is a crowd, or one peer like a crowd, and somebody else who is served all the same.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from consigne import protocol
from consigne.server import buffers
from tests.hosts import Owner, Running, app_in_thread, ask, host_in_thread
from tests.server.peers import Peer, app

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
WAIT = b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n"


def put(body: bytes) -> bytes:
    return b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def most_held(host: Running) -> int:
    """Bytes read ahead, of the connection that has most."""
    return max((len(each._early) for each in list(host.hub._connections)), default=0)


def served(host: Running) -> bool:
    with Peer(host).send(GET) as peer:
        return peer.answer()[0] == 200


# -------------------------------------------------------------------- pipelining


def test_what_is_pipelined_waits_outside() -> None:
    count, most = 20_000, 0
    with app_in_thread(app) as host, Peer(host) as peer:
        thread = threading.Thread(target=lambda: peer.send(GET * count))
        thread.start()
        for number in range(count):
            peer.answer()
            if number % 50 == 0:
                most = max(most, most_held(host))
        thread.join()
        assert 0 < most <= host.hub.settings.head_size


def test_a_large_body_behind_many_requests() -> None:
    count, body = 3000, secrets.token_bytes(8 << 20)
    with app_in_thread(app) as host, Peer(host) as peer:
        thread = threading.Thread(target=lambda: peer.send(GET * count + put(body) + GET))
        thread.start()
        for _ in range(count):
            assert json.loads(peer.answer()[2])[:2] == ["GET", "/a"]
        assert json.loads(peer.answer()[2]) == ["PUT", "/x", len(body), sum(body) % 65536]
        assert json.loads(peer.answer()[2])[:2] == ["GET", "/a"]
        thread.join()


@pytest.mark.parametrize("size", [1, 3, 20_000, 70_000, 200_000, 500_000])
def test_a_body_that_was_read_ahead_goes_through_small_buffers(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sum of bytes tells nothing of their order; `/echo` does."""
    body = secrets.token_bytes(size)
    got: list[bytes] = []

    async def keeps(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "PUT":
            pieces, more = [], True
            while more:
                message = await receive()
                pieces.append(bytes(message["body"]))
                more = message["more_body"]
            got.append(b"".join(pieces))
        await app({**scope, "path": "/unread"}, receive, send)

    with app_in_thread(keeps, head_size=1 << 20) as host, Peer(host) as peer:
        monkeypatch.setattr(host.hub, "buffers", buffers.Buffers(stock=0))
        host.loop.call_soon_threadsafe(time.sleep, 0.2)  # so that it comes together
        peer.send(GET * 3 + put(body) + put(body) + GET)
        for _ in range(6):
            assert peer.answer()[0] == 200
    assert got == [body, body]


def test_three_requests_and_an_end_are_all_answered() -> None:
    with app_in_thread(app) as host:
        for requests in (GET * 3, WAIT * 3, WAIT + put(b"abc") + GET, GET + put(bytes(200_000)) + WAIT):
            with Peer(host).send(requests) as peer:
                peer.socket.shutdown(socket.SHUT_WR)
                assert [peer.answer()[0] for _ in range(3)] == [200] * 3
                assert peer.closed()


# -------------------------------------------------------------------- connections


def test_begun_heads_make_room() -> None:
    with app_in_thread(app, connections=20, head_timeout=20.0) as host, ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(Peer(host).send(b"G"))
        time.sleep(0.2)
        assert served(host)


def test_small_bodies_that_do_not_come_make_room() -> None:
    with app_in_thread(app, connections=20, head_timeout=20.0) as host, ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(Peer(host).send(put(bytes(16_000))[:-1]))
        time.sleep(0.2)
        assert served(host)


def test_answered_connections_that_linger_make_room() -> None:
    with app_in_thread(app, connections=20) as host, ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(Peer(host).send(b"nonsense\r\n\r\n")).answer()
        assert served(host)


def test_a_kept_connection_outlives_begun_heads_only_as_long_as_there_is_room() -> None:
    with app_in_thread(app, connections=2) as host, Peer(host).send(b"G") as begun:
        with Peer(host).send(GET) as kept:
            kept.answer()
            assert served(host)
            assert kept.closed()  # the idle one went first
        begun.send(GET[1:])
        assert begun.answer()[0] == 200


def test_each_newcomer_of_one_moment_gets_a_room_of_its_own() -> None:
    with app_in_thread(app, connections=20) as host, ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(Peer(host).send(GET)).answer()
        host.loop.call_soon_threadsafe(time.sleep, 0.3)
        fresh = [stack.enter_context(Peer(host).send(GET)) for _ in range(15)]
        assert [peer.answer()[0] for peer in fresh] == [200] * 15
        assert len(host.hub._connections) == 20


def test_whoever_is_one_too_many_is_told_and_gone_at_once() -> None:
    endless = threading.Event()

    async def waits(_scope: Scope, receive: Receive, _send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        endless.set()

    with app_in_thread(waits, connections=4) as host, ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(Peer(host).send(GET))
        time.sleep(0.2)
        began = time.monotonic()
        for _ in range(50):
            late = stack.enter_context(Peer(host))
            assert late.answer()[0] == 503
            assert late.closed()
            assert len(host.hub._connections) <= 4
        assert time.monotonic() - began < 2
    assert endless.wait(5)


# -------------------------------------------------------------------- time


def test_a_head_start_buys_no_trickle() -> None:
    with app_in_thread(app, body_timeout=0.3, body_min_rate=10_000) as host, Peer(host) as peer:
        peer.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n" + bytes(2_000_000))
        stop = threading.Event()

        def drip() -> None:
            while not stop.wait(0.02):
                try:
                    peer.socket.send(b"x")
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        began = time.monotonic()
        try:
            assert peer.answer()[0] == 408
            assert time.monotonic() - began < 3
        finally:
            stop.set()
            thread.join()


def test_time_in_which_the_host_does_not_read_is_not_the_peers() -> None:
    async def dawdles(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.7)
        await receive()
        await asyncio.sleep(0.7)
        await app(scope, receive, send)

    with app_in_thread(dawdles, body_timeout=0.3, body_min_rate=10_000) as host, Peer(host) as peer:
        assert peer.send(put(bytes(20_000_000))).answer()[0] == 200


def test_an_unfinished_request_and_an_end_are_closed() -> None:
    with app_in_thread(app) as host, Peer(host).send(WAIT + GET[:5]) as peer:
        peer.socket.shutdown(socket.SHUT_WR)
        assert peer.answer()[0] == 200
        assert peer.closed()


def test_a_small_body_comes_as_soon_as_a_head() -> None:
    with app_in_thread(app, head_timeout=0.3, body_timeout=60.0) as host:
        with Peer(host).send(put(bytes(16_000))[:-1]) as peer:
            status, head, body = peer.answer()
            assert (status, json.loads(body)["code"]) == (408, "too-slow")
            assert b"connection: close" in head
        with Peer(host).send(put(bytes(16_000))[:-1]) as peer:
            assert peer.send(b"x").answer()[0] == 200


@pytest.mark.parametrize("how", ["close", "reset", "shut"])
def test_an_application_that_waits_is_told_that_the_peer_went(how: str) -> None:
    told = threading.Event()

    async def waits(_scope: Scope, receive: Receive, _send: Send) -> None:
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"
        told.set()

    with app_in_thread(waits) as host, Peer(host).send(put(b"abc")) as peer:
        time.sleep(0.1)
        assert not told.is_set()
        if how == "shut":
            peer.socket.shutdown(socket.SHUT_WR)
        elif how == "reset":
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if how != "shut":
            peer.socket.close()
        assert told.wait(5)


# -------------------------------------------------------------------- places of gates


def content(owner: Owner, ticket: bytes) -> bytes:
    return (
        f"GET {protocol.content_route(owner.id)} HTTP/1.1\r\nHost: a\r\nRange: bytes=0-9\r\n"
        f"Authorization: Bearer {protocol.b64u(ticket)}\r\n\r\n"
    ).encode()


def test_readers_who_wait_take_no_place_of_others(tmp_path: Path) -> None:
    with host_in_thread(tmp_path, requests_at_once=5, connections=40) as host, ExitStack() as stack:
        empty, whole = Owner(host.port), Owner(host.port).put(b"content")
        assert empty.begin(100).status == 201
        empty.share()
        ticket = empty.ticket()
        waiting = []
        for _ in range(20):
            waiting.append(stack.enter_context(Peer(host).send(content(empty, ticket))))
            time.sleep(0.02)
        time.sleep(0.5)
        assert ask(host.port, "GET", "/readyz").status == 200
        assert whole.content(whole.ticket()).body == b"content"
        assert empty.content(ticket, Range="bytes=0-9").code == "busy"  # their own bound
        assert empty.send(0, bytes(100)).status == 204
        assert [peer.answer()[0] for peer in waiting] == [206] * 20


def test_a_reader_who_waited_finds_the_transfers_full(tmp_path: Path) -> None:
    with host_in_thread(tmp_path, requests_at_once=1) as host:
        empty = Owner(host.port)
        assert empty.begin(100_000).status == 201
        empty.share()
        part = f"PUT {protocol.part_route(empty.id, 0)} HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n"
        part += f"Authorization: Bearer {protocol.b64u(empty.token)}\r\n\r\n"
        with Peer(host).send(content(empty, empty.ticket())) as reader:
            time.sleep(0.3)
            with Peer(host).send(part.encode()):
                status, _, body = reader.answer()
                assert (status, json.loads(body)["code"]) == (503, "busy")


@pytest.mark.parametrize("how", ["close", "shut"])
def test_readers_who_went_do_not_wait(tmp_path: Path, how: str) -> None:
    with host_in_thread(tmp_path, connections=40) as host:
        empty = Owner(host.port)
        assert empty.begin(100).status == 201
        empty.share()
        ticket = empty.ticket()
        with ExitStack() as stack:
            peers = [stack.enter_context(Peer(host).send(content(empty, ticket))) for _ in range(20)]
            time.sleep(0.3)
            for peer in peers:
                if how == "shut":
                    peer.socket.shutdown(socket.SHUT_WR)
                else:
                    peer.socket.close()
            time.sleep(1.5)
            if how == "shut":
                assert {json.loads(peer.answer()[2])["code"] for peer in peers} == {"not-yet"}
            assert host.service is not None
            host.service.wait_for_bytes = 0.1
            assert empty.content(ticket, Range="bytes=0-9").code == "not-yet"


def test_bodies_that_never_come_take_no_place_of_others(tmp_path: Path) -> None:
    with host_in_thread(tmp_path, requests_at_once=5) as host, ExitStack() as stack:
        owner = Owner(host.port)
        assert owner.begin(100_000).status == 201
        for _ in range(20):
            head = b"POST /api/v1/objects HTTP/1.1\r\nHost: a\r\nContent-Length: 16000\r\n\r\n"
            stack.enter_context(Peer(host).send(head))
        part = f"PUT {protocol.part_route(owner.id, 0)} HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n"
        part += f"Authorization: Bearer {protocol.b64u(owner.token)}\r\n\r\n"
        for _ in range(10):
            stack.enter_context(Peer(host).send(part.encode()))
        time.sleep(0.3)
        assert ask(host.port, "GET", "/readyz").status == 200
        assert ask(host.port, "GET", "/d").status == 200
        assert Owner(host.port).begin(5).status == 201


def test_readers_of_pages_who_do_not_read_take_no_place_of_others(tmp_path: Path) -> None:
    with host_in_thread(tmp_path, requests_at_once=5) as host, ExitStack() as stack:
        for _ in range(20):
            sock = stack.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            sock.connect(("127.0.0.1", host.port))
            sock.sendall(b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 500)
        time.sleep(0.3)
        assert ask(host.port, "GET", "/readyz").status == 200

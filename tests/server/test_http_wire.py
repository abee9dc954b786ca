"""HTTP as hostile or broken peers speak it, over raw sockets: attacks 36 and 40."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from consigne.server import buffers, logs
from consigne.server.http.exchange import DisconnectedError
from tests.hosts import Running, app_in_thread
from tests.server.peers import BIG, Peer, app


@pytest.fixture(scope="module")
def host() -> Iterator[Running]:
    with app_in_thread(app, head_size=2048, head_timeout=0.5, body_timeout=0.5, keep_alive=0.6) as running:
        yield running


def told(host: Running, data: bytes) -> tuple[int, str]:
    """Status and code of the problem that answers `data`; the connection is closed after."""
    with Peer(host).send(data) as peer:
        status, head, body = peer.answer()
        assert b"connection: close" in head
        assert peer.closed()
        return status, json.loads(body)["code"]


MALFORMED = {
    "both lengths": b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0",
    "two lengths": b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "equal lengths twice": b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "a list of lengths": b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc",
    "negative": b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc",
    "plus": b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
    "hexadecimal": b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc",
    "over 64 bits": b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\nabc",
    "empty length": b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nabc",
    "blank before colon": b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc",
    "folded": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    "bare carriage return": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rY: b\r\n\r\n",
    "line feed ends head early": b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\n\nGET / HTTP/1.1\r\n\r\n",
    "NUL in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
    "NUL in the path": b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
    "control in the path": b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/3.1": b"GET / HTTP/3.1\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "no header name": b"GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n",
    "not a method": b"G=T / HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT": b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "two hosts, old": b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
    "a list of hosts": b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "line feed in the path, encoded": b"GET /healthz%0a HTTP/1.1\r\nHost: a\r\n\r\n",
    "NUL in the path, encoded": b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
    "DEL in the path, encoded": b"GET /%7F HTTP/1.1\r\nHost: a\r\n\r\n",
    "C1 control in the path, encoded": b"GET /%C2%85 HTTP/1.1\r\nHost: a\r\n\r\n",
    "slash, encoded": b"GET /a%2Fb HTTP/1.1\r\nHost: a\r\n\r\n",
    "backslash, encoded": b"GET /a%5cb HTTP/1.1\r\nHost: a\r\n\r\n",
    "a fragment": b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
    "other expectation": b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: cake\r\nContent-Length: 1\r\n\r\nx",
    "many headers": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a: b\r\n" * 101 + b"\r\n",
    "no blank": b"GET/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "empty lines": b"\r\n\r\n\r\n\r\n",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_what_two_programs_could_read_in_two_ways_is_refused(host: Running, data: bytes) -> None:
    assert told(host, data) == (400, "bad-request")


@pytest.mark.parametrize("coding", [b"chunked", b"gzip, chunked", b"identity", b"x"])
def test_bodies_without_a_length_are_refused(host: Running, coding: bytes) -> None:
    status, code = told(
        host, b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: " + coding + b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    )
    assert (status, code) in ((411, "length-required"), (400, "bad-request"))


@settings(max_examples=150, deadline=None)
@given(noise=st.binary(min_size=1, max_size=300))
def test_noise_is_answered_or_closed(host: Running, noise: bytes) -> None:
    with Peer(host).send(b"GET /" + noise + b" HTTP/1.1\r\nHost: a\r\n\r\n") as peer:
        status, _, _ = peer.answer()
        assert status in (200, 400, 431)


def test_huge_heads(host: Running) -> None:
    assert told(host, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 5000) == (431, "head-too-large")
    assert told(host, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 2100 + b"\r\n\r\n") == (
        431,
        "head-too-large",
    )
    assert told(host, b"GET /" + b"a" * 100_000) == (431, "head-too-large")


def test_a_slow_head(host: Running) -> None:
    began = time.monotonic()
    with Peer(host) as peer, pytest.raises((ConnectionError, AssertionError)):
        for byte in b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 1000:
            peer.send(bytes([byte]))
            time.sleep(0.05)
            assert time.monotonic() - began < 3
            peer.socket.setblocking(False)
            try:
                data = peer.socket.recv(4096)
                assert b"408" not in data
            except BlockingIOError:
                pass
            peer.socket.setblocking(True)
    assert time.monotonic() - began < 3


def test_silence_is_closed(host: Running) -> None:
    with Peer(host) as peer:
        began = time.monotonic()
        assert peer.closed()
        assert time.monotonic() - began < 3
    with Peer(host).send(b"\r\n") as peer:
        assert peer.closed()
    with Peer(host).send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") as peer:
        assert peer.answer()[0] == 200
        assert peer.closed()  # after keep_alive


def test_a_body_that_stops(host: Running) -> None:
    assert told(host, b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc") == (408, "too-slow")


def test_a_body_that_drips() -> None:
    with app_in_thread(app, body_timeout=0.3, body_min_rate=100_000) as host, Peer(host) as peer:
        peer.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        stop = threading.Event()

        def drip() -> None:
            while not stop.wait(0.02):
                try:
                    peer.socket.send(b"x" * 10)
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            assert peer.answer()[0] == 408
        finally:
            stop.set()
            thread.join()


def test_a_body_that_comes_steadily_is_let_in() -> None:
    with app_in_thread(app, body_timeout=0.3, body_min_rate=100) as host, Peer(host) as peer:
        peer.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n")
        for _ in range(10):
            peer.send(b"x" * 1000)
            time.sleep(0.1)
        assert json.loads(peer.answer()[2])[2] == 10_000


@pytest.mark.parametrize("size", [1, 65536, 65537, 1 << 20, (1 << 20) + 1, 5_000_000])
@pytest.mark.parametrize("together", [True, False])
def test_bodies_arrive_whole(host: Running, size: int, together: bool) -> None:  # noqa: FBT001
    data = secrets.token_bytes(size)
    head = b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size
    with Peer(host) as peer:
        for _ in range(2):  # the connection goes on
            for piece in [head + data] if together else [head, data[: size // 2], data[size // 2 :]]:
                peer.send(piece)
                time.sleep(0 if together else 0.02)
            assert json.loads(peer.answer()[2]) == ["PUT", "/x", size, sum(data) % 65536]


def test_bodies_arrive_whole_when_large_buffers_are_out(
    host: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host.hub, "buffers", buffers.Buffers(stock=0))
    test_bodies_arrive_whole(host, 300_000, together=True)
    monkeypatch.setattr(host.hub, "buffers", stock := buffers.Buffers(stock=1))
    test_bodies_arrive_whole(host, 3_000_000, together=True)
    assert len(stock._free) == 1


def test_buffers_come_back_when_the_peer_goes(host: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.hub, "buffers", stock := buffers.Buffers(stock=3))
    for _ in range(4):
        with Peer(host).send(
            b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n" + bytes(2_500_000)
        ):
            time.sleep(0.05)
    for _ in range(100):
        if len(stock._free) + stock._left == 3:
            return
        time.sleep(0.02)
    raise AssertionError("buffers are missing")


def test_pipelined_requests_are_answered_in_order(host: Running) -> None:
    some = (
        b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
        b"PUT /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
        b"GET /c HTTP/1.1\r\nHost: a\r\n\r\n"
    )
    with Peer(host).send(some) as peer:
        assert [json.loads(peer.answer()[2])[1] for _ in range(3)] == ["/a", "/wait", "/c"]


def test_much_is_pipelined_and_memory_stays(host: Running) -> None:
    count = 20_000
    with Peer(host) as peer:
        thread = threading.Thread(target=lambda: peer.send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n" * count))
        thread.start()
        for _ in range(count):
            peer.answer()
        thread.join()


def test_bytes_after_a_closing_answer_are_no_request(host: Running) -> None:
    smuggled = (
        b"PUT /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 45\r\n\r\n"
        b"GET /smuggled HTTP/1.1\r\nHost: aaaaaaaaaaa\r\n\r\n"
    )
    with Peer(host).send(smuggled) as peer:
        _, head, body = peer.answer()
        assert b"connection: close" in head
        assert json.loads(body)[1] == "/unread"
        assert peer.closed()


def test_an_answer_before_the_body_is_read_can_be_read(host: Running) -> None:
    with Peer(host) as peer:
        peer.send(b"PUT /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n" + bytes(20_000_000))
        assert peer.answer()[0] == 200
        assert peer.closed()


def test_lingering_ends(host: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consigne.server.http.connection.LINGER_BYTES", 1_000_000)
    with Peer(host) as peer, pytest.raises(ConnectionError):
        peer.send(b"PUT /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 90000000\r\n\r\n")
        for _ in range(200):
            peer.send(bytes(500_000))
    monkeypatch.setattr("consigne.server.http.connection.LINGER_TIME", 0.2)
    with Peer(host).send(b"PUT /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 90000000\r\n\r\n") as peer:
        peer.answer()
        began = time.monotonic()
        while time.monotonic() - began < 5:
            try:
                peer.send(b"x")
            except ConnectionError:
                break
            time.sleep(0.05)
        assert time.monotonic() - began < 4


def test_continue_is_said_when_the_body_is_wanted(host: Running) -> None:
    with Peer(host).send(
        b"PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    ) as peer:
        assert peer.answer()[0] == 100
        assert json.loads(peer.send(b"abc").answer()[2])[2] == 3
    with Peer(host).send(
        b"PUT /unread HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 20000\r\n\r\n"
    ) as peer:
        assert peer.answer()[0] == 200


def test_old_http_closes(host: Running) -> None:
    with Peer(host).send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n") as peer:
        assert b"connection: close" in peer.answer()[1]
        assert peer.closed()
    with Peer(host).send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") as peer:
        assert b"connection: close" in peer.answer()[1]
        assert peer.closed()


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
def test_offers_to_speak_otherwise_are_passed_over(host: Running, protocol: bytes) -> None:
    asks = b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: a\r\nUpgrade: " + protocol + b"\r\n"
    with Peer(host) as peer:
        for _ in range(2):
            peer.send(b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n" + asks + b"\r\nabc")
            assert json.loads(peer.answer()[2])[2] == 3


def test_a_leading_empty_line_and_a_whole_address_are_let_pass(host: Running) -> None:
    with Peer(host).send(b"\r\nGET http://a/b%20c?d=e HTTP/1.1\r\nHost: a\r\n\r\n") as peer:
        assert json.loads(peer.answer()[2])[1] == "/b c"


def test_a_peer_that_only_listens_gets_its_answer(host: Running) -> None:
    with Peer(host).send(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n") as peer:
        peer.socket.shutdown(socket.SHUT_WR)
        assert peer.answer()[0] == 200
        assert peer.closed()


def test_head_has_no_body(host: Running) -> None:
    with Peer(host).send(b"HEAD /big HTTP/1.1\r\nHost: a\r\n\r\n") as peer:
        while b"\r\n\r\n" not in peer.left:
            peer._more()
        assert peer.left.endswith(b"content-length: %d\r\n\r\n" % BIG)


def test_an_answer_that_is_cut_does_not_look_whole(host: Running) -> None:
    with (
        Peer(host).send(b"GET /big/short HTTP/1.1\r\nHost: a\r\n\r\n") as peer,
        pytest.raises((EOFError, ConnectionError)),
    ):
        peer.answer()


def test_a_reader_that_stops_is_ended(host: Running) -> None:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(10)
        sock.connect(("127.0.0.1", host.port))
        sock.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(2)
        got = 0
        with pytest.raises(ConnectionResetError):
            while data := sock.recv(1 << 20):
                got += len(data)
            raise ConnectionResetError if got < BIG else AssertionError("it was sent whole")
        assert got < BIG


def test_a_slow_reader_that_moves_is_served() -> None:
    with app_in_thread(app, body_timeout=0.3, body_min_rate=1000) as host, Peer(host) as peer:
        peer.send(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        got = 0
        while got < BIG:
            got += len(peer.socket.recv(200_000))
            time.sleep(0.05)


@pytest.mark.slow
def test_what_the_kernel_holds_is_not_taken_for_standing_still() -> None:
    """It holds megabytes for a reader, and takes more only when a third of that went: whoever
    reads twice as fast as he must is served, though the host's own buffer does not move."""
    with app_in_thread(app, body_timeout=1.0, body_min_rate=100_000) as host, Peer(host) as peer:
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
        peer.send(b"GET /huge HTTP/1.1\r\nHost: a\r\n\r\n")
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            assert peer.socket.recv(10_000)
            time.sleep(0.04)
            assert host.hub._connections, "it was sent away"


def test_a_thousand_idle_connections_stop_nobody() -> None:
    with app_in_thread(app, connections=1100, head_timeout=20.0) as host, ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(socket.create_connection(("127.0.0.1", host.port), timeout=10))
        began = time.monotonic()
        with Peer(host).send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n") as peer:
            assert peer.answer()[0] == 200
        assert time.monotonic() - began < 2


def test_the_oldest_idle_connection_makes_room() -> None:
    with app_in_thread(app, connections=2) as host, Peer(host) as first, Peer(host) as second:
        second.send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").answer()
        with Peer(host).send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n") as third:
            assert third.answer()[0] == 200
        assert first.closed()
        assert second.send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").answer()[0] == 200


def test_one_connection_too_many_is_told() -> None:
    with app_in_thread(app, connections=1) as host, Peer(host) as first:
        first.send(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.1)
        with Peer(host) as second:
            status, head, body = second.answer()
            assert (status, json.loads(body)["code"]) == (503, "busy")
            assert b"retry-after: 1" in head
        assert first.answer()[0] == 200


def test_stopping_lets_answers_end() -> None:
    with ExitStack() as stack:
        with app_in_thread(app) as host:
            busy = stack.enter_context(Peer(host).send(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n"))
            idle = stack.enter_context(Peer(host).send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"))
            idle.answer()
            time.sleep(0.1)
        assert idle.closed()
        assert b"connection: close" in busy.answer()[1]
        assert busy.closed()


def test_stopping_ends_what_does_not_end() -> None:
    async def endless(_scope: Scope, _receive: Receive, _send: Send) -> None:
        await asyncio.Event().wait()

    began = time.monotonic()
    with ExitStack() as stack:
        with app_in_thread(endless, stop_timeout=0.2) as host:
            peer = stack.enter_context(Peer(host).send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
            time.sleep(0.1)
        assert peer.closed()
    assert time.monotonic() - began < 5


def test_sending_to_a_peer_that_went_is_told_to_the_application() -> None:
    outcome: list[BaseException] = []
    ended = threading.Event()

    async def sends(_scope: Scope, _receive: Receive, send: Send) -> None:
        try:
            start = {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-length", b"999999999")],
            }
            await send(start)
            while True:
                await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})
        except BaseException as error:
            outcome.append(error)
            ended.set()
            raise

    with app_in_thread(sends) as host:
        with Peer(host).send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"):
            time.sleep(0.1)
        assert ended.wait(5)
    assert isinstance(outcome[0], DisconnectedError)


def test_log_lines_quote_nothing(capsys: pytest.CaptureFixture[str]) -> None:  # attack 28
    async def fails(scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError(scope["path"], scope["headers"])

    logs.configure("debug")
    with app_in_thread(fails) as host, Peer(host) as peer:
        peer.send(b"GET /secret-path HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer secret-token\r\n\r\n")
        assert peer.answer()[0] == 500
    said = capsys.readouterr().err
    assert "RuntimeError at exchange.py:" in said
    assert "secret" not in said
    assert "127.0.0.1" not in said

"""Attack 10: a network that does everything wrong. Attack 12: a host that sends us elsewhere."""

from __future__ import annotations

import filecmp
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from consigne.protocol import MIB
from tests.processes import Host, User
from tests.proxy import Exchange, Fault, Proxy, problem

FAULTS: dict[str, Callable[[], Fault]] = {
    "reset before the host hears it": lambda: Fault(cut_request=0, instead=b""),
    "reset inside the request": lambda: Fault(cut_request=1),
    "answer lost": lambda: Fault(drop_answer=True),
    "answer cut": lambda: Fault(cut_answer=1),
    "500": lambda: Fault(instead=problem(500, "internal")),
    "502 without a word": lambda: Fault(
        instead=b"HTTP/1.1 502 Bad\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    ),
    "503 with Retry-After": lambda: Fault(instead=problem(503, "busy", "Retry-After: 1")),
    "429 with Retry-After": lambda: Fault(instead=problem(429, "unknown-code", "Retry-After: 1")),
    "garbage": lambda: Fault(instead=b"\x00\xff this is not http\r\n\r\n"),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", FAULTS)
def test_attack_10_each_request_fails_once(tmp_path: Path, host: Host, what: str) -> None:
    """Every request of a whole put and get goes wrong the first time: all ends well."""
    source = tmp_path / "file.bin"
    source.write_bytes(os.urandom(20 * MIB))
    failed: set[str] = set()
    lock = threading.Lock()

    def plan(number: int, exchange: Exchange) -> Fault | None:
        with lock:
            # A host that was never reached is not waited for, so the very first request gets through.
            if number == 0 or exchange.line in failed:
                return None
            failed.add(exchange.line)
        return FAULTS[what]()

    with Proxy(host.port, plan) as proxy:
        user = User(tmp_path / "home", proxy.url)
        link = user.must("put", str(source))
        failed.clear()
        user.must("get", link, "-o", str(tmp_path / "got"))
    assert filecmp.cmp(source, tmp_path / "got/file.bin", shallow=False)


@pytest.mark.slow
def test_attack_10_a_network_that_goes_away_and_comes_back(tmp_path: Path, host: Host) -> None:
    source = tmp_path / "file.bin"
    source.write_bytes(os.urandom(60 * MIB))
    with Proxy(host.port) as proxy:
        user = User(tmp_path / "home", proxy.url)
        down = threading.Event()
        proxy.plan = lambda *_: Fault(instead=b"") if down.is_set() else None
        process = user.start("put", str(source))
        while len(proxy.parts()) < 2:
            time.sleep(0.01)
        down.set()
        proxy.break_connections()
        time.sleep(3)
        down.clear()
        out, err = process.communicate(timeout=100)
        assert process.returncode == 0, err
        user.must("get", out.strip(), "-o", str(tmp_path / "got"))
    assert filecmp.cmp(source, tmp_path / "got/file.bin", shallow=False)


@pytest.mark.slow
def test_attack_10_a_network_that_stays_away_is_an_error_and_the_journal_is_kept(
    tmp_path: Path, host: Host
) -> None:
    source = tmp_path / "file.bin"
    source.write_bytes(os.urandom(30 * MIB))
    with Proxy(host.port) as proxy:
        user = User(tmp_path / "home", proxy.url)
        proxy.plan = lambda _, exchange: (
            Fault(instead=b"") if exchange.part and exchange.part[1] > 1 else None
        )
        done = user.run("put", str(source), CONSIGNE_PATIENCE="2")
        assert done.returncode == 6
        assert done.stderr.splitlines()[-2].startswith("error: ")
        assert done.stderr.splitlines()[-1].startswith("hint: ")
        acknowledged = {exchange.part for exchange in proxy.parts() if exchange.acknowledged}
        assert acknowledged
        proxy.exchanges.clear()
        proxy.plan = lambda *_: None
        user.must("put", str(source))
        assert not acknowledged & {exchange.part for exchange in proxy.parts()}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_attack_12_tokens_do_not_follow_a_redirect(tmp_path: Path, host: Host, status: int) -> None:
    source = tmp_path / "file"
    source.write_bytes(b"x")
    link = User(tmp_path / "home", host.url).must("put", str(source))
    fragment = link.partition("#")[2]
    with Proxy(host.port) as elsewhere, Proxy(host.port) as proxy:
        away = f"HTTP/1.1 {status} Go\r\nLocation: {elsewhere.url}/api/v1/x\r\nContent-Length: 0\r\n\r\n"
        proxy.plan = lambda *_: Fault(instead=away.encode())
        user = User(tmp_path / "home", proxy.url)
        assert user.run("get", f"{proxy.url}/d#{fragment}", "-o", str(tmp_path / "got")).returncode == 6
        assert user.run("put", str(source)).returncode == 6
        assert elsewhere.exchanges == []
    assert not (tmp_path / "got/file").exists()

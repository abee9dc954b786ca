"""The link is there before the first byte: who opens it early gets what is there and waits for the rest."""

from __future__ import annotations

import filecmp
import os
import threading
import time
from pathlib import Path

import pytest

from consigne import Client
from consigne.errors import HostError
from consigne.protocol import MIB
from tests.processes import Host, User
from tests.proxy import Exchange, Fault, Proxy


def held_back(gate: threading.Event, first: int) -> object:
    """Parts from `first` on wait at the proxy until the gate opens."""

    def plan(_: int, exchange: Exchange) -> Fault | None:
        if exchange.part is not None and exchange.part[1] >= first:
            gate.wait(60)
        return None

    return plan


def link_of(process: object) -> str:
    line = process.stderr.readline()  # type: ignore[attr-defined]
    assert line.startswith("link: "), line
    return str(line.split()[1])


def test_a_get_that_begins_before_the_put_ends(tmp_path: Path, host: Host) -> None:
    source = tmp_path / "file.bin"
    source.write_bytes(os.urandom(40 * MIB))
    gate = threading.Event()
    with Proxy(host.port) as proxy:
        proxy.plan = held_back(gate, 3)  # type: ignore[assignment]
        giver, taker = User(tmp_path / "giver", proxy.url), User(tmp_path / "taker", host.url)
        put = giver.start("put", str(source))
        link = link_of(put).replace(proxy.url, host.url)
        get = taker.start("get", link, "-o", str(tmp_path / "got"))
        time.sleep(2)
        assert get.poll() is None, "it waits for what is not there yet"
        assert not (tmp_path / "got/file.bin").exists()
        gate.set()
        assert put.wait(60) == 0
        assert get.wait(60) == 0, get.stderr.read()  # type: ignore[union-attr]
        for process in (put, get):
            process.communicate()
    assert filecmp.cmp(source, tmp_path / "got/file.bin", shallow=False)


@pytest.mark.slow
def test_what_never_comes_is_an_error_by_name(
    tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    source = tmp_path / "file.bin"
    source.write_bytes(os.urandom(20 * MIB))
    gate = threading.Event()
    with Proxy(host.port) as proxy:
        proxy.plan = held_back(gate, 1)  # type: ignore[assignment]
        put = User(tmp_path / "giver", proxy.url).start("put", str(source))
        link = link_of(put).replace(proxy.url, host.url)
        with Client(host.url) as client, client.open(link) as file:
            first = file.read(1000)
            assert first == source.read_bytes()[:1000], "the first part can be read already"
            assert client.list(link).complete is False
        put.kill()
        put.communicate()
        gate.set()
    got = User(tmp_path / "taker", host.url).run(
        "get", link, "-o", str(tmp_path / "got"), CONSIGNE_PATIENCE="3"
    )
    assert got.returncode == HostError.exit_code
    assert "not here yet" in got.stderr
    assert not (tmp_path / "got/file.bin").exists()

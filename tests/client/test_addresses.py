"""Which addresses are used, and that a proxy is told the name, never asked by number."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import urllib3

from consigne.client.addresses import check_base, connection_pool
from consigne.client.patience import patience_seconds
from consigne.errors import UsageError
from consigne.format.link import Fragment, Kind, Link, parse_link

ONION = "http://consigneconsigne.onion"


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("base", "code"),
    [
        ("https://host.example", None),
        ("https://host.example:8443/files/", None),
        ("http://localhost:1", None),
        ("http://127.8.9.1", None),
        ("http://[::1]:80", None),
        (ONION, None),
        ("http://host.example", "address-insecure"),
        ("http://128.0.0.1", "address-insecure"),
        ("http://onion", "address-insecure"),
        ("https://host.example:99999", "address-invalid"),
        ("https://host.example:x", "address-invalid"),
        ("https://[::1", "address-invalid"),
        ("https://user@host.example", "address-invalid"),
        ("https://host.example?x", "address-invalid"),
        ("https://host.example#x", "address-invalid"),
        ("https://host\\.example", "address-invalid"),
        ("ftp://host.example", "address-invalid"),
        ("https:///", "address-invalid"),
        ("https://", "address-invalid"),
        ("https://host.example:", "address-invalid"),
        ("https://host.example/a b", "address-invalid"),
        ("https://host.example/\u00e9", "address-invalid"),
        ("https://host.example/a\\b", "address-invalid"),
        ("https://host.example/" + "a" * 4090, "address-invalid"),
        ("https://[:::::]", "address-invalid"),
        ("host.example", "address-invalid"),
        ("", "address-invalid"),
    ],
)
def test_which_addresses_are_used(base: str, code: str | None) -> None:
    if code is None:
        checked = check_base(base)
        assert checked == base.rstrip("/")
        for kind in Kind:  # links that are made of it are read back
            made = Link(checked, Fragment(kind, bytes(32)))
            assert parse_link(made.encode()) == made
        return
    with pytest.raises(UsageError) as caught:
        check_base(base)
    assert caught.value.code == code
    if code == "address-insecure":
        assert check_base(base, insecure=True) == base


@contextmanager
def listening(*answers: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A peer that gives one answer to each thing it hears, then hangs up: its port, and what it heard."""
    heard: list[bytes] = []

    def serve() -> None:
        peer, _ = server.accept()
        with peer:
            for answer in (*answers, b""):
                heard.append(peer.recv(4096))
                peer.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], heard
        thread.join()


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_tor_is_told_the_name(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(b"\x05\x00") as (port, heard):
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{port}")
        with pytest.raises(urllib3.exceptions.HTTPError):
            connection_pool(ONION, 1).request("GET", ONION, retries=False)
    name = ONION.removeprefix("http://").encode()
    assert heard[1] == b"\x05\x01\x00\x03" + bytes([len(name)]) + name + (80).to_bytes(2, "big")


@pytest.mark.parametrize("prefix", ["http://", ""])
def test_a_proxy_is_told_the_name(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening() as (port, heard):
        monkeypatch.setenv("HTTP_PROXY", f"{prefix}127.0.0.1:{port}")
        with pytest.raises(urllib3.exceptions.HTTPError):
            connection_pool(ONION, 1).request("GET", f"{ONION}/x", retries=False)
    assert heard[0].startswith(f"GET {ONION}/x HTTP/1.1\r\n".encode())


def test_this_machine_is_reached_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    for base in ("http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"):
        assert not isinstance(connection_pool(base, 1), urllib3.ProxyManager)
    assert isinstance(connection_pool("https://host.example", 1), urllib3.ProxyManager)
    monkeypatch.setenv("NO_PROXY", "host.example")
    assert not isinstance(connection_pool("https://host.example", 1), urllib3.ProxyManager)


@pytest.mark.parametrize("proxy", ["ftp://127.0.0.1:1", "socks9://127.0.0.1:1", "http://127.0.0.1:x"])
def test_a_proxy_that_nobody_can_use(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(UsageError) as caught:
        connection_pool(ONION, 1)
    assert caught.value.code == "address-invalid"


@pytest.mark.parametrize("text", ["x", "-1", "nan", "inf", "1e9"])
def test_a_patience_that_is_no_number_of_seconds(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSIGNE_PATIENCE", text)
    with pytest.raises(UsageError) as caught:
        patience_seconds()
    assert caught.value.code == "setting-invalid"


@pytest.mark.parametrize(("text", "seconds"), [("", 30), ("0", 0), ("0.5", 0.5)])
def test_patience(text: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSIGNE_PATIENCE", text)
    assert patience_seconds() == seconds

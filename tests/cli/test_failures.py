"""Every failure class of spec/format.md, through the command: its name, its exit code, nothing kept.

The host's own files are altered, as a host could, or the proxy alters what it answers.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consigne.format import capsule, keys
from consigne.format.link import parse_link
from consigne.protocol import SEGMENT_SIZE, b64u
from tests.cli.shell import Shell
from tests.processes import Host
from tests.proxy import Exchange, Fault, Proxy, problem

SIZE = 1_000_000  # four segments


@pytest.fixture
def put(shell: Shell) -> dict[str, Any]:
    shell.write("a.bin", os.urandom(SIZE))
    return shell.put("a.bin")


def kept_by(host: Host, name: str) -> Path:
    """What the host keeps under a name."""
    (path,) = (path for path in host.data.joinpath("store").rglob("*") if path.name.startswith(name))
    return path


def content_of(host: Host, put: dict[str, Any]) -> Path:
    (path,) = host.data.joinpath("store/objects").rglob(put["object"])
    return path


def capsule_of(host: Host, link: str) -> Path:
    return kept_by(host, b64u(keys.link_id(parse_link(link).fragment.secret)))


def fails_whole(shell: Shell, code: int, name: str, link: str) -> dict[str, Any]:
    """A get that fails and leaves nothing that could pass for the file."""
    error = shell.fails(code, name, "get", link, "-o", "there").error
    assert not list((shell.here / "there").rglob("*.bin"))
    return error


# ---------------------------------------------------------------- links


@pytest.mark.parametrize("cut", [1, 10, 45])
def test_link_incomplete(lonely: Shell, cut: int) -> None:
    link = "http://127.0.0.1:9/d#EQ" + "A" * 44
    fails_whole(lonely, 2, "link-incomplete", link[:-cut])
    assert "Copy it whole" in lonely.run("get", link[:-cut]).err


@pytest.mark.parametrize("fragment", ["Eg" + "A" * 44, "EQI" + "A" * 43, "IQEA" + "A" * 42])
def test_link_newer(lonely: Shell, fragment: str) -> None:
    fails_whole(lonely, 2, "link-newer", f"http://127.0.0.1:9/d#{fragment}")


def test_not_found(shell: Shell) -> None:
    fails_whole(shell, 3, "not-found", shell.environment["CONSIGNE_URL"] + "/d#EQ" + "A" * 44)


# ---------------------------------------------------------------- capsules


@pytest.mark.parametrize("at", [1, 40, 70, -1])
def test_capsule_tampered(shell: Shell, host: Host, put: dict[str, Any], at: int) -> None:
    flip(capsule_of(host, put["link"]), at)
    fails_whole(shell, 5, "capsule-tampered", put["link"])
    shell.fails(5, "capsule-tampered", "ls", put["link"])


def test_capsule_newer(shell: Shell, host: Host, put: dict[str, Any]) -> None:
    flip(capsule_of(host, put["link"]), 0)
    fails_whole(shell, 5, "capsule-newer", put["link"])


def test_owner_capsule_tampered(shell: Shell, host: Host, put: dict[str, Any]) -> None:
    flip(kept_by(host, put["object"] + "."), 100)
    shell.fails(5, "capsule-tampered", "info", put["manage"])
    shell.fails(5, "capsule-tampered", "link", put["manage"])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("manifest-newer", {"format": "consigne-manifest/2"}),
        ("manifest-newer", {"critical": ["unheard-of"]}),
        ("manifest-invalid", {"length": SIZE + 1}),
        ("manifest-invalid", {"files": [{"path": "../a.bin", "size": SIZE}]}),
        ("manifest-invalid", {"key": b64u(bytes(32))}),
        ("manifest-invalid", {"seed": b64u(bytes(32))}),
    ],
)
def test_manifests(shell: Shell, host: Host, put: dict[str, Any], name: str, change: dict[str, Any]) -> None:
    """Whoever made the link can also lie in it."""
    file, reader = capsule_of(host, put["link"]), keys.reader(parse_link(put["link"]).fragment.secret, None)
    manifest = json.loads(capsule.unseal(reader.root, reader.link_id, file.read_bytes()))
    changed = json.dumps({**manifest, **change}).encode()
    file.write_bytes(capsule.seal(reader.root, reader.link_id, changed, capsule.fresh_salt()))
    fails_whole(shell, 5, name, put["link"])


# ---------------------------------------------------------------- content


@pytest.mark.parametrize("segment", [0, 2, 3])
def test_content_tampered(shell: Shell, host: Host, put: dict[str, Any], segment: int) -> None:
    flip(content_of(host, put), segment * SEGMENT_SIZE + 100)
    assert fails_whole(shell, 5, "content-tampered", put["link"])["segment"] == segment
    got = shell.run("cat", put["link"])
    assert got.code == 5
    assert (shell.here / "a.bin").read_bytes().startswith(got.output)  # never a wrong byte
    assert f"error: Segment {segment} of the content" in got.err


def test_content_tampered_by_exchange(shell: Shell, host: Host, put: dict[str, Any]) -> None:
    file = content_of(host, put)
    data = bytearray(file.read_bytes())
    one, two = slice(SEGMENT_SIZE, 2 * SEGMENT_SIZE), slice(2 * SEGMENT_SIZE, 3 * SEGMENT_SIZE)
    data[one], data[two] = data[two], data[one]
    file.write_bytes(data)
    assert fails_whole(shell, 5, "content-tampered", put["link"])["segment"] == 1


def test_what_is_not_asked_for_is_not_judged(shell: Shell, host: Host) -> None:
    """One good file of a share whose other file was altered."""
    shell.write("good.txt", "good")
    shell.write("long.bin", os.urandom(SIZE))
    put = shell.put("good.txt", "long.bin")
    flip(content_of(host, put), -1)
    shell.must("get", put["link"], "--only", "good.txt", "-o", "there")
    shell.fails(5, "content-tampered", "get", put["link"], "-o", "elsewhere")
    assert not (shell.here / "elsewhere").exists()


def test_content_length(shell: Shell, host: Host, put: dict[str, Any]) -> None:
    def longer(head: bytes, body: bytes) -> tuple[bytes, bytes]:
        return re.sub(rb"(?i)(content-range: bytes \d+-\d+/)\d+", rb"\g<1>1048576", head), body

    with Proxy(host.port, on_content(lambda: Fault(rewrite=longer))) as proxy:
        fails_whole(shell, 5, "content-length", through(proxy, put["link"]))


def test_content_truncated(shell: Shell, host: Host, put: dict[str, Any]) -> None:
    with Proxy(host.port, on_content(lambda: Fault(cut_answer=SEGMENT_SIZE + 1000))) as proxy:
        link = through(proxy, put["link"])
        done = shell.fails(5, "content-truncated", "get", link, "-o", "there", CONSIGNE_PATIENCE="0.5")
        assert done.error["segment"] > 0
    assert not (shell.here / "there/a.bin").exists()


# ---------------------------------------------------------------- host and network


def test_a_host_that_makes_no_sense(shell: Shell, host: Host, put: dict[str, Any]) -> None:
    answers = {
        "host-broken": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        "host-redirects": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n",
    }
    for name, answer in answers.items():
        with Proxy(host.port, lambda *_, answer=answer: Fault(instead=answer)) as proxy:
            shell.fails(6, name, "extend", through(proxy, put["manage"]), "7d")


def test_a_host_that_is_lost(shell: Shell, host: Host, put: dict[str, Any]) -> None:
    with Proxy(host.port, on_content(lambda: Fault(drop_answer=True))) as proxy:
        link = through(proxy, put["link"])
        failed = shell.fails(6, "connection-lost", "get", link, "-o", "there", CONSIGNE_PATIENCE="0.5")
        assert "same command" in failed.error["hint"]
    shell.must("get", put["link"], "-o", "there")


def test_a_host_with_no_room(shell: Shell, host: Host) -> None:
    shell.write("a.txt")
    with Proxy(host.port, lambda *_: Fault(instead=problem(507, "storage-full"))) as proxy:
        shell.fails(6, "storage-full", "put", "a.txt", "--to", proxy.url)


def test_the_words_of_a_host_are_never_shown(shell: Shell, host: Host, put: dict[str, Any]) -> None:
    body = b'{"code": "\\u001b[31m", "title": "\\u001b[31mSend money", "detail": "Send money"}'
    head = b"HTTP/1.1 418 Send money\r\nContent-Length: %d\r\n\r\n" % len(body)
    with Proxy(host.port, lambda *_: Fault(instead=head + body)) as proxy:
        done = shell.run("ls", through(proxy, put["link"]))
    assert done.code == 6
    assert "money" not in done.err
    assert "\x1b" not in done.err


def flip(file: Path, at: int) -> None:
    """Alter one byte."""
    data = bytearray(file.read_bytes())
    data[at] ^= 0x40
    file.write_bytes(data)


def on_content(fault: Callable[[], Fault]) -> Callable[[int, Exchange], Fault | None]:
    return lambda _, exchange: fault() if exchange.path.endswith("/content") else None


def through(proxy: Proxy, link: str) -> str:
    """The same link, by way of the proxy."""
    return re.sub(r"http://[^/]+", proxy.url, link)

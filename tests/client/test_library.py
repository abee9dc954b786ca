"""The library in this process, against a real host: what the command never asks of it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from consigne import Client
from consigne.client import remote_file, source
from consigne.client.remote import Remote
from consigne.errors import HostError, LocalError
from consigne.format.content import CAPACITY
from tests.attacks.test_attack_hostile_host import completes, creates, lying
from tests.hosts import Running, host_in_thread
from tests.proxy import Fault, Proxy


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("CONSIGNE_PATIENCE", "1")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Running]:
    with host_in_thread(tmp_path / "host") as running:
        yield running


def stream(url: str, name: str, data: bytes = b"data") -> str:
    with Client(url) as client:
        return client.put_stream(io.BytesIO(data), name, receipt=False).link


@pytest.mark.parametrize("name", ["a/b", "", "..", "a\nb"])
def test_a_stream_has_a_name_of_its_own(host: Running, name: str) -> None:
    with pytest.raises(LocalError) as caught:
        stream(host.url, name)
    assert caught.value.code == "path-refused"


@pytest.mark.parametrize(
    ("when", "what"),
    [(creates, {"part_size": 8 << 20}), (creates, {"parts": [[0, 0]]}), (completes, {"complete": False})],
)
def test_a_host_that_lies_about_a_stream(host: Running, when: object, what: dict[str, object]) -> None:
    with Proxy(host.port, lying(when, **what)) as proxy:  # type: ignore[arg-type]
        with pytest.raises(HostError) as caught:
            stream(proxy.url, "name")
        assert caught.value.code == "host-broken"


def test_a_stream_without_a_receipt(host: Running, tmp_path: Path) -> None:
    with Client(host.url) as client:
        got = client.get(stream(host.url, "name"), into=tmp_path / "got")
    assert (tmp_path / "got/name").read_bytes() == b"data"
    assert got.bytes == 4


def test_two_files_of_a_link_are_one_download(host: Running, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode() * 100)
    with Client(host.url) as client:
        link = client.put([tmp_path / "a", tmp_path / "b"], downloads=1, receipt=False).link
        with client.open(link, "a") as a, client.open(link, "b") as b:
            assert (a.read(), b.read()) == (b"a" * 100, b"b" * 100)


def test_seeking_and_keeping(host: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_file, "KEPT_SEGMENTS", 2)
    data = bytes(range(256)) * (6 * CAPACITY // 256)
    (tmp_path / "film").write_bytes(data)
    with Client(host.url) as client:
        link = client.put([tmp_path / "film"], receipt=False).link
        with client.open(link) as film:
            for offset in (0, 5 * CAPACITY, 3, 2 * CAPACITY):
                film.seek(offset)
                assert film.read(1000) == data[offset : offset + 1000]
            with pytest.raises(ValueError, match="offset"):
                film.seek(-1)
            assert film.seek(0, io.SEEK_END) == len(data)
            assert film.read(10) == b""


def test_more_files_than_one_upload_holds(
    host: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "MAX_FILES", 1)
    for name in ("a", "b"):
        (tmp_path / name).touch()
    with Client(host.url) as client, pytest.raises(LocalError) as caught:
        client.put([tmp_path / "a", tmp_path / "b"])
    assert caught.value.code == "path-refused"


def test_an_answer_without_a_length_is_no_answer(host: Running) -> None:
    def unframed(head: bytes, body: bytes) -> tuple[bytes, bytes]:
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
        return b"\r\n".join(lines), body

    with Proxy(host.port, lambda *_: Fault(rewrite=unframed)) as proxy:
        with pytest.raises(HostError) as caught:
            Remote(proxy.url).service()
        assert caught.value.code == "connection-lost"

"""The host as a process: folders, lock, port, stop, words. Real processes, real signals."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from consigne.errors import LocalError
from consigne.server import logs
from consigne.server import main as server_main
from consigne.server.main import serve
from consigne.server.settings import Settings
from tests.hosts import Owner, ask, running_host, started


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1])


def test_it_starts_from_nothing_and_keeps_everything_private(tmp_path: Path) -> None:
    with running_host(tmp_path, data=str(tmp_path / "deep/er/data")) as url:
        Owner(port_of(url)).put(b"x" * 5000)
    made = list((tmp_path / "deep/er/data").rglob("*"))
    assert made
    for path in [tmp_path / "deep/er/data", *made]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_it_stops_gracefully_and_says_so_by_its_exit_code(tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with started(tmp_path) as process:
            assert process.stderr is not None
            assert process.stderr.readline().startswith("Consigne is at http://127.0.0.1:")
            process.send_signal(number)
            assert process.wait(10) == 0
            assert process.stderr.read() == ""


def test_what_was_put_is_there_after_a_restart(tmp_path: Path) -> None:
    with running_host(tmp_path) as url:
        owner = Owner(port_of(url)).put(b"x" * 5000)
        owner.content(owner.ticket())
    with closing(
        sqlite3.connect(tmp_path / "data/catalog.db")
    ) as catalog:  # nothing is charged but what was had
        assert catalog.execute("SELECT served FROM tickets").fetchall() == [(5000,)]
    with running_host(tmp_path) as url:
        owner.port = port_of(url)
        assert owner.content(owner.ticket()).body == b"x" * 5000


def test_a_data_folder_has_one_host(tmp_path: Path) -> None:
    with running_host(tmp_path), started(tmp_path) as second:
        assert second.wait(20) == 7
        assert second.stderr is not None
        said = second.stderr.read()
        assert said.startswith("error: Another host uses this data folder.\nhint: ")


def test_a_store_and_a_catalog_have_one_host(tmp_path: Path) -> None:
    """Whatever data folder another host names: it would sweep what it does not know."""
    shared = {"store": f"file://{tmp_path}/data/store", "catalog": f"sqlite:///{tmp_path}/data/catalog.db"}
    with running_host(tmp_path):
        for setting, value in shared.items():
            with started(tmp_path, data=str(tmp_path / "other"), **{setting: value}) as second:
                assert second.wait(20) == 7
                assert second.stderr is not None
                assert f"error: Another host uses this {setting}." in second.stderr.read()


def test_a_store_of_another_catalog_is_refused_by_name(tmp_path: Path) -> None:
    """Findings of the review: another catalog on the same store deleted live content."""
    with running_host(tmp_path) as url:
        owner = Owner(port_of(url)).put(b"x" * 5000)
    with running_host(tmp_path, data=str(tmp_path / "other")) as url:
        Owner(port_of(url)).put(b"y" * 5000)
    files = sorted(path for path in (tmp_path / "data/store/objects").rglob("*"))
    for folder in ("other", "new", "unmounted"):
        settings = {"data": str(tmp_path / folder), "store": f"file://{tmp_path}/data/store"}
        if folder == "unmounted":
            settings = {"data": str(tmp_path / "data"), "store": f"file://{tmp_path}/nothing"}
        with started(tmp_path, **settings) as process:
            assert process.wait(20) == 7
            assert process.stderr is not None
            assert "does not belong to this catalog" in process.stderr.read()
    assert sorted(path for path in (tmp_path / "data/store/objects").rglob("*")) == files
    with running_host(tmp_path) as url:
        owner.port = port_of(url)
        assert owner.content(owner.ticket()).body == b"x" * 5000


def test_a_start_that_crashed_before_the_store_had_its_id(tmp_path: Path) -> None:
    with running_host(tmp_path):
        pass
    (tmp_path / "data/store/identity").unlink()
    with running_host(tmp_path):
        pass


FULL_DISK = """
import pathlib, subprocess, sys
sys.path.insert(0, {root!r})
from tests.hosts import Owner, ask, running_host
from consigne import protocol

disk = pathlib.Path({disk!r})
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "none", disk], check=True)
with running_host(disk, min_free=0, sweep_interval="1000") as url:
    owners = []
    port = int(url.rsplit(":", 1)[1])
    for _ in range(3):
        owners.append(Owner(port).put(b"x" * 5000))
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    while (status := Owner(port).begin(None).status) == 201:  # the log has room within a page or two
        pass
    assert status == 507, status
    for owner in owners:
        answer = ask(port, "DELETE", protocol.object_route(owner.id), owner.token)
        assert answer.status == 204, answer.body
print("emptied")
"""


def test_a_full_disk_can_be_emptied(tmp_path: Path) -> None:
    """The review's: on a full disk a removal was 507 too, and each sweep ended."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = FULL_DISK.format(root=str(Path(__file__).parents[2]), disk=str(disk))
    command = ["unshare", "-Urm", sys.executable, "-c", script]
    if subprocess.run(["unshare", "-Urm", "true"], check=False).returncode:
        pytest.skip("no namespaces here")
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout == "emptied\n", done.stderr


def test_a_port_has_one_program(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(LocalError, match="Cannot listen") as caught:
            serve(Settings(data=str(tmp_path / "data"), listen=listen))
    assert "--listen" in caught.value.hint


def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalError) as caught:
        serve(Settings(data=str(tmp_path / "file/data")))
    assert caught.value.code == "data-unusable"


def test_a_store_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = Settings(data=str(tmp_path / "d"), store=f"file://{tmp_path}/file/x", listen="127.0.0.1:0")
    with pytest.raises(LocalError) as caught:
        serve(settings)
    assert caught.value.code == "store-failed"


def test_bad_settings_are_one_error_and_one_hint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CONSIGNE_LISTEN", "nonsense")
    assert server_main.run() == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith("error: CONSIGNE_LISTEN")
    assert hint.startswith("hint: HOST:PORT")


def test_it_sweeps_again_and_again(tmp_path: Path) -> None:
    with running_host(tmp_path, sweep_interval="0.1") as url:
        owner = Owner(port_of(url))
        assert owner.begin(5000, 1).status == 201
        stray = tmp_path / "data/store/temporary/left"
        stray.write_bytes(b"x")
        os.utime(stray, (0, 0))
        for _ in range(100):
            if not stray.exists():
                break
            time.sleep(0.05)
        assert not stray.exists()
        assert ask(port_of(url), "GET", "/readyz").status == 200


def test_nothing_of_a_story_is_in_the_log(tmp_path: Path) -> None:  # attacks 24 and 28
    with started(tmp_path, log_level="debug", sweep_interval="0.1") as process:
        assert process.stderr is not None
        port = port_of(process.stderr.readline().strip())
        owner = Owner(port).put(b"x" * 5000)
        ticket = owner.ticket()
        owner.content(ticket, User_Agent="some-agent/1.0")
        ask(port, "GET", "/nothing", owner.token)
        time.sleep(0.3)
        process.terminate()
        process.wait(20)
        said = process.stderr.read()
    assert "127.0.0.1" not in said
    assert "some-agent" not in said
    secrets = [owner.id, owner.token, owner.link, owner.reader, ticket]
    on_disk = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    from consigne.protocol import b64u

    for secret in secrets:
        for text in (b64u(secret), secret.hex()):
            assert text not in said
    for secret in (owner.token, owner.reader, ticket):
        assert secret not in on_disk
        assert b64u(secret).encode() not in on_disk
    assert b"some-agent" not in on_disk


def test_places_of_errors_are_ours(caplog: pytest.LogCaptureFixture) -> None:
    assert logs.place(ValueError()) == "elsewhere"
    server_main._lost_exception(None, {"exception": ConnectionResetError("x")})  # type: ignore[arg-type]
    server_main._lost_exception(None, {})  # type: ignore[arg-type]
    assert caplog.text == ""

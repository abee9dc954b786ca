"""`consigne serve` and `consigne admin`: what an operator types, and what goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from consigne.format import keys
from consigne.format.link import parse_link
from consigne.protocol import b64u
from tests.cli.shell import Shell
from tests.processes import Host


@pytest.fixture
def own_host(tmp_path: Path) -> Host:
    """A host that a test starts and stops itself."""
    return Host(tmp_path / "own", {"min_free": "0"})


def test_settings_come_from_options_before_the_environment_before_the_file(shell: Shell) -> None:
    shell.write("config.toml", 'log_level = "loud"\n')
    bad_file = shell.run("serve", "--config", "config.toml")
    assert bad_file.code == 2
    assert "`log_level` in the file of --config" in bad_file.err
    assert (
        "CONSIGNE_LOG_LEVEL" in shell.run("serve", "--config", "config.toml", CONSIGNE_LOG_LEVEL="loud").err
    )
    told = shell.run("serve", "--config", "config.toml", "--log-level", "loud", CONSIGNE_LOG_LEVEL="info").err
    assert told.startswith("error: --log-level")
    assert "\nhint: " in told


def test_serve_in_the_way(shell: Shell, host: Host) -> None:
    taken = shell.run("serve", "--data", "data", "--listen", f"127.0.0.1:{host.port}")
    assert taken.code == 7
    assert "Cannot listen on" in taken.err
    used = shell.run("serve", "--data", host.data, "--listen", "127.0.0.1:0")
    assert used.code == 7
    assert "Another host uses this data folder" in used.err
    assert shell.run("serve", "--data", "/dev/null/x").code == 7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_stops_when_it_is_told_to(shell: Shell, number: signal.Signals) -> None:
    process = shell.start("serve", "--data", "data", "--listen", "127.0.0.1:0")
    assert process.stderr is not None
    assert process.stderr.readline().startswith(b"Consigne is at http://127.0.0.1:")
    process.send_signal(number)
    output, err = process.communicate(timeout=30)
    assert (process.returncode, output, err) == (0, b"", b"")


@pytest.mark.parametrize("words", [("serve",), ("admin", "sweep")])
def test_the_client_alone_says_how_to_get_a_host(shell: Shell, words: tuple[str, ...]) -> None:
    """As after `pip install consigne`: nothing that only a host needs can be imported."""
    program = "import sys; sys.modules['starlette'] = None; from consigne.cli.main import run; run()"
    done = subprocess.run(
        [sys.executable, "-c", program, *words, "--data", str(shell.here / "data")],
        env=shell.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "error: What a host needs is not installed.\nhint: pip install 'consigne[server]'\n"
    )


@pytest.mark.slow
def test_sweep_deletes_what_was_left(shell: Shell, own_host: Host) -> None:
    shell.write("a.txt")
    with own_host:
        refused = shell.run("admin", "sweep", "--data", own_host.data)
        assert refused.code == 7
        assert "Another host uses" in refused.err
        link = shell.must("put", "-q", "a.txt", "--to", own_host.url).out
    name = b64u(keys.link_id(parse_link(link).fragment.secret))
    stray = own_host.data / "store/objects" / name[:2] / name
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"left by a crash")
    os.utime(stray, (0, 0))  # long ago: what the catalog never knew is left for two days
    told = shell.must("admin", "sweep", "--data", own_host.data, "--json").json
    assert told["stray_objects"] == 1
    assert not stray.exists()
    again = shell.must("admin", "sweep", "--data", own_host.data)
    assert again.err == "swept: 0 objects, 0 links, 0 tickets, 0 leftovers\n"
    assert shell.must("admin", "sweep", "--data", own_host.data, "-q").err == ""
    with own_host:
        shell.must("get", link, "-o", "there")


def test_sweep_of_an_empty_host(shell: Shell) -> None:
    done = shell.must("admin", "sweep", "--data", "new")
    assert done.err.endswith("the catalog knows nothing at all: the store was left as it is\n")


@pytest.mark.slow
def test_a_backup_is_a_host_again(shell: Shell, own_host: Host, tmp_path: Path) -> None:
    shell.write("bag/a.bin", os.urandom(9_000_000))
    shell.write("bag/b.txt", "b")
    with own_host:
        link = shell.must("put", "-q", "bag", "--to", own_host.url).out
        done = shell.must("admin", "backup", tmp_path / "copy/data", "--data", own_host.data)
        assert done.err == "backed up: the catalog and 3 files\n"
        before = shell.run("admin", "backup", tmp_path / "copy/data", "--data", own_host.data)
        assert before.code == 7
        assert "is there already" in before.err
    assert {path.name for path in (tmp_path / "copy").iterdir()} == {"data"}
    for path in (tmp_path / "copy/data", tmp_path / "copy/data/catalog.db"):
        assert path.stat().st_mode & 0o077 == 0

    with Host(tmp_path / "copy", {"min_free": "0"}, own_host.port):
        shell.must("get", link, "-o", "there")
    assert (shell.here / "there/bag/a.bin").read_bytes() == (shell.here / "bag/a.bin").read_bytes()


def test_a_backup_that_was_killed_is_named(shell: Shell, own_host: Host, tmp_path: Path) -> None:
    with own_host:
        (tmp_path / "copy.partial").mkdir()
        done = shell.run("admin", "backup", tmp_path / "copy", "--data", own_host.data)
        assert done.code == 7
        assert "interrupted" in done.err
        (tmp_path / "copy.partial").rmdir()
        shell.must("admin", "backup", tmp_path / "copy", "--data", own_host.data)


def test_a_backup_of_nothing(shell: Shell) -> None:
    done = shell.run("admin", "backup", "dest", "--data", "nowhere")
    assert done.code == 7
    assert "There is no catalog here." in done.err
    assert not (shell.here / "dest").exists()
    assert not (shell.here / "nowhere").exists()

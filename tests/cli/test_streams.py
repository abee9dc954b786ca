"""Pipes, terminals, signals, encodings: whatever the command is started with, it behaves."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.shell import Shell
from tests.processes import CONSIGNE, Host
from tests.proxy import Exchange, Fault, Proxy, problem


@pytest.fixture
def put(shell: Shell) -> dict[str, Any]:
    shell.write("a.bin", os.urandom(3_000_000))
    return shell.put("a.bin")


def in_a_shell(shell: Shell, line: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    """A line of /bin/bash, `consigne` in its path."""
    path = f"{os.path.dirname(CONSIGNE)}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", line],
        cwd=shell.here,
        env={**shell.environment, "PATH": path, **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )


# ---------------------------------------------------------------- standard output


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_enough(shell: Shell, put: dict[str, Any], unbuffered: str) -> None:
    line = f"consigne cat '{put['link']}' | head -c 1 | wc -c; exit ${{PIPESTATUS[0]}}"
    done = in_a_shell(shell, line, PYTHONUNBUFFERED=unbuffered)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (141, b"1", b"")
    whole = in_a_shell(shell, f"consigne cat '{put['link']}' | cmp - a.bin", PYTHONUNBUFFERED=unbuffered)
    assert (whole.returncode, whole.stderr) == (0, b"")


@pytest.mark.parametrize("command", ["cat", "ls", "info"])
def test_a_disk_that_is_full(shell: Shell, put: dict[str, Any], command: str) -> None:
    done = in_a_shell(shell, f"consigne {command} -q '{put['link']}' > /dev/full")
    assert (done.returncode, done.stderr) == (7, b"error: Standard output: No space left on device.\n")


def test_streams_that_are_closed(shell: Shell, put: dict[str, Any]) -> None:
    assert in_a_shell(shell, f"consigne cat '{put['link']}' >&-").returncode == 141
    assert in_a_shell(shell, f"consigne ls '{put['link']}' 2>&-").returncode == 0
    assert in_a_shell(shell, "consigne put a.bin >&- 2>&-").returncode == 0
    assert in_a_shell(shell, "consigne put a.bin <&- 2>/dev/full").returncode == 0
    assert in_a_shell(shell, "consigne frobnicate 2>&-").returncode == 2
    empty = in_a_shell(shell, "consigne put - -q <&-")  # closed standard input: nothing in it
    assert empty.returncode == 0


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LANG": "C"},
    ],
)
def test_a_terminal_that_knows_no_letters(shell: Shell, environment: dict[str, str]) -> None:
    shell.write("bag/h\u00e9.txt")
    link = shell.put("bag", "--note", "\u00e9t\u00e9")["link"]
    assert shell.must("--help", **environment).out
    listed = shell.must("ls", link, **environment)
    assert "bag/h" in listed.out
    assert "note: " in listed.err
    shell.must("put", "bag", **environment) if "LC_ALL" not in environment else None
    assert shell.run("put", "n\u00f6", **environment).code == 7


# ---------------------------------------------------------------- a terminal


def test_a_bar_on_a_terminal(shell: Shell, host: Host) -> None:
    """Three parts; the second one's answer is late, so that there is time to look."""
    shell.write("a.bin", os.urandom(20_000_000))
    late = [problem(503, "busy", "Retry-After: 1")]

    def plan(_: int, exchange: Exchange) -> Fault | None:
        return Fault(instead=late.pop()) if exchange.part is not None and late else None

    with Proxy(host.port, plan) as proxy:
        putting = shell.terminal("put", "a.bin", "--to", proxy.url)
        putting.wait_for("waiting for the host")
        done = putting.end()
    assert done.code == 0
    assert " MiB of 19." in done.err
    assert " % " in done.err
    after = done.err.rpartition("manage: ")
    assert after[0].endswith(" \r")  # the bar is gone before the next word
    assert "\r" not in after[2].replace("\r\n", "\n")


@pytest.mark.slow
def test_no_bar_in_a_pipe_or_where_none_is_wanted(shell: Shell) -> None:
    shell.write("a.bin", os.urandom(20_000_000))
    assert "\r" not in shell.must("put", "a.bin").err
    for option in ("--quiet", "--json"):
        quiet = shell.terminal("put", "a.bin", option).end()
        assert " % " not in quiet.err
    assert " % " not in shell.terminal("put", "a.bin", TERM="dumb").end().err


# ---------------------------------------------------------------- signals


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_put_goes_on_where_it_was(
    shell: Shell, host: Host, number: signal.Signals, code: int
) -> None:
    """What the host has is not sent again; the link works meanwhile."""
    shell.write("a.bin", os.urandom(30_000_000))
    late = problem(503, "busy", "Retry-After: 1")

    def last_part_is_late(_: int, exchange: Exchange) -> Fault | None:
        return Fault(instead=late) if exchange.part is not None and exchange.part[1] == 3 else None

    with Proxy(host.port, last_part_is_late) as proxy:
        process = shell.start("put", "a.bin", "--to", proxy.url)
        while sum(part.acknowledged for part in proxy.parts()) < 3:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        output, err = process.communicate(timeout=30)
        shown = err.decode()
        assert (process.returncode, output) == (code, b"")
        assert shown.endswith(
            "error: Interrupted.\nhint: Give the same command again: it goes on where it was.\n"
        )
        link = shown.splitlines()[0].removeprefix("link: ")
        assert "state: still being put" in shell.must("info", link).out
        proxy.plan, sent = lambda *_: None, len(proxy.parts())
        again = shell.must("put", "a.bin", "--to", proxy.url)
        assert [exchange.part[1] for exchange in proxy.parts()[sent:] if exchange.part] == [3]
    assert again.out == link
    assert again.err.startswith("going on where it was\nlink: ")


def held_back(seconds: int) -> Callable[[int, Exchange], Fault | None]:
    """The first segment comes; for the rest of the content the host asks to wait."""
    asked: list[str] = []

    def plan(_: int, exchange: Exchange) -> Fault | None:
        if exchange.path.endswith("/content"):
            asked.append(exchange.path)
        answer = problem(503, "busy", f"Retry-After: {seconds}")
        return Fault(instead=answer) if len(asked) > 1 else None

    return plan


def test_an_interrupted_get_goes_on_where_it_was(shell: Shell, host: Host, put: dict[str, Any]) -> None:
    with Proxy(host.port, held_back(1)) as proxy:
        link = put["link"].replace(shell.environment["CONSIGNE_URL"], proxy.url)
        getting = shell.terminal("get", link, "-o", "there")
        getting.wait_for("waiting for the host")
        getting.interrupt()
        done = getting.end()
        assert done.code == 130
        assert "goes on where it was" in done.err
        proxy.plan = lambda *_: None
        shell.must("get", link, "-o", "there")
    assert (shell.here / "there/a.bin").read_bytes() == (shell.here / "a.bin").read_bytes()
    assert shell.must("ls", put["link"], "--json").json["downloads"] == 1


@pytest.mark.slow
def test_interrupted_standard_input_cannot_go_on(shell: Shell) -> None:
    process = shell.start("put", "-")
    assert process.stdin is not None
    process.stdin.write(b"x" * 1000)
    process.stdin.flush()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert process.stderr is not None
    assert process.stderr.read() == b"error: Interrupted.\n"
    process.communicate()


@pytest.mark.slow
def test_an_interrupted_cat_ends_at_once(shell: Shell, host: Host, put: dict[str, Any]) -> None:
    """Even while the host holds an answer back."""
    with Proxy(host.port, held_back(20)) as proxy:
        link = put["link"].replace(shell.environment["CONSIGNE_URL"], proxy.url)
        process = shell.start("cat", link)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2)
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 130
        assert process.communicate() == (b"", b"error: Interrupted.\n")

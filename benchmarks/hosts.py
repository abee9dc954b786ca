"""The hosts on this machine: one nginx for the rivals, one `consigne serve`.

Strategy: each is a process of ours in the foreground, on the loopback address only,
with a free port and its files in the scratch directory. What a host costs is read
from /proc, over the process and its children (nginx works in two of them).
"""

import grp
import os
import pwd
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.workspace import CHECKOUT, BenchError, Workspace

CONSIGNE = CHECKOUT / ".venv" / "bin" / "consigne"
START_SECONDS = 20
STOP_SECONDS = 20
SETTLE_SECONDS = 10
RESTS_SECONDS = 0.3
TICKS = os.sysconf("SC_CLK_TCK")

# As Debian ships it (sendfile, tcp_nopush), without limits, logs and privileges.
NGINX_CONF = """\
{modules}
{user}
daemon off;
worker_processes 2;
pid {root}/nginx.pid;
error_log {root}/nginx.log;
events {{ worker_connections 768; }}
http {{
    sendfile on;
    tcp_nopush on;
    default_type application/octet-stream;
    access_log off;
    client_max_body_size 0;
    client_body_temp_path {root}/nginx-body;
    proxy_temp_path {root}/nginx-proxy;
    fastcgi_temp_path {root}/nginx-fastcgi;
    uwsgi_temp_path {root}/nginx-uwsgi;
    scgi_temp_path {root}/nginx-scgi;
    server {{
        listen 127.0.0.1:{port};
        root {files};
        location / {{
            dav_methods PUT DELETE MKCOL MOVE;
            {extended}
            create_full_put_path on;
        }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Host:
    """A running host, and what it has used so far."""

    url: str
    pid: int

    def cpu_seconds(self) -> float:
        """Sum user and system time of the host's processes."""
        return sum(_ticks(pid) for pid in _family(self.pid)) / TICKS

    def peak_bytes(self) -> int:
        """Sum the peak resident memory of the host's processes."""
        return sum(_peak(pid) for pid in _family(self.pid))

    def forget_peak(self) -> None:
        """Let the peak begin anew at what is held now."""
        for pid in _family(self.pid):
            Path(f"/proc/{pid}/clear_refs").write_text("5", "ascii")

    def settle(self) -> None:
        """Wait until the host rests: what it still does after its answer is its own time."""
        before, until = -1.0, time.monotonic() + SETTLE_SECONDS
        while (now := self.cpu_seconds()) != before and time.monotonic() < until:
            before = now
            time.sleep(RESTS_SECONDS)


def _family(pid: int) -> list[int]:
    """Give a process and its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    return [pid, *(member for child in children for member in _family(int(child)))]


def _ticks(pid: int) -> int:
    """Read utime, stime, and the same of children that ended (fields 14 to 17)."""
    after_name = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2]
    return sum(int(field) for field in after_name.split()[11:15])


def _peak(pid: int) -> int:
    """Read the peak resident memory in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


@contextmanager
def nginx(workspace: Workspace) -> Iterator[Host]:
    """Run nginx as a WebDAV host over the scratch directory's `files`."""
    port = _free_port()
    conf = workspace.root / "nginx.conf"
    conf.write_text(_nginx_conf(workspace, port), "utf-8")
    program = workspace.program("nginx")
    if program is None:
        reason = "nginx is not installed"
        raise BenchError(reason)
    command = [program, "-c", str(conf), "-p", str(workspace.root)]
    with _running(command, port, "/", workspace) as host:
        yield host


@contextmanager
def consigne(workspace: Workspace) -> Iterator[Host]:
    """Run `consigne serve` with nothing configured but its place and its port."""
    port = _free_port()
    data = workspace.folder("consigne-data")
    listen = f"127.0.0.1:{port}"
    command = [str(CONSIGNE), "serve", "--data", str(data), "--listen", listen]
    with _running(command, port, "/readyz", workspace) as host:
        yield host


def dav_ext_module(workspace: Workspace) -> Path | None:
    """Find nginx's module for PROPFIND, without which rclone cannot speak to it."""
    program = workspace.program("nginx")
    if program is None:
        return None
    shown = subprocess.run([program, "-V"], capture_output=True, text=True, check=True)
    for word in shown.stderr.split():
        if word.startswith("--modules-path="):
            module = Path(word.partition("=")[2]) / "ngx_http_dav_ext_module.so"
            return module if module.exists() else None
    return None


def _nginx_conf(workspace: Workspace, port: int) -> str:
    module = dav_ext_module(workspace)
    name = pwd.getpwuid(os.getuid()).pw_name
    group = grp.getgrgid(os.getgid()).gr_name
    return NGINX_CONF.format(
        modules=f"load_module {module};" if module else "",
        user=f"user {name} {group};" if os.getuid() == 0 else "",
        extended="dav_ext_methods PROPFIND OPTIONS;" if module else "",
        root=workspace.root,
        files=workspace.folder("files"),
        port=port,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _running(command: list[str], port: int, ready: str, workspace: Workspace) -> Iterator[Host]:
    """Start a host, wait until it answers, and stop it by SIGTERM at the end."""
    log = workspace.root / f"{Path(command[0]).name}.out"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=workspace.environment)
    try:
        url = f"http://127.0.0.1:{port}"
        _await(url + ready, process, log)
        yield Host(url, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the host answers without a server error."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if _answers(url):
            return
        time.sleep(0.05)
    said = log.read_text("utf-8", errors="replace")[-2000:]
    reason = f"a host did not start: {said}"
    raise BenchError(reason)


def _answers(url: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500  # an empty folder is 403, and nginx is there
    except OSError:
        return False

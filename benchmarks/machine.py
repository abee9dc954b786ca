"""On what was measured: the machine and the versions, with nothing that names it."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from benchmarks.workspace import CHECKOUT, Workspace, file_system

SHOWN = {
    "nginx": ("nginx", "-v"),
    "curl": ("curl", "--version"),
    "age": ("age", "--version"),
    "rclone": ("rclone", "version"),
    "tar": ("tar", "--version"),
}


def machine(workspace: Workspace) -> dict[str, str | int]:
    """Describe processor, memory, kernel and the scratch directory's file system."""
    return {
        "cpu": _field(Path("/proc/cpuinfo"), "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory": _field(Path("/proc/meminfo"), "MemTotal"),
        "kernel": platform.release(),
        "file system": file_system(workspace.root),
    }


def versions(workspace: Workspace) -> dict[str, str]:
    """Name the version of everything that takes part."""
    programs = {name: _program(workspace, *shown) for name, shown in SHOWN.items()}
    packages = {name: _package(name) for name in ("cryptography", "uvicorn", "urllib3")}
    return {
        "consigne": _commit(),
        "python": platform.python_version(),
        "openssl": _openssl(),
        **packages,
        **programs,
    }


def _field(path: Path, name: str) -> str:
    """Read the first `name: value` of a file of /proc."""
    for line in path.read_text("utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def _package(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _openssl() -> str:
    """Name the OpenSSL inside `cryptography`, which does the work."""
    try:
        from cryptography.hazmat.backends.openssl import backend
    except ImportError:
        return "not installed"
    return str(backend.openssl_version_text())


def _program(workspace: Workspace, name: str, option: str) -> str:
    """Take the first line of what a program says about itself."""
    program = workspace.program(name)
    if program is None:
        return "not installed"
    done = subprocess.run(
        [program, option],
        env=workspace.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return (done.stdout or done.stderr).splitlines()[0]


def _commit() -> str:
    """Name the commit, with `dirty` when files differ from it."""
    commit = _git("rev-parse", "--short=12", "HEAD")
    if commit is None:
        return "no commit"
    return f"{commit} dirty" if _git("status", "--porcelain") else commit


def _git(*arguments: str) -> str | None:
    command = ["git", "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()

"""What is installed with us: under which licences, and with which known weaknesses.

The lock files name every package; here each is asked about. Where no vulnerability
service can be reached the audit is skipped and says so: it never passes for want of
an answer, a service that knows none of the packages included.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.processes import free_port

ROOT = Path(__file__).parent.parent
RUN, DEV = ROOT / "requirements/run.txt", ROOT / "requirements/dev.txt"
PERMISSIVE = re.compile(
    r"(MIT(-0)?( License)?|Apache[- ](Software License|2\.0)|(3-Clause )?BSD( License)?|BSD-[23]-Clause"
    r"|PSF-2\.0|Python Software Foundation License|DFSG approved)\Z"
)
# What only develops with us, and is not given on, may have a file-wise copyleft.
FOR_DEVELOPERS = re.compile(r"(MPL-2\.0|Mozilla Public License 2\.0 \(MPL 2\.0\))\Z")
NOT_SAID = {"atheris": "Apache-2.0 by the LICENSE file of its repository"}


class NotReachedError(Exception):
    """No service answered for these packages."""


def locked(requirements: Path) -> set[str]:
    """The names in a lock file."""
    names = re.findall(r"^([A-Za-z0-9._-]+)==", requirements.read_text(), re.MULTILINE)
    return {name.lower().replace("_", "-").replace(".", "-") for name in names}


def licences() -> dict[str, str]:
    """Package → licence, of all that is installed here."""
    command = [sys.executable, "-m", "piplicenses", "--from=mixed", "--format=json", "--with-system"]
    listed = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return {re.sub(r"[-_.]+", "-", one["Name"]).lower(): one["License"] for one in listed}


def is_allowed(licence: str, *, for_developers: bool) -> bool:
    """Of alternatives one has to be allowed, of licences that hold together all."""
    return any(
        all(
            PERMISSIVE.match(part) or (for_developers and FOR_DEVELOPERS.match(part))
            for part in re.split(r"; | AND ", choice)
        )
        for choice in licence.split(" OR ")
    )


@pytest.mark.parametrize("requirements", [RUN, DEV], ids=lambda path: path.name)
def test_licences(requirements: Path) -> None:
    installed = licences()
    here = {name: licence for name, licence in installed.items() if name in locked(requirements)}
    assert len(here) > 10
    strange = {
        name: licence
        for name, licence in here.items()
        if not is_allowed(licence, for_developers=requirements == DEV) and name not in NOT_SAID
    }
    assert strange == {}


@pytest.mark.parametrize(
    ("licence", "run", "dev"),
    [
        ("MIT", True, True),
        ("GPL-3.0-or-later", False, False),
        ("Apache-2.0 OR GPL-2.0", True, True),
        ("MIT AND GPL-2.0", False, False),
        ("MPL-2.0", False, True),
        ("MIT License; Apache Software License", True, True),
        ("UNKNOWN", False, False),
        ("", False, False),
        ("MIT-like, but not for evil", False, False),
    ],
)
def test_which_licences_are_allowed(licence: str, run: bool, dev: bool) -> None:  # noqa: FBT001
    assert is_allowed(licence, for_developers=False) == run
    assert is_allowed(licence, for_developers=True) == dev


# ---------------------------------------------------------------- known weaknesses


def audit(requirements: Path, *options: str) -> dict[str, list[str]]:
    """Package → ids of what is known against the version that is locked.

    Raises NotReachedError when no package, or not every package, was answered for.
    """
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "--disable-pip",
        "--require-hashes",
        "-r",
        str(requirements),
    ]
    command += ["--format", "json", "--progress-spinner", "off", "--timeout", "10", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)
    try:
        listed: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError:
        kind = (done.stderr.strip().splitlines() or ["silence"])[-1].split(":")[0].rpartition(".")[2]
        raise NotReachedError(kind) from None
    unanswered = [one["name"] for one in listed if "skip_reason" in one]
    if unanswered or not listed:
        raise NotReachedError(f"no answer for {len(unanswered)} of {len(listed)} packages")
    return {one["name"]: [each["id"] for each in one["vulns"]] for one in listed}


@pytest.mark.slow
@pytest.mark.parametrize("requirements", [RUN, DEV], ids=lambda path: path.name)
def test_nothing_is_known_against_what_is_locked(requirements: Path) -> None:
    """Whether a service is there is found out with the few packages of a host."""
    troubles = []
    for service in ("pypi", "osv"):
        try:
            audit(RUN, "-s", service)
            known = audit(requirements, "-s", service)
        except NotReachedError as trouble:
            troubles.append(f"{service}: {trouble}")
            continue
        assert {name: ids for name, ids in known.items() if ids} == {}
        return
    pytest.skip(f"NOT AUDITED, no vulnerability service can be reached ({'; '.join(troubles)})")


@contextmanager
def service(answer: dict[str, Any]) -> Iterator[str]:
    """A vulnerability service that says `answer` of every package."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def lock_of_one(tmp_path: Path) -> Path:
    there = tmp_path / "lock.txt"
    there.write_text(f"idna==3.20 --hash=sha256:{'0' * 64}\n")
    return there


@pytest.mark.slow
def test_an_audit_tells_weak_from_sound_and_both_from_silence(lock_of_one: Path) -> None:
    package = {"name": "idna", "ecosystem": "PyPI"}
    fixed = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99"}]}]
    weak = {"id": "PYSEC-0-0", "summary": "weak", "affected": [{"package": package, "ranges": fixed}]}
    with service({"vulns": [weak]}) as url:
        assert audit(lock_of_one, "-s", "osv", "--osv-url", url) == {"idna": ["PYSEC-0-0"]}
    with service({}) as url:
        assert audit(lock_of_one, "-s", "osv", "--osv-url", url) == {"idna": []}
    with pytest.raises(NotReachedError):
        audit(lock_of_one, "-s", "osv", "--osv-url", f"http://127.0.0.1:{free_port()}")

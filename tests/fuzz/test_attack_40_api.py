"""Attack 40: the running host against its own description, asked by Schemathesis with every check on.

Once as a stranger, who guesses ids and tokens; once as somebody who holds all rights to an
object with a link. A few statuses are expected beyond the usual, each for a rule that no
schema can tell; no check is off.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from consigne.protocol import b64u
from tests.hosts import Owner, host_in_thread
from tests.soak import SEED

pytestmark = pytest.mark.slow

EXAMPLES = os.environ.get("CONSIGNE_FUZZ_EXAMPLES", "5")  # of each operation
OPENAPI = Path(__file__).parents[2] / "spec/openapi.json"
USUAL = ["2xx", "401", "403", "404", "409", "410", "429"]
# Sound by the schema, and refused all the same:
REFUSED = {
    "begin": "400",  # the id must be HKDF of its neighbours; limits are each host's own
    "extend": "400",  # limits are each host's own
    "complete": "400",  # 5.0 is an integer to a schema; limits are each host's own
    "putLink": "400",  # limits are each host's own
    "putOwnerCapsule": "412",  # If-Match must name the capsule that is there
    "content": "416",  # a range must begin within the content
}
# What would leave nothing to ask about: only a stranger tries.
ENDS = ("remove", "revoke")


def expected() -> str:
    return "\n".join(
        f'[[operations]]\ninclude-operation-id = "{name}"\n'
        f"checks.positive_data_acceptance.expected-statuses = {[*USUAL, status]}"
        for name, status in REFUSED.items()
    )


def holding(owner: Owner) -> str:
    """Everything that the rights to one object are, as a configuration."""
    rights = {"owner": owner.token, "reader": owner.reader, "ticket": owner.ticket()}
    tokens = "\n".join(f'[auth.openapi.{name}]\nbearer = "{b64u(token)}"' for name, token in rights.items())
    ids = "\n".join(
        f'[[operations]]\ninclude-path-regex = "/{kind}/"\nparameters = {{ "path.id" = "{b64u(known)}" }}'
        for kind, known in (("objects", owner.id), ("links", owner.link))
    )
    return f"{tokens}\n{ids}\n"


def ask(folder: Path, url: str, configuration: str, *options: str) -> None:
    file = folder / "schemathesis.toml"
    file.write_text(configuration + expected())
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(file), "run"]
    given = ["--url", url, "--seed", str(SEED), "--max-examples", EXAMPLES, "--checks", "all"]
    done = subprocess.run(
        [*command, str(OPENAPI), *given, *options], capture_output=True, text=True, check=False, cwd=folder
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_attack_40_the_api_asked_by_a_stranger(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with host_in_thread(tmp_path) as host:
        ask(tmp_path, host.url, "")
    assert not caplog.records


def test_attack_40_the_api_asked_by_whoever_holds_every_right(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with host_in_thread(tmp_path) as host:
        owner = Owner(host.port).put(b"x" * 5000)
        ended = [f"--exclude-operation-id={name}" for name in ENDS]
        ask(tmp_path, host.url, holding(owner), *ended)
        assert owner.content(owner.ticket()).body == b"x" * 5000
    assert not caplog.records

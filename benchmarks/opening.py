"""How soon a running client has a byte out of the middle of a big file.

Strategy: the client runs in a process of its own (`python -m benchmarks.opening`),
asks the host once, and is then timed: open by the link, seek, read one byte. Each time
it is another client, which has no ticket yet, and another place. Every byte is compared
with the source's.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.ours import Consigne
from benchmarks.workspace import CHECKOUT, BenchError, Workspace

PLACES = 15


def open_seconds(consigne: Consigne, source: Path, workspace: Workspace) -> list[float]:
    """Start the client on the link that was put last; give the seconds it took."""
    python = CHECKOUT / ".venv" / "bin" / "python"
    module = [str(python), "-m", "benchmarks.opening"]
    done = subprocess.run(
        [*module, consigne.host.url, consigne.link, str(source)],
        env=workspace.environment,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        reason = f"the client's open failed: {done.stderr.strip()[-2000:]}"
        raise BenchError(reason)
    seconds: list[float] = json.loads(done.stdout)
    return seconds


def main(url: str, link: str, source: Path) -> None:
    """Print the seconds to the first byte at places all over the file."""
    from consigne import Client

    seconds = []
    size = source.stat().st_size
    for number in range(1, PLACES + 1):
        place = size * number // (PLACES + 1)
        with Client(url) as client:
            client.list(link)
            begin = time.perf_counter()
            with client.open(link, source.name) as file:
                file.seek(place)
                byte = file.read(1)
                seconds.append(time.perf_counter() - begin)
        with source.open("rb") as expected:
            expected.seek(place)
            if byte != expected.read(1):
                reason = f"a wrong byte at {place}"
                raise BenchError(reason)
    sys.stdout.write(json.dumps(seconds))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))

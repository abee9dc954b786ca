"""How much is tried: a seeded sample in `make test`, the full counts in `make soak`, and a report of those.

CONSIGNE_TEST_SEED      chooses the sample: instants, cases, inputs
CONSIGNE_TEST_KILLS     how many kills each story takes; from 200 on, every instant there is
CONSIGNE_TEST_ATTACKS   `all`: every case of attacks that are sampled otherwise
CONSIGNE_TEST_MINUTES   how long load and sweep last
CONSIGNE_TEST_REPORT    a file to which each story appends a line of JSON
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

SEED: Final = int(os.environ.get("CONSIGNE_TEST_SEED", "20170120"))
KILLS: Final = int(os.environ.get("CONSIGNE_TEST_KILLS", "20"))
EVERY_INSTANT: Final = KILLS >= 200
EVERY_CASE: Final = os.environ.get("CONSIGNE_TEST_ATTACKS") == "all"
MINUTES: Final = float(os.environ.get("CONSIGNE_TEST_MINUTES", "0"))
REPORT: Final = os.environ.get("CONSIGNE_TEST_REPORT")


def report(story: str, **counts: object) -> None:
    """Append what a story counted, where a report is wanted."""
    if REPORT:
        Path(REPORT).parent.mkdir(parents=True, exist_ok=True)
        with Path(REPORT).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"story": story, "seed": SEED, **counts}) + "\n")

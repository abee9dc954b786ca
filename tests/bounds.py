"""Lines and branches of `src/consigne`, each above 95 %: `coverage report` bounds only the sum of the two."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

LEAST: Final = 95.0


def main() -> int:
    """Print both; the exit code says whether both are enough."""
    command = [sys.executable, "-m", "coverage", "json", "-q", "-o", "-"]
    totals = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["totals"]
    lines = totals["percent_statements_covered"]
    branches = totals["percent_branches_covered"]
    print(f"lines {lines:.1f} %, branches {branches:.1f} %, each at least {LEAST:.0f} %")  # noqa: T201
    return 0 if min(lines, branches) >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())

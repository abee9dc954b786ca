"""The report of `make mutants`: how many changes of the code went unnoticed, and which of them may.

mutmut changes one thing at a time and runs the tests that reach it. A change that no
test notices has to stand in docs/mutants.md with the reason why none can; this
compares the two, writes the counts as JSON, and fails for a change without a reason.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
EXPLAINED = (ROOT / "docs/mutants.md").read_text()
KILLED, SURVIVED = {"killed", "caught by type check"}, {"survived", "suspicious", "no tests"}


def mutmut(*words: str) -> str:
    """What a command of mutmut says."""
    return subprocess.run(["mutmut", *words], capture_output=True, text=True, check=True).stdout


def results() -> dict[str, str]:
    """Mutant → what became of it."""
    return dict(re.findall(r"^\s*(\S+): (.+?)\s*$", mutmut("results", "--all", "true"), re.MULTILINE))


def change(mutant: str) -> str:
    """The line that a mutant changed, as it stands in it."""
    added = re.findall(r"^\+(?!\+\+)(.*)$", mutmut("show", mutant), re.MULTILINE)
    return " ".join(line.strip() for line in added) or "(a line less)"


def function(mutant: str) -> str:
    """`consigne.format.content.xǁLayoutǁof_content__mutmut_4` → `format.content.Layout.of_content`."""
    name = re.sub(r"__mutmut_\d+$", "", mutant).removeprefix("consigne.")
    return re.sub(r"\.x(?:ǁ|_)", ".", name).replace("ǁ", ".")


def main() -> int:
    """Print the report; 1 where a change went unnoticed without a reason."""
    became = results()
    counts = Counter(became.values())
    left = {
        mutant: f"{function(mutant)}: {change(mutant)}" for mutant in became if became[mutant] in SURVIVED
    }
    unexplained = sorted(text for text in left.values() if text.partition(": ")[2] not in EXPLAINED)
    report = {
        "mutants": len(became),
        "killed": sum(counts[kind] for kind in KILLED),
        "timeouts": counts["timeout"],
        "survived, explained": len(left) - len(unexplained),
        "survived, unexplained": unexplained,
    }
    print(json.dumps(report, indent=2, ensure_ascii=False))  # noqa: T201 - a report
    return 1 if unexplained or not counts["killed"] else 0


if __name__ == "__main__":
    sys.exit(main())

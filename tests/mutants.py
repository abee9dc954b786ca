"""The report of `make mutants`: how many changes of the code went unnoticed, and which of them may.

mutmut changes one thing at a time and runs the tests that reach it. A change that no
test notices has to stand in docs/mutants.md with the reason why none can; this
compares the two, writes the counts as JSON, and fails for a change without a reason.
With a word, `consigne.server.service`, it speaks of what lies there only.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROWS = re.findall(r"^\| (`.*?) \| (.*?) \|", (ROOT / "docs/mutants.md").read_text(), re.MULTILINE)
KILLED, SURVIVED = {"killed", "caught by type check"}, {"survived", "suspicious", "no tests"}


def mutmut(*words: str) -> str:
    """What a command of mutmut says."""
    return subprocess.run(["mutmut", *words], capture_output=True, text=True, check=True).stdout


def results(where: str) -> dict[str, str]:
    """Mutant → what became of it."""
    found = re.findall(r"^\s*(\S+): (.+?)\s*$", mutmut("results", "--all", "true"), re.MULTILINE)
    return {mutant: outcome for mutant, outcome in found if mutant.startswith(where)}


def change(mutant: str) -> tuple[str, str]:
    """What a mutant took away and what it put there."""
    shown = mutmut("show", mutant)
    gone, come = (re.findall(rf"^[{sign}](?![{sign}]{{2}})(.*)$", shown, re.MULTILINE) for sign in ("-", "+"))
    return " ".join(map(str.strip, gone)), " ".join(map(str.strip, come))


def function(mutant: str) -> str:
    """`consigne.format.content.xǁLayoutǁof_content__mutmut_4` → `format.content.Layout.of_content`."""
    name = re.sub(r"__mutmut_\d+$", "", mutant).removeprefix("consigne.")
    return re.sub(r"\.x(?:ǁ|_)", ".", name).replace("ǁ", ".")


def is_explained(place: str, gone: str, come: str) -> bool:
    """Whether a row of the page names the function and something that only the change holds."""
    for names, changes in ROWS:
        here = any(f".{name}." in f".{place}." for name in re.findall(r"`([^`]+)`", names))
        if here and any(part in come and part not in gone for part in re.findall(r"`([^`]+)`", changes)):
            return True
    return False


def main() -> int:
    """Print the report; 1 where a change went unnoticed without a reason, or nothing was tried."""
    became = results(*sys.argv[1:] or [""])
    counts = Counter(became.values())
    left = [(function(mutant), *change(mutant)) for mutant in became if became[mutant] in SURVIVED]
    unexplained = sorted(
        f"{place}: {come}" for place, gone, come in left if not is_explained(place, gone, come)
    )
    report = {
        "mutants": len(became),
        "killed": sum(counts[kind] for kind in KILLED),
        "timeouts": counts["timeout"],
        "survived, explained": len(left) - len(unexplained),
        "survived, unexplained": unexplained,
        "not tried": counts["not checked"],
    }
    print(json.dumps(report, indent=2, ensure_ascii=False))  # noqa: T201 - a report
    return 1 if unexplained or counts["not checked"] or not counts["killed"] else 0


if __name__ == "__main__":
    sys.exit(main())

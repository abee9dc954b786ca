"""`python -m tests.fuzz`: coverage-guided fuzzing of every target in turn, on one core.

atheris (libFuzzer) mutates what reached new lines. Each target runs in a process of its own,
since a hang or a full memory ends it; a finding too. What is found is kept under `.fuzz/`,
with the working corpus, from which the next run goes on. One JSON line for each target:
seconds, inputs executed, size of the corpus, findings. To keep a finding, copy it to
`tests/fuzz/corpus/<target>/found-<what>`; the fast tests replay it. `--keep` copies the smallest inputs
that together reach everything into `tests/fuzz/corpus`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.fuzz.targets import NAMES, named
from tests.soak import report

ROOT = Path(__file__).parents[2]
MINUTES = float(os.environ.get("CONSIGNE_FUZZ_MINUTES", "60"))
MOST_KEPT = 48 * 1024  # bytes of the corpus of one target
LIMITS = ("-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=1")


def main() -> int:
    """Share the minutes among the targets; the exit code says whether anything was found."""
    given = _arguments()
    if given.one:
        _fuzz(given.one, given.targets)
        return 0
    work = ROOT / ".fuzz"
    reports = []
    for name in given.targets:
        seconds = max(1, round(given.minutes * 60 / len(given.targets)))
        reports.append(_run(name, seconds, work / name))
        print(json.dumps(reports[-1]), flush=True)  # noqa: T201
        report("fuzz", **reports[-1])
        if given.keep:
            _keep(name, work / name)
    return 1 if any(each["findings"] for each in reports) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", default=NAMES, help=f"of {', '.join(NAMES)}; default: all")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="all together")
    parser.add_argument("--keep", action="store_true", help="copy the corpus, minimised, into the tests")
    parser.add_argument("--one", choices=NAMES, help=argparse.SUPPRESS)
    return parser.parse_args()


# -------------------------------------------------------------------- one target's process


def _fuzz(name: str, options: list[str]) -> None:
    """Become libFuzzer, which ends the process, and may start itself by what it is told it is called."""
    import atheris

    for module in [module for module in sys.modules if module.partition(".")[0] == "consigne"]:
        del sys.modules[module]
    with atheris.instrument_imports(include=["consigne", "tomllib", "urllib.parse"]):
        target = named(name)
    atheris.Setup([" ".join(_command(name)), *options], target)
    atheris.Fuzz()


def _start(name: str, options: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*_command(name), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def _command(name: str) -> list[str]:
    return [sys.executable, "-m", "tests.fuzz", "--one", name, "--"]


# -------------------------------------------------------------------- all of them


def _run(name: str, seconds: int, work: Path) -> dict[str, object]:
    target = named(name)
    corpus, found = work / "corpus", work / "found"
    shutil.rmtree(found, ignore_errors=True)
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.starts()):
        (corpus / f"seed-{number}").write_bytes(data)
    words = work / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
    options = [f"-max_total_time={seconds}", f"-max_len={target.most}", f"-dict={words}"]
    ended = _start(name, [*LIMITS, *options, f"-artifact_prefix={found}/", str(corpus)])
    (work / "log").write_text(ended.stderr + ended.stdout)  # the traceback of a finding comes last
    return {
        "target": name,
        "seconds": seconds,
        "inputs": _number(r"stat::number_of_executed_units:\s*(\d+)", ended.stderr),
        "reached": _number(r"(?s:.*)cov: (\d+)", ended.stderr),
        "corpus": len(list(corpus.iterdir())),
        "findings": sorted(path.name for path in found.iterdir()) or _other_end(ended),
    }


def _other_end(ended: subprocess.CompletedProcess[str]) -> list[str]:
    """A process that ended otherwise than by its time is a finding, or a fault of this script."""
    return [] if ended.returncode == 0 else [f"exit {ended.returncode}: {ended.stderr[-300:]}"]


def _number(pattern: str, text: str) -> int:
    match = re.search(pattern, text)
    return int(match[1]) if match else 0


def _escaped(word: bytes) -> str:
    """A word as a dictionary of libFuzzer has it; it takes 64 bytes at most."""
    return "".join(f"\\x{byte:02x}" for byte in word[:64])


def _keep(name: str, work: Path) -> None:
    """libFuzzer chooses the fewest and smallest inputs that reach what all of them reach."""
    chosen, kept = work / "chosen", Path(__file__).parent / "corpus" / name
    shutil.rmtree(chosen, ignore_errors=True)
    chosen.mkdir()
    _start(name, ["-merge=1", f"-max_len={named(name).most}", str(chosen), str(work / "corpus")])
    seeds = set(named(name).seeds())
    kept.mkdir(parents=True, exist_ok=True)
    for path in kept.iterdir():
        if not path.name.startswith("found-"):
            path.unlink()
    left = MOST_KEPT
    for path in sorted(chosen.iterdir(), key=lambda path: path.stat().st_size):
        data = path.read_bytes()
        left -= len(data)
        if data not in seeds and left > 0:
            (kept / path.name[:12]).write_bytes(data)


if __name__ == "__main__":
    sys.exit(main())

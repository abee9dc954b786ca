"""`python -m benchmarks`: run the contest, print the tables, keep the numbers."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import contest, record, report
from benchmarks.contest import PARTS, Options
from benchmarks.workspace import CHECKOUT, BenchError, opened

UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments ask for; 1 when it could not be done."""
    given = _parser().parse_args(arguments)
    options = Options(given.only, given.rounds, given.size, given.skip_8g)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # hosts are stopped, files removed
    try:
        with opened(given.scratch) as workspace:
            findings = contest.run(options, workspace)
            rows = report.goals(findings, options)
            sys.stdout.write(f"\n{report.text(findings, rows)}")
            path = record.save(findings, rows, options, workspace, given.results)
            sys.stdout.write(f"\nwritten: {path.name}\n")
    except BenchError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--only", type=_parts, default=frozenset(PARTS), help=f"of {','.join(PARTS)}")
    add("--rounds", type=_positive, default=5, help="after one to warm up; 5")
    add("--size", type=_size, default=_size("1G"), help="of the big file; 1G")
    add("--skip-8g", action="store_true", help="leave out the file 8 times as big")
    add("--scratch", type=Path, default=CHECKOUT / ".bench", help="on a real disk")
    results = Path(__file__).with_name("results")
    add("--results", type=Path, default=results, help="where the JSON goes")
    return parser


def _parts(text: str) -> frozenset[str]:
    parts = frozenset(text.split(","))
    unknown = parts - set(PARTS)
    if unknown:
        message = f"not a part: {', '.join(sorted(unknown))}"
        raise argparse.ArgumentTypeError(message)
    return parts


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        message = "at least 1"
        raise argparse.ArgumentTypeError(message)
    return number


def _size(text: str) -> int:
    """Read `256M`: a number with K, M, G for the binary units."""
    number, unit = (text[:-1], text[-1:]) if text[-1:] in UNITS else (text, "")
    return _positive(number) * UNITS.get(unit, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

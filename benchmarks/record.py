"""A run as JSON: machine, versions, the table, and every single sample."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.contest import PARTS, Findings, Options
from benchmarks.machine import machine, versions
from benchmarks.measure import Series
from benchmarks.payload import readable
from benchmarks.report import Row
from benchmarks.workspace import Workspace


def save(
    findings: Findings,
    rows: Sequence[Row],
    options: Options,
    workspace: Workspace,
    folder: Path,
) -> Path:
    """Write `<date>-<what>.json`; one of the same day and name is replaced."""
    today = datetime.now(UTC).date().isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{today}-{_what(options)}.json"
    document = {
        "date": today,
        "size": options.size,
        "rounds": options.rounds,
        "machine": machine(workspace),
        "versions": versions(workspace),
        "goals": [asdict(row) for row in rows],
        "runs": [_run(series) for series in findings.series],
        "link_seconds": findings.link_seconds,
        "open_seconds": findings.open_seconds,
        "notes": findings.notes,
    }
    written = json.dumps(document, indent=1, ensure_ascii=False)
    path.write_text(f"{written}\n", "utf-8")
    return path


def _what(options: Options) -> str:
    """Name what was run: `all-1GiB`, `put-get-64MiB`."""
    named = [part for part in PARTS if part in options.parts]
    parts = ["all"] if len(named) == len(PARTS) else named
    return "-".join([*parts, readable(options.size).replace(" ", "")])


def _run(series: Series) -> dict[str, object]:
    """Give a series without the place where its payload lay."""
    return {
        "action": series.action,
        "payload": series.payload.kind,
        "bytes": series.payload.size,
        "contender": series.contender,
        "samples": [asdict(sample) for sample in series.samples],
    }

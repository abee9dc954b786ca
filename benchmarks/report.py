"""The table of the goals, and the table of everything measured, as plain text.

Strategy: a goal is data (GOALS); a row judges one. Ratios are of medians, throughput
against throughput, so that 1.0 is as fast as the rival and more is faster.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.contest import LATENCY, MEMORY, OPEN, SMALL, Findings, Options
from benchmarks.measure import Sample, Series
from benchmarks.ours import NAME
from benchmarks.payload import FILE, FOLDER, LARGE, ONCE, readable
from benchmarks.race import GET, PUT
from benchmarks.rivals import AGE, CURL, RCLONE, TAR

MEGABYTE = 1_000_000
ABSENT = "not installed"
NOTHING = "-"
LEFT_OUT = "left out"
LINK_SECONDS = 0.300
OPEN_SECONDS = 0.050
PEAK_BYTES = 150 * MEGABYTE
SAME_PEAK = 1.15  # what twice the same run differs by, and some


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio of throughput against a rival: what must be reached, what is aimed at."""

    part: str
    kind: str
    action: str
    rival: str
    must: float
    aim: float


GOALS = (
    Goal(PUT, FILE, PUT, CURL, 0.8, 1.0),
    Goal(GET, FILE, GET, CURL, 1.0, 1.5),
    Goal(PUT, FILE, PUT, AGE, 1.2, 1.2),
    Goal(GET, FILE, GET, AGE, 1.5, 1.5),
    Goal(PUT, FILE, PUT, RCLONE, 1.0, 1.0),
    Goal(GET, FILE, GET, RCLONE, 1.1, 1.1),
    Goal(SMALL, FOLDER, PUT, TAR, 0.3, 0.5),
    Goal(SMALL, FOLDER, GET, TAR, 0.3, 0.5),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table of goals."""

    what: str
    consigne: str
    rival: str
    ratio: str
    must: str
    met: str


def goals(findings: Findings, options: Options) -> list[Row]:
    """Judge every goal that belongs to what was run."""
    rows = [_raced(goal, findings) for goal in GOALS if goal.part in options.parts]
    if LATENCY in options.parts:
        what = "10 KiB file: start to link"
        rows.append(_within(what, findings.link_seconds, LINK_SECONDS))
    if OPEN in options.parts:
        what = f"open: first byte amid {readable(options.size)}"
        rows.append(_within(what, findings.open_seconds, OPEN_SECONDS))
    if MEMORY in options.parts:
        for action in (PUT, GET):
            rows += [_remembered(findings, action, side) for side in ("client", "host")]
    return rows


def _find(findings: Findings, kind: str, action: str, name: str) -> Series | None:
    for series in findings.series:
        if (series.payload.kind, series.action, series.contender) == (
            kind,
            action,
            name,
        ):
            return series
    return None


def _raced(goal: Goal, findings: Findings) -> Row:
    """Compare throughput with a rival's."""
    ours = _find(findings, goal.kind, goal.action, NAME)
    theirs = _find(findings, goal.kind, goal.action, goal.rival)
    what = f"{goal.action}, {goal.kind}, against {goal.rival}"
    must = f"≥ {goal.must}"
    if goal.aim > goal.must:
        must += f", aim {goal.aim}"
    if ours is None or theirs is None:
        return Row(what, _speed(ours), _speed(theirs), NOTHING, must, NOTHING)
    ratio = _middle(theirs) / _middle(ours)
    reached = "yes, the aim" if ratio >= goal.aim > goal.must else "yes"
    met = reached if ratio >= goal.must else "no"
    return Row(what, _speed(ours), _speed(theirs), f"{ratio:.2f}", must, met)


def _within(what: str, seconds: Sequence[float], limit: float) -> Row:
    """Compare a median time with a limit."""
    must = f"< {limit * 1000:.0f} ms"
    if not seconds:
        return Row(what, ABSENT, NOTHING, NOTHING, must, NOTHING)
    middle = median(seconds)
    met = "yes" if middle < limit else "no"
    low, high = min(seconds) * 1000, max(seconds) * 1000
    shown = f"{middle * 1000:.1f} ms ({low:.1f} to {high:.1f})"
    return Row(what, shown, NOTHING, NOTHING, must, met)


def _remembered(findings: Findings, action: str, side: str) -> Row:
    """Compare a peak of memory with the limit, and with the large file's peak."""
    small = _find(findings, ONCE, action, NAME)
    large = _find(findings, LARGE, action, NAME)
    what = f"peak memory, {side}, {action}"
    must = f"< {PEAK_BYTES // MEGABYTE} MB, the same for both"
    if small is None:
        return Row(what, ABSENT, NOTHING, NOTHING, must, NOTHING)
    peaks = [_peak(series, side) for series in (small, large) if series]
    shown = " and ".join(f"{peak / MEGABYTE:.0f}" for peak in peaks) + " MB"
    if large is None:
        return Row(what, shown, NOTHING, NOTHING, must, LEFT_OUT)
    ratio = peaks[1] / peaks[0]
    met = "yes" if max(peaks) < PEAK_BYTES and ratio < SAME_PEAK else "no"
    return Row(what, shown, NOTHING, f"{ratio:.2f} (memory)", must, met)


def _middle(series: Series) -> float:
    return median(sample.wall for sample in series.samples)


def _peak(series: Series, side: str) -> int:
    return max(sample.client_peak if side == "client" else sample.host_peak for sample in series.samples)


def _speed(series: Series | None) -> str:
    if series is None:
        return ABSENT
    seconds = _middle(series)
    speed = series.payload.size / seconds / MEGABYTE
    if series.payload.kind == FOLDER:
        return f"{speed:,.0f} MB/s, {seconds:.2f} s"
    return f"{speed:,.0f} MB/s"


RAW_HEAD = (
    "what",
    "contender",
    "MB/s median",
    "min",
    "max",
    "s median",
    "CPU s client",
    "CPU s host",
    "MB client",
    "MB host",
)
GOAL_HEAD = ("what", "consigne", "rival", "ratio", "must reach", "met?")


def text(findings: Findings, rows: Sequence[Row]) -> str:
    """Write both tables and the notes."""
    table = ((r.what, r.consigne, r.rival, r.ratio, r.must, r.met) for r in rows)
    measured = (_raw(series) for series in findings.series)
    notes = "".join(f"\n{note}" for note in findings.notes)
    return f"{_table(GOAL_HEAD, table)}\n\n{_table(RAW_HEAD, measured)}{notes}\n"


def _raw(series: Series) -> tuple[str, ...]:
    """Sum up the runs of one contender: medians, and the greatest peaks."""
    speeds = [series.payload.size / s.wall / MEGABYTE for s in series.samples]
    speed = (median(speeds), min(speeds), max(speeds))
    client, host = (_cpu(series.samples, side) for side in ("client", "host"))
    peaks = (_peak(series, side) / MEGABYTE for side in ("client", "host"))
    return (
        f"{series.action} {series.payload}",
        series.contender,
        *(_rounded(value) for value in speed),
        f"{_middle(series):.3f}",
        f"{client:.2f}",
        f"{host:.2f}",
        *(f"{peak:.0f}" for peak in peaks),
    )


def _rounded(value: float) -> str:
    """Write a speed with as many digits as tell something."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}"


def _cpu(samples: Iterable[Sample], side: str) -> float:
    return median(s.client_cpu if side == "client" else s.host_cpu for s in samples)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Align columns: words to the left, what begins with a digit to the right."""
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "  ".join(_cell(*pair) for pair in zip(line, widths, strict=True)).rstrip()
        for line in (head, rule, *lines[1:])
    )


def _cell(value: str, width: int) -> str:
    number = value.replace(",", "").replace(".", "").isdigit()
    return value.rjust(width) if number else value.ljust(width)

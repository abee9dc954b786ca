"""The progress line, as text and on a terminal."""

from __future__ import annotations

import io
import sys

import pytest

from consigne.cli.progress import Bar, line
from consigne.cli.voice import Voice
from consigne.client import Progress

MIB = 2**20


def at(done: int, total: int | None = 100 * MIB, seconds: float = 1.0, *, waiting: bool = False) -> Progress:
    return Progress(done, total, 0, seconds, waiting=waiting)


def test_the_line_tells_how_far_how_fast_and_how_long() -> None:
    assert line(at(40 * MIB), 20.0 * MIB, 200) == (
        "[============>                 ]  40.0 MiB of 100.0 MiB  40 %  20.0 MiB/s  3 s left"
    )


@pytest.mark.parametrize("width", range(10, 120))
def test_the_line_fits_the_terminal(width: int) -> None:
    assert len(line(at(40 * MIB), 20.0 * MIB, width)) <= width


def test_what_matters_least_goes_first_when_there_is_little_room() -> None:
    assert line(at(40 * MIB), 20.0 * MIB, 45) == "40.0 MiB of 100.0 MiB  40 %  20.0 MiB/s"[:45]
    assert line(at(40 * MIB), 20.0 * MIB, 30) == "40.0 MiB of 100.0 MiB  40 %"
    assert line(at(40 * MIB), 20.0 * MIB, 10) == "40.0 MiB o"


def test_a_length_that_nobody_knows_has_no_percent_and_no_end() -> None:
    assert line(at(40 * MIB, None), 20.0 * MIB, 80) == "40.0 MiB  20.0 MiB/s"


def test_waiting_is_said() -> None:
    assert line(at(40 * MIB, waiting=True), 20.0 * MIB, 60).endswith("40 %  waiting for the host")


def test_no_rate_no_guess() -> None:
    assert line(at(0), None, 30) == "0 B of 100.0 MiB  0 %"
    assert line(at(40 * MIB), 0.0, 200).endswith("0 B/s")


@pytest.mark.parametrize(
    ("rate", "left"), [(MIB, "1 min 40 s left"), (MIB / 100, "2 h 46 min left"), (100 * MIB, "1 s left")]
)
def test_long_times_are_said_in_minutes_and_hours(rate: float, left: str) -> None:
    assert line(at(0), rate, 200).endswith(left)


def test_the_whole_is_a_full_bar() -> None:
    assert line(at(100 * MIB), None, 200).startswith("[" + "=" * 30 + "]  100.0 MiB of 100.0 MiB  100 %")


class FakeTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def sit_at_a_terminal(monkeypatch: pytest.MonkeyPatch, term: str = "xterm") -> FakeTerminal:
    """Called in the test itself: pytest puts its own standard error in place after fixtures."""
    fake = FakeTerminal()
    monkeypatch.setattr(sys, "stderr", fake)
    monkeypatch.setenv("TERM", term)
    return fake


def test_the_bar_is_drawn_ten_times_a_second_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = sit_at_a_terminal(monkeypatch)
    voice = Voice()
    bar = Bar(voice)
    for done in range(1000):
        bar(at(done))
    drawn = terminal.getvalue()
    assert 1 <= drawn.count("\r") <= 3
    voice.say("done")
    shown = terminal.getvalue().removeprefix(drawn)
    assert shown == "\r" + " " * len(drawn.strip("\r")) + "\rdone\n"


def test_the_rate_is_that_of_the_last_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = sit_at_a_terminal(monkeypatch)
    monkeypatch.setattr("consigne.cli.progress.REDRAW", 0.0)
    bar = Bar(Voice())
    for second in range(20):  # fast at first, then slow
        bar(at(second * MIB if second < 10 else 10 * MIB + second, seconds=second))
    assert "1 B/s" in terminal.getvalue().rpartition("\r")[2]


@pytest.mark.parametrize(
    ("quiet", "as_json", "term"), [(True, False, "xterm"), (False, True, "xterm"), (False, False, "dumb")]
)
def test_no_bar_for_those_who_cannot_use_one(
    monkeypatch: pytest.MonkeyPatch, term: str, *, quiet: bool, as_json: bool
) -> None:
    terminal = sit_at_a_terminal(monkeypatch, term)
    Bar(Voice(quiet=quiet, as_json=as_json))(at(1))
    assert terminal.getvalue() == ""

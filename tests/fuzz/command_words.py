"""Times and numbers as a command line takes them, and instants as a host tells them."""

from __future__ import annotations

from argparse import ArgumentTypeError
from contextlib import suppress

from consigne.cli import durations, options, sizes
from consigne.server.settings import SIZES, TIMES, _parse_number
from tests.fuzz.target import Target

MOST = 999_999 * durations.UNITS["w"]


def check(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    with suppress(ValueError):
        assert 0 < durations.parse(text) <= MOST
    with suppress(ArgumentTypeError):
        assert 0 < options.duration(text) <= MOST
    with suppress(ArgumentTypeError):
        assert str(options.count(text)) == text.lstrip("0")
    for kind in ("count", "size", "time", "seconds"):
        number = _parse_number(kind, text)
        assert number is None or 0 <= number <= 10**16 * max(*SIZES.values(), *TIMES.values())
        assert sizes.say(number or 0).split()[1]
    assert durations.until(text).strip()


def seeds() -> list[bytes]:
    return [
        b"0m",
        b"30m",
        b"7d",
        b"999999w",
        b"1.5m",
        b"64MiB",
        b"12",
        b"2026-12-01T00:00:00Z",
        b"9999-12-31T23:59:59+00:01",
    ]


TARGET = Target(
    "command_words", check, seeds, words=(b"m", b"GiB", b"\xd9\xa3", b"T", b"W", b"+", b"."), most=100
)

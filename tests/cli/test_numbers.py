"""Times and sizes as people write and read them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from consigne.cli import durations, sizes


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30m", 1800),
        ("12h", 43_200),
        ("7d", 604_800),
        ("4w", 2_419_200),
        (" 1d ", 86_400),
        ("999999w", 604_799_395_200),
    ],
)
def test_a_time_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert durations.parse(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "7", "d", "0d", "-1d", "1.5d", "7 d", "7D", "7y", "1d12h", "\u0667d", "1000000d", "7d\n7d"]
)
def test_anything_else_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="30m, 12h, 7d or 4w"):
        durations.parse(text)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a minute"),
        (59, "less than a minute"),
        (60, "1 minute"),
        (7199, "1 hour"),
        (7200, "2 hours"),
        (86_400, "1 day"),
        (604_799, "6 days"),
    ],
)
def test_spans_are_said_in_their_largest_unit(seconds: int, words: str) -> None:
    assert durations.span(seconds) == words


def test_an_expiry_says_when_and_how_long_still() -> None:
    now = datetime(2026, 11, 23, 10, tzinfo=UTC)
    assert durations.until("2026-11-30T12:00:00Z", now) == "2026-11-30 12:00 UTC, in 7 days"
    assert durations.until("2026-11-23T10:00:00Z", now) == "2026-11-23 10:00 UTC, which is past"
    assert durations.until("\x1b[31m", now) == "unknown"


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (1024**2, "1.0 MiB"),
        (10 * 1024**3, "10.0 GiB"),
        (2**53, "8.0 PiB"),
        (2**63, "8192.0 PiB"),
        (0.5, "0 B"),
    ],
)
def test_sizes_have_one_decimal_and_a_binary_unit(count: float, words: str) -> None:
    assert sizes.say(count) == words

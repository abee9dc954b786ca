"""The judges, on values alone: ranges, missing parts, delays, rounding."""

from __future__ import annotations

import hashlib
import itertools
import time
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consigne import protocol
from consigne.server.policy import days, guessing, naming, ranges, rules
from consigne.server.policy.leaps import Leaps
from consigne.server.policy.ranges import Range
from consigne.server.refusal import Refusal

numbers = st.integers(0, 60)
maybe = st.none() | numbers
pairs = st.tuples(numbers, maybe).filter(lambda pair: pair[1] is None or pair[0] <= pair[1])
asked = pairs.map(lambda pair: Range(*pair, None)) | st.builds(Range, st.none(), st.none(), numbers)


def by_hand(wanted: Range, length: int) -> list[int]:
    """The same by enumerating bytes."""
    everything = range(length)
    if wanted.first is None:
        return list(everything[-wanted.suffix :]) if wanted.suffix else []
    last = length - 1 if wanted.last is None else wanted.last
    return [byte for byte in everything if wanted.first <= byte <= last]


@given(asked, st.integers(1, 50))
def test_ranges_within(wanted: Range, length: int) -> None:
    expected = by_hand(wanted, length)
    try:
        span = ranges.within(wanted, length)
    except Refusal as refusal:
        said = refusal.code, refusal.extra
        assert said == ("range-not-satisfiable", {"length": length})
        assert expected == []
    else:
        assert expected
        assert list(range(*span)) == expected
        assert span.size == len(expected)


@given(asked, st.integers(1, 50), st.integers(0, 50), st.booleans())
def test_ranges_so_far(wanted: Range, length: int, durable: int, known: bytes | None) -> None:
    """What is served is asked for, durable, and begins with the first byte asked for."""
    told = length if known else None
    try:
        start = ranges.first_wanted(wanted, told, 1000)
    except Refusal:
        assert known
        assert by_hand(wanted, length) == [] or wanted.first is None
        return
    if start is None:
        assert not known
        assert wanted.first is None
        return
    span = ranges.so_far(wanted, told, start, min(durable, length))
    expected = [byte for byte in by_hand(wanted, length) if byte < durable]
    if span is None:
        assert start not in expected
    else:
        assert list(range(*span)) == expected


def test_first_wanted_of_an_impossible_range() -> None:
    for wanted in (Range(1000, None, None), Range(5, 4, None)):
        with pytest.raises(Refusal):
            ranges.first_wanted(wanted, None, 1000)


@given(st.sets(st.integers(0, 30)))
def test_merged(parts: set[int]) -> None:
    pairs = rules.merged(sorted(parts))
    assert {part for first, last in pairs for part in range(first, last + 1)} == parts
    assert all(ahead[0] > behind[1] + 1 for behind, ahead in itertools.pairwise(pairs))


@given(st.sets(st.integers(0, 20)), st.integers(1, 200))
def test_missing_parts(parts: set[int], length: int) -> None:
    size, count = 10, protocol.part_count(length, 10)
    there = [(part, rules.length_at(part, length, size)) for part in sorted(parts) if part < count]
    missing = {part for part in range(count) if part not in parts}
    try:
        rules.judge_parts(there, length, size)
    except Refusal as refusal:
        assert refusal.code == "parts-missing"  # noqa: PT017 - one of two outcomes
        listed = refusal.extra["missing"]
        assert listed == rules.merged(sorted(missing))
    else:
        assert not missing


@pytest.mark.parametrize("parts", [[(0, 10), (1, 4)], [(0, 9), (1, 5)], [(0, 10), (1, 5), (2, 1)], [(5, 1)]])
def test_parts_that_disagree_with_the_length(parts: list[tuple[int, int]]) -> None:
    with pytest.raises(Refusal) as caught:
        rules.judge_parts(parts, 15, 10)
    assert caught.value.code == "length-mismatch"


def test_a_part_behind_the_last_disagrees_though_it_is_empty() -> None:
    with pytest.raises(Refusal) as caught:
        rules.judge_parts([(0, 10), (1, 10), (2, 0)], 20, 10)
    assert caught.value.code == "length-mismatch"


def test_not_more_missing_parts_are_listed_than_anybody_needs() -> None:
    there = [(part, 10) for part in range(1, 4000, 2)]
    with pytest.raises(Refusal) as caught:
        rules.judge_parts(there, 40_000, 10)
    assert caught.value.extra == {"missing": [[part, part] for part in range(0, 2000, 2)]}


@pytest.mark.parametrize(("part", "length"), [(0, 10), (1, 10), (2, 5)])
def test_all_parts_are_full_but_the_last(part: int, length: int) -> None:
    assert rules.length_at(part, 25, 10) == length


@pytest.mark.parametrize(
    ("wanted", "length", "start", "durable", "expected"),
    [
        (Range(0, 4, None), 10, 0, 8, (0, 5)),
        (Range(0, 4, None), None, 0, 8, (0, 5)),
        (Range(2, None, None), None, 2, 8, (2, 8)),
        (Range(2, None, None), 10, 2, 10, (2, 10)),
        (Range(5, None, None), None, 5, 5, None),
        (Range(5, 9, None), 10, 5, 3, None),
    ],
)
def test_what_is_there_so_far(
    wanted: Range, length: int | None, start: int, durable: int, expected: tuple[int, int] | None
) -> None:
    assert ranges.so_far(wanted, length, start, durable) == expected


def test_no_range_is_all_of_it_and_the_last_no_bytes_are_none() -> None:
    assert ranges.within(None, 7) == (0, 7)
    assert ranges.within(Range(None, None, 9), 7) == (0, 7)
    with pytest.raises(Refusal):
        ranges.within(Range(None, None, 0), 7)


@given(st.floats(0, 4e9), st.integers(1, 60 * protocol.DAY))
@example(now=1.0, lifetime=protocol.DAY)
@example(now=1.0, lifetime=protocol.DAY - 1)
def test_ends_are_rounded_up(now: float, lifetime: int) -> None:
    end = days.end_of(now, lifetime)
    step = protocol.DAY if lifetime >= protocol.DAY else days.HOUR
    assert end % step == 0
    assert now + lifetime <= end < now + lifetime + step + 1
    ticket = days.full_hour_after(now, protocol.TICKET_LIFETIME)
    assert ticket % days.HOUR == 0
    assert protocol.DAY <= ticket - now < protocol.DAY + days.HOUR + 1


def test_ends_can_always_be_written() -> None:
    assert days.rfc3339(days.end_of(2e9, 2**53 - 1)).startswith("9999-")
    assert days.rfc3339(0) == "1970-01-01T00:00:00Z"
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    assert days.rfc3339(int(moment.timestamp())) == "2026-11-23T00:00:00Z"


def test_instants_are_written_in_utc_wherever_the_host_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert days.rfc3339(0) == "1970-01-01T00:00:00Z"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("now", "not_before", "wrong", "wait"),
    [
        (100, 101, 10, 1),
        (100, 100, 10, 0),
        (100, 99, 10, 0),
        (100.5, 102, 10, 2),
        (100, 103, 10, 0),  # more than its delay: a clock that was set back
        (100, 106, 12, 0),
        (100, 105, 12, 5),
    ],
)
def test_seconds_to_wait(now: float, not_before: int, wrong: int, wait: int) -> None:
    assert guessing.seconds_to_wait(now, not_before, wrong) == wait


def test_without_a_delay_nothing_is_written_down() -> None:
    assert guessing.not_before_after(100.5, 9) == 0
    assert guessing.not_before_after(100.5, 10) == 102


def test_days_begin_at_midnight() -> None:
    assert [days.day_of(now) for now in (-1, 0, 86_399.9, 86_400, 86_400.5)] == [-1, 0, 0, 1, 1]
    assert isinstance(days.day_of(1.5), int)


def test_a_leap_ahead_is_doubted_for_a_day() -> None:
    leaps, year = Leaps(), 365 * protocol.DAY
    assert not leaps.doubts(1000, 0)
    assert not leaps.doubts(5000 + 600, 4000)  # it was set
    assert not leaps.doubts(6000 + 4200, 5000)  # within an hour of what was believed last
    assert leaps.doubts(year, 6000)
    assert leaps.doubts(year + 3600, 6000 + 3600)
    assert not leaps.doubts(20_000, 15_000)  # it is back
    assert leaps.doubts(year, 16_000)
    assert leaps.doubts(year + protocol.DAY - 1, 16_000 + protocol.DAY - 1)
    assert not leaps.doubts(year + protocol.DAY, 16_000 + protocol.DAY)  # it stood by it
    assert not leaps.doubts(year + protocol.DAY + 600, 16_600 + protocol.DAY)
    assert not leaps.doubts(5000, 17_000 + protocol.DAY)  # behind: believed at once
    assert leaps.doubts(year, 18_000 + protocol.DAY)


def test_delays() -> None:
    assert [guessing.delay_after(wrong) for wrong in (0, 9, 10, 11, 12, 21, 22, 99, 10**9)] == [
        0, 0, 1, 2, 4, 2048, 3600, 3600, 3600,
    ]  # fmt: skip
    assert not guessing.is_locked(99)
    assert guessing.is_locked(100)


@given(st.floats(0, 4e9), st.integers(0, 200), st.floats(-1e6, 1e6))
def test_a_wait_never_exceeds_its_delay(now: float, wrong: int, passed: float) -> None:
    wait = guessing.seconds_to_wait(now + passed, guessing.not_before_after(now, wrong), wrong)
    delay = guessing.delay_after(wrong)
    assert 0 <= wait <= delay + 1
    if 0 <= passed < delay:
        assert wait > 0
        assert wait >= delay - passed


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_capsule_names_are_read_back(known: bytes | None, digest: bytes) -> None:
    assert naming.read_name(naming.link_capsule(known)) == (known, None)
    assert naming.read_name(naming.owner_capsule(known, digest)) == (known, naming.version_of(digest))


def test_tags_are_those_of_the_protocol() -> None:
    assert naming.tag(hashlib.sha256(b"capsule").digest()) == protocol.capsule_etag(b"capsule")


@pytest.mark.parametrize("name", ["", "x", "A" * 42 + "B", "A" * 43 + ".", "A" * 43 + ".short", "A" * 44])
def test_names_of_others_are_not_read(name: str) -> None:
    assert naming.read_name(name) is None


@pytest.mark.parametrize(
    ("if_match", "tag", "fine"),
    [
        (None, None, True),
        (None, '"a"', False),
        ('"a"', '"a"', True),
        ('"b", "a"', '"a"', True),
        ("*", '"a"', True),
        ("*", None, False),
        ('"a"', None, False),
        ('W/"a"', '"a"', False),
    ],
)
def test_if_match(if_match: str | None, tag: str | None, *, fine: bool) -> None:
    if fine:
        rules.judge_if_match(if_match, tag)
    else:
        with pytest.raises(Refusal):
            rules.judge_if_match(if_match, tag)


def test_every_refusal_has_a_problem() -> None:
    """A code that protocol.py does not know would be a 500; Refusal itself refuses it."""
    with pytest.raises(KeyError):
        Refusal("no-such-code")

"""Inputs near to sound ones, for Hypothesis: cut, doubled, overwritten, spliced, with words put in."""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st

from tests.fuzz.target import Target

WHAT = ("cut", "double", "put in", "overwrite", "flip", "splice", "end")
BYTES = (b"\0", b"\xff", b"\x80", b'"', b"\\", b"/", b"\r\n", b" ", b"0", b"9" * 20, b"-", b"\xed\xa0\x80")


def inputs(target: Target) -> st.SearchStrategy[bytes]:
    """Mostly mutations, now and then noise."""
    noise = st.binary(max_size=min(target.most, 200))
    return st.one_of(_mutated(target), _mutated(target), _mutated(target), noise)


@st.composite
def _mutated(draw: st.DrawFn, target: Target) -> bytes:
    starts, words = _pieces(target)
    data = draw(starts)
    for _ in range(draw(st.integers(0, 5))):
        at = draw(st.integers(0, len(data)))
        until = min(len(data), at + draw(st.sampled_from((1, 2, 4, 16, 1000))))
        data = _edited(data, at, until, draw(st.sampled_from(WHAT)), draw(words), draw(starts))
    return data[: target.most]


@cache
def _pieces(target: Target) -> tuple[st.SearchStrategy[bytes], st.SearchStrategy[bytes]]:
    words = st.sampled_from((*BYTES, *target.words))
    return st.sampled_from(target.starts()), st.one_of(words, st.binary(min_size=1, max_size=4))


def _edited(data: bytes, at: int, until: int, what: str, word: bytes, other: bytes) -> bytes:
    middle = {
        "cut": b"",
        "double": data[at:until] * 2,
        "put in": word + data[at:until],
        "overwrite": word,
        "flip": bytes(byte ^ word[0] for byte in data[at:until]),
        "splice": other[at:until],
        "end": None,
    }[what]
    return data[:at] if middle is None else data[:at] + middle + data[until:]

"""What is fuzzed: a function that takes any bytes, and raises only when it found something.

A finding is whatever is not the typed failure that the spec names: another exception, a
broken property such as parse(print(x)) == x, or too much time. `seeds` are whole inputs
from which mutations start, `words` pieces that are put in anywhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.vectors import load

CORPUS = Path(__file__).parent / "corpus"
MOST_SECONDS = 5.0  # of the processor, for one input: generous, since only a hang takes as long


@dataclass(frozen=True)
class Target:
    """One thing that is parsed."""

    name: str
    check: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    words: tuple[bytes, ...] = ()
    most: int = 4096  # bytes of one input
    examples: int = 300  # mutations that `make test` tries

    def __call__(self, data: bytes) -> None:
        began = time.thread_time()
        self.check(data)
        took = time.thread_time() - began
        assert took < MOST_SECONDS, f"{len(data)} bytes took {took:.1f} s"

    def corpus(self) -> list[bytes]:
        """Inputs that were worth keeping: each reaches something, or once found something."""
        return [path.read_bytes() for path in sorted((CORPUS / self.name).glob("*"))]

    def starts(self) -> list[bytes]:
        """Everything to mutate from."""
        return [data for data in dict.fromkeys([*self.seeds(), *self.corpus()]) if len(data) <= self.most]


__all__ = ["CORPUS", "Target", "load"]

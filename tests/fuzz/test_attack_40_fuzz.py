"""Attack 40: whatever bytes come in, a typed failure comes out; never a crash, a hang, or a lie.

Here each target of this folder meets its seeds, the corpus, and seeded mutations of both.
`python -m tests.fuzz` goes on from there, led by which lines are reached.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, seed, settings

from tests.fuzz.mutation import inputs
from tests.fuzz.target import CORPUS
from tests.fuzz.targets import NAMES, named
from tests.soak import SEED

MOST_CORPUS = 1024 * 1024


@pytest.mark.parametrize("name", NAMES)
def test_attack_40_seeds_and_corpus(name: str) -> None:
    target = named(name)
    starts = [*target.seeds(), *target.corpus()]
    assert len(starts) > 3
    for data in starts:
        target(data)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_attack_40_mutations(name: str) -> None:
    target = named(name)

    @seed(SEED)
    @settings(
        max_examples=target.examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=inputs(target))
    def meet(data: bytes) -> None:
        target(data)

    meet()


def test_the_corpus_is_small_and_each_file_has_a_target() -> None:
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MOST_CORPUS
    assert {path.parent.name for path in files} <= set(NAMES)
    assert all(path.parent.parent == CORPUS for path in files)

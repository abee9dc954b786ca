"""Attack 38: the host stopped between any two calls that it makes to the disk.

The instants find themselves: a whole story is recorded once (`tests/crashes`), then
told again with the process killed before each call, and in the middle of each write.
Then the power goes instead: the record is played onto a disk that keeps only what was
flushed, or names without their bytes, or a subset by chance. What is left is opened
by a new host, which must keep every word that was given; the story goes on to its
end, and nothing is left of it.

Kills before a call, and the two disks without chance, are tried at every instant. Of
writes cut in the middle, of subsets, and of the upgrade, `CONSIGNE_TEST_KILLS` many
are, chosen by `CONSIGNE_TEST_SEED`; from 200 on, all of them.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.crashes import disk, recording
from tests.crashes.disk import Disk
from tests.crashes.recording import NAMES, SYNCS, TOLD, Record
from tests.crashes.story import next_step
from tests.soak import EVERY_INSTANT, KILLS, SEED

SHARES = 4  # of the instants, so that they go to several workers
NOW = time.time()

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class Life(NamedTuple):
    """How a host's process ended (0, or minus a signal), what it left, its record, what was told by then.

    `disk` is as the host found it.
    """

    ended: int
    root: Path
    records: list[Record]
    told: dict[str, Any]
    disk: Disk


@dataclass
class Teller:
    """The process that tells the story and dies of it, in a new folder each time.

    `before` is what a host finds that is upgraded, with what was `told` by then.
    """

    process: subprocess.Popen[str]
    folder: Path
    before: Path | None = None
    told: dict[str, Any] = field(default_factory=dict)
    lives: Iterator[int] = field(default_factory=itertools.count)

    def live(self, calls: int = -1, *, torn: bool = False) -> Life:
        """One life of `calls` calls. With `torn` the next one does half of its work, if it is a write."""
        root = self.folder / f"life-{next(self.lives)}"
        if self.before is None:
            root.mkdir()
        else:
            shutil.copytree(self.before, root)
        found, log = Disk(root), root.with_suffix(".log")
        ended = self._ask(root=root, log=log, calls=calls, torn=torn, told=self.told, take_up=False)
        records = list(recording.read(log))
        log.unlink()
        return Life(ended, root, records, self.told | recording.told(records), found)

    def take_up(self, root: Path, told: dict[str, Any], when: str) -> None:
        """What is left in a folder keeps all that was told. The folder is deleted."""
        ended = self._ask(root=root, log=os.devnull, calls=-1, torn=False, told=told, take_up=True)
        assert ended == 0, f"{when}, while `{next_step(told)}` was under way: see what was captured"
        shutil.rmtree(root)

    def _ask(self, **plan: object) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        plan |= {"now": NOW, "upgraded": self.before is not None}
        self.process.stdin.write(json.dumps(plan, default=str) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@pytest.fixture
def teller(tmp_path: Path) -> Iterator[Teller]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crashes.teller"],
        cwd=Path(__file__).parents[2],
        env={**environment, "LD_PRELOAD": str(recording.compiled(tmp_path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Teller(process, tmp_path)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0


def sample(instants: list[int], most: int) -> list[int]:
    if EVERY_INSTANT or len(instants) <= most:
        return instants
    return sorted(random.Random(SEED).sample(instants, most))


# ---------------------------------------------------------------- the process is killed


@pytest.mark.parametrize("share", range(SHARES))
def test_attack_38_killed_before_every_call(teller: Teller, share: int) -> None:
    whole = teller.live()
    assert whole.ended == 0
    for at in range(share, recording.calls(whole.records), SHARES):
        life = teller.live(at)
        assert life.ended == -signal.SIGKILL
        teller.take_up(life.root, life.told, f"killed before call {at}")


def test_attack_38_killed_in_the_middle_of_a_write(teller: Teller) -> None:
    records = [record for record in teller.live().records if record.kind != TOLD]
    writes = [at for at, record in enumerate(records) if record.kind == "w"]
    for at in sample(writes, KILLS):
        life = teller.live(at, torn=True)
        assert life.ended == -signal.SIGKILL
        teller.take_up(life.root, life.told, f"killed in the middle of call {at}")


# ---------------------------------------------------------------- the power goes


def lose_power(
    teller: Teller, life: Life, instants: list[int], survivors: Callable[[int], disk.Survivors]
) -> None:
    """Before each of these records of a life, and at its end."""
    left = life.root.with_name("left")
    for at, record in enumerate(life.records):
        if at in instants:
            life.disk.restore(left, survivors(at))
            told = teller.told | recording.told(life.records[:at])
            teller.take_up(left, told, f"power lost before record {at}")
        life.disk.apply(record)
    life.disk.restore(left, survivors(len(life.records)))
    teller.take_up(left, life.told, "power lost at the end")


def before(kinds: str, life: Life) -> list[int]:
    """The instants at which a disk changes: between them nothing does but what was told."""
    return [at for at, record in enumerate(life.records) if record.kind in kinds]


def test_attack_38_power_lost_and_only_what_was_flushed_is_there(teller: Teller) -> None:
    life = teller.live()
    lose_power(teller, life, before(SYNCS, life), lambda _: disk.nothing)


def test_attack_38_power_lost_and_names_are_there_without_their_bytes(teller: Teller) -> None:
    life = teller.live()
    lose_power(teller, life, before(SYNCS + NAMES, life), lambda _: disk.names)


def test_attack_38_power_lost_and_some_of_it_is_there(teller: Teller) -> None:
    life = teller.live()
    instants = sample(list(range(len(life.records))), 2 * KILLS)
    lose_power(teller, life, instants, lambda at: disk.some(SEED + at))


# ---------------------------------------------------------------- a newer version begins


@pytest.fixture
def upgrading(teller: Teller) -> Teller:
    """A teller whose host finds a catalog of the version before, in the middle of the story."""
    records = teller.live().records
    until = [record.name for record in records].index("revoke")
    life = teller.live(recording.calls(records[:until]))
    with closing(sqlite3.connect(life.root / "data/catalog.db", isolation_level=None)) as catalog:
        catalog.execute("DROP TABLE store")
        catalog.execute("DELETE FROM applied WHERE version = 2")
    (life.root / "data/store/identity").unlink()
    teller.before, teller.told = life.root, life.told
    return teller


def test_attack_38_an_upgrade_that_is_killed_or_loses_its_power(upgrading: Teller) -> None:
    """The copy that is made before a migration is whole or not there, and no half of it stays."""
    life = upgrading.live()
    begins = [record.kind for record in life.records].index(TOLD)
    for at in sample(list(range(recording.calls(life.records[:begins]))), KILLS):
        killed = upgrading.live(at)
        upgrading.take_up(killed.root, killed.told, f"killed before call {at} of an upgrade")
    instants = [at for at in before(SYNCS, life) if at < begins]
    lose_power(upgrading, life, sample(instants, KILLS), lambda _: disk.nothing)


# ---------------------------------------------------------------- the tools themselves


def tree(root: Path) -> dict[str, bytes]:
    """What lies in a folder, but for what no database reads after a crash."""
    files = {path for path in root.rglob("*") if path.is_file() and path.suffix != ".db-shm"}
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_the_record_is_all_that_happened(teller: Teller) -> None:
    """Played onto the model it gives the very folder that was left, wherever the host was stopped."""
    whole = teller.live()
    assert {record.kind for record in whole.records} == set(recording.KINDS)
    for at in [-1, *random.Random(SEED).sample(range(recording.calls(whole.records)), 20)]:
        life = teller.live(at) if at >= 0 else whole
        for record in life.records:
            life.disk.apply(record)
        life.disk.restore(life.root.with_name("left"), disk.everything)
        assert tree(life.root.with_name("left")) == tree(life.root)
        shutil.rmtree(life.root.with_name("left"))
        shutil.rmtree(life.root, ignore_errors=True)

"""The contenders in turn: a round runs each once, in another order than the last.

Strategy: a machine gets slower and faster within minutes, so runs that are compared have to lie
side by side. Round 0 warms up: it counts for nothing, and what arrives in it is compared with
what was sent.
"""

import sys
from collections.abc import Iterator, Sequence

from benchmarks.contenders import Contender
from benchmarks.measure import Sample, Series, timed
from benchmarks.payload import FOLDER, Payload, fingerprint
from benchmarks.workspace import BenchError, Workspace

PUT = "put"
GET = "get"


def in_turn(contenders: Sequence[Contender], rounds: int) -> Iterator[tuple[int, list[Contender]]]:
    """Give the warm-up and every round with the order of its contenders.

    The orders are a Latin square after Williams (0 1 3 2, 1 2 0 3, 2 3 1 0, 3 0 2 1): each comes
    first equally often, and of an even number each comes after each other equally often. What the
    one before left in caches and in free memory so burdens nobody in particular.
    """
    count = len(contenders)
    steps = [(-place // 2 if place % 2 == 0 else (place + 1) // 2) for place in range(count)]
    for number in range(rounds + 1):
        yield number, [contenders[(number + step) % count] for step in steps]


def race(
    contenders: Sequence[Contender],
    payload: Payload,
    rounds: int,
    actions: Sequence[str],
    workspace: Workspace,
) -> list[Series]:
    """Let all put, then let all get, in every round; give what was measured."""
    runner = Runner(payload, workspace)
    for number, order in in_turn(contenders, rounds):
        if PUT in actions or number == 0:
            for contender in order:
                runner.put(contender, number)
        if GET in actions or number == 0:
            for contender in order:
                runner.get(contender, number, verify=number == 0)
    for contender in contenders:
        contender.clear()
    return runner.series


class Runner:
    """Runs one contender once, and keeps the samples."""

    def __init__(self, payload: Payload, workspace: Workspace) -> None:
        """Send `payload`, whose fingerprint everything that arrives must have."""
        self.series: list[Series] = []
        self._payload = payload
        self._workspace = workspace
        self._expected = fingerprint(payload.path)

    def put(self, contender: Contender, number: int) -> None:
        """Send; the time ends when everything is on the disk."""
        contender.clear()
        command = contender.put(self._payload.path)
        sample, printed = timed(command, contender.host, self._workspace, sync=True)
        contender.did_put(printed)
        self._keep(PUT, contender, number, sample)

    def get(self, contender: Contender, number: int, *, verify: bool) -> None:
        """Fetch into an empty folder; compare what arrived, when asked to."""
        into = self._workspace.emptied(f"arrived/{contender.name}-{number}")
        command = contender.get(into)
        sample, _ = timed(command, contender.host, self._workspace, sync=False)
        arrived = into / self._payload.path.name
        if verify and fingerprint(arrived) != self._expected:
            reason = f"{contender.name}: what arrived is not what was sent"
            raise BenchError(reason)
        if self._payload.kind != FOLDER:
            # The many small ones stay until the end: for some seconds ext4 steps over each inode
            # just deleted to find a free one, and the next run would take twenty times as long.
            self._workspace.emptied("arrived")
        self._keep(GET, contender, number, sample)

    def _keep(self, action: str, contender: Contender, number: int, sample: Sample) -> None:
        """Add a sample to its series, the warm-up's excepted, and say it."""
        when = f"round {number}" if number else "warm-up"
        what = f"{when}: {action} {self._payload}, {contender.name}"
        sys.stderr.write(f"{what}: {sample.wall:.3f} s\n")
        if number == 0:
            return
        for series in self.series:
            if (series.action, series.contender) == (action, contender.name):
                series.samples.append(sample)
                return
        self.series.append(Series(action, self._payload, contender.name, [sample]))

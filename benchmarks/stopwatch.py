"""Runs one pipeline and prints how long it took, its CPU time and its peak memory.

Strategy: a process of its own, started with `-I -S` and with three imports, because
Linux counts what the forking process held as memory of the command it starts
(ru_maxrss survives exec). From here that is some 10 MB, from the harness 40.

    stopwatch.py sync|- OUTPUT PROGRAM ARGUMENT… [ '|' PROGRAM ARGUMENT… ]…

OUTPUT receives the standard output of the last program. With `sync` the time ends
after everything written is on the disk.
"""

import os
import sys
import time


def stages_of(words: list[str]) -> list[list[str]]:
    """Split the words of a pipeline at its `|`."""
    stages: list[list[str]] = [[]]
    for word in words:
        if word == "|":
            stages.append([])
        else:
            stages[-1].append(word)
    return stages


def start(stages: list[list[str]], output: int) -> list[int]:
    """Start every stage, each reading what the one before it writes."""
    pids = []
    source = os.open(os.devnull, os.O_RDONLY)
    for number, stage in enumerate(stages):
        last = number == len(stages) - 1
        following, sink = (-1, output) if last else os.pipe()
        moves = [(os.POSIX_SPAWN_DUP2, source, 0), (os.POSIX_SPAWN_DUP2, sink, 1)]
        pids.append(os.posix_spawnp(stage[0], stage, os.environ, file_actions=moves))
        os.close(source)
        os.close(sink)
        source = following
    return pids


def main(arguments: list[str]) -> int:
    """Run the pipeline; print wall seconds, CPU seconds, the peaks' sum in bytes."""
    wants_sync = arguments[0] == "sync"
    output = os.open(arguments[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    stages = stages_of(arguments[2:])
    begin = time.perf_counter()
    ends = [os.wait4(pid, 0) for pid in start(stages, output)]
    if wants_sync:
        os.sync()
    wall = time.perf_counter() - begin
    cpu = sum(usage.ru_utime + usage.ru_stime for _, _, usage in ends)
    peak = sum(usage.ru_maxrss * 1024 for _, _, usage in ends)
    failed = 0
    for stage, (_, status, _) in zip(stages, ends, strict=True):
        if status != 0:
            failed = 1
            sys.stderr.write(f"{stage[0]}: wait status {status}\n")
    sys.stdout.write(f"{wall} {cpu} {peak}\n")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

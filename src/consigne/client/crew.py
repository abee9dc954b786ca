"""A few threads at one kind of job: the first failure stops them all.

The caller's thread stays free: it ticks (progress, flushes) and hears Ctrl-C. What
is slow here (AES, sockets, files) happens outside the GIL.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TICK: Final = 0.1
LINGER: Final = 2.0
Job = TypeVar("Job")
WorkerJob = TypeVar("WorkerJob", contravariant=True)  # noqa: PLC0105 - a worker only takes jobs


class Worker(Protocol[WorkerJob]):
    """One thread's tools: buffers, open files."""

    def work(self, job: WorkerJob) -> None:
        """Do one job, or raise."""

    def close(self) -> None:
        """Put the tools away."""


class Crew(Generic[Job]):
    """Runs `jobs` on `size` workers; `tick` is called ten times a second meanwhile."""

    def __init__(self, size: int, make_worker: Callable[[], Worker[Job]], tick: Callable[[], None]) -> None:
        self._size = size
        self._make_worker = make_worker
        self._tick = tick
        self._queue_lock = threading.Lock()  # taking a job may wait for standard input
        self._failure_lock = threading.Lock()
        self._done = threading.Semaphore(0)
        self._failure: BaseException | None = None
        self._stopped = False

    def stopped(self) -> bool:
        """Whether waiting for anything is pointless by now."""
        return self._stopped

    def run(self, jobs: Iterable[Job]) -> None:
        """Return when all jobs are done; raise the first failure, or the caller's interrupt."""
        queue = iter(jobs)

        def next_job() -> Job | None:
            with self._queue_lock:
                return None if self._stopped else next(queue, None)

        threads = [
            threading.Thread(target=self._work, args=(next_job,), daemon=True) for _ in range(self._size)
        ]
        for thread in threads:
            thread.start()
        try:
            self._wait_for(len(threads))
        finally:
            self._stopped = True
            deadline = time.monotonic() + LINGER
            for thread in threads:
                thread.join(max(0.0, deadline - time.monotonic()))
        if self._failure is not None:
            raise self._failure

    def _wait_for(self, threads: int) -> None:
        while threads:
            if self._done.acquire(timeout=TICK):
                threads -= 1
            self._tick()

    def _work(self, next_job: Callable[[], Job | None]) -> None:
        try:
            worker = self._make_worker()
            try:
                while (job := next_job()) is not None:
                    worker.work(job)
            finally:
                worker.close()
        except BaseException as failure:  # noqa: BLE001 - raised again in the caller's thread
            with self._failure_lock:
                self._failure = self._failure or failure
                self._stopped = True
        finally:
            self._done.release()

"""A process that lives a host's life again and again: it forks, and the child is stopped at an instant.

Started with the recorder loaded. Reads a plan in JSON from each line of its standard
input, and answers with how the child ended: 0, or minus the signal. A child either
tells the story until it is killed, or takes it up on what another left. Forking saves
the start of an interpreter for each of some thousand lives.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
import traceback
from contextlib import closing
from pathlib import Path
from typing import Any

from consigne.protocol import DAY
from tests.crashes.recording import Recorder
from tests.crashes.story import Story, living
from tests.server.lodging import Clock

KEPT = {"lock", "catalog.db.lock", "store/lock", "catalog.db", "catalog.db.reserve", "store/identity"}
BACKUP = "catalog.db.before-0002"  # for some days


async def tell(recorder: Recorder, root: Path, now: float, told: dict[str, Any]) -> None:
    """A host that is begun, and everything that was not told yet."""
    clock = Clock(now)
    async with living(root, clock) as service:
        await Story(service, clock, told).tell(recorder.tell)


async def take_up(root: Path, now: float, told: dict[str, Any], *, upgraded: bool) -> None:
    """A new host on what is left: all that was told is so, the story comes to its end, nothing is left."""
    clock = Clock(now + (3 * DAY if "days" in told else 0))
    async with living(root, clock) as service:
        assert_one_whole_copy(root / "data", upgraded=upgraded)
        story = Story(service, clock, told)
        await story.check()
        await story.tell(lambda *_: None)
        await story.check()
        clock.pass_days(3)
        await service.sweep()
        assert [name async for name in service.store.names()] == []
        assert await service.read(lambda tx: list(tx.rows("SELECT id FROM objects"))) == []


def assert_one_whole_copy(data: Path, *, upgraded: bool) -> None:
    """Of the catalog before an upgrade, and no half of one."""
    copies = {path.name for path in data.glob("catalog.db.before*")}
    assert copies == ({BACKUP} if upgraded else set())
    if upgraded:
        with closing(sqlite3.connect(data / BACKUP)) as backup:
            assert backup.execute("SELECT version FROM applied").fetchall() == [(1,)]
            assert backup.execute("SELECT COUNT(*) FROM objects").fetchone() == (4,)


def assert_nothing_is_left(data: Path) -> None:
    assert {str(path.relative_to(data)) for path in data.rglob("*") if path.is_file()} == KEPT


def child(plan: dict[str, Any]) -> None:
    """One life. Never returns."""
    root, log, now, told = Path(plan["root"]), plan["log"], plan["now"], plan["told"]
    try:
        recorder = Recorder.begin(root, log, plan["calls"], torn=plan["torn"])
        if plan["take_up"]:
            asyncio.run(take_up(root, now, told, upgraded=plan["upgraded"]))
            assert_nothing_is_left(root / "data")
        else:
            asyncio.run(tell(recorder, root, now, told))
    except BaseException:  # noqa: BLE001  whatever it is ends this process, and is shown
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def main() -> None:
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            child(json.loads(line))
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201  the answer


if __name__ == "__main__":
    main()

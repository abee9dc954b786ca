"""What a host did to its disk, call by call, and what it had promised by then.

`recorder.c` stands between the host's process and the kernel and writes the log; the
host's own story adds what was acknowledged (`Told`) to the same log. Reading it back
gives the calls in their true order, and `calls` is how many instants there are at
which a host can be stopped.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

SOURCE: Final = Path(__file__).with_name("recorder.c")
HEAD: Final = struct.Struct("<cQQQII")
TOLD: Final = "T"
SYNCS: Final = "sd"
NAMES: Final = "cmur"
KINDS: Final = SYNCS + NAMES + "wta" + TOLD


class Record(NamedTuple):
    """One call that changed the disk, or something told.

    `kind` is one of `c`reate, `m`kdir, `u`nlink, `r`ename, `w`rite, `t`runcate,
    `a`llocate, `s`ync (fsync), `d`atasync and `T`old. `node` is the i-node, `folder`
    that of the folder whose entry changed, `place` an offset, a size, or for a rename
    the folder that it went to. A rename's `name` is "<from>/<to>".
    """

    kind: str
    node: int
    folder: int
    place: int
    name: str
    data: bytes


def compiled(folder: Path) -> Path:
    """The recorder, as a library to be loaded before all others."""
    if shutil.which("gcc") is None or os.uname().sysname != "Linux":
        pytest.skip("no gcc here, or no Linux: nothing can stand between the host and its disk")
    library = folder / "recorder.so"
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-Wall", "-o", library, SOURCE], check=True)
    return library


@dataclass
class Recorder:
    """The library, in the process that was started with it."""

    log: int

    @classmethod
    def begin(cls, root: Path, log: str, calls: int = -1, *, torn: bool = False) -> Recorder:
        """Record what changes under `root`; end the process when `calls` calls have been made.

        With `torn` the call that is cut off does half of its work, if it is a write.
        """
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o600)
        ctypes.CDLL(os.environ["LD_PRELOAD"]).record_under(
            os.fsencode(root), file, ctypes.c_long(calls), torn
        )
        return cls(file)

    def tell(self, what: str, value: object) -> None:
        """Somebody was told that this is done."""
        name, data = what.encode(), json.dumps(value).encode()
        os.write(self.log, HEAD.pack(TOLD.encode(), 0, 0, 0, len(name), len(data)) + name + data)


def read(log: Path) -> Iterator[Record]:
    """The records of a log, in order; one that was cut off at the end is left out."""
    data = memoryview(log.read_bytes())
    at = 0
    while at + HEAD.size <= len(data):
        kind, node, folder, place, named, size = HEAD.unpack_from(data, at)
        start = at + HEAD.size + named
        name = bytes(data[at + HEAD.size : start]).decode()
        at = start + size
        yield Record(kind.decode(), node, folder, place, name, bytes(data[start:at]))


def told(records: list[Record]) -> dict[str, Any]:
    """What was acknowledged, and with what value."""
    return {record.name: json.loads(record.data) for record in records if record.kind == TOLD}


def calls(records: list[Record]) -> int:
    """How many calls changed the disk."""
    return sum(record.kind != TOLD for record in records)

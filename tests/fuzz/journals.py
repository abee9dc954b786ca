"""Journals that were damaged, or never ours: a fresh start, or what was whole of them; never a crash.

`sound`: the rest is made a journal whose checksums are right, whatever it says. So what
only a forger, a fault of ours or another version could have written is read too.
"""

from __future__ import annotations

import hashlib
import json
import os

from consigne.client.getting import flushed_segments
from consigne.client.journal import Journal, _check, secrets_of
from consigne.client.registering import Plan, PutOptions
from consigne.client.sending import PartJournal
from consigne.errors import LocalError
from consigne.format.content import Layout
from consigne.format.keys import Owner
from tests.fuzz import scratch
from tests.fuzz.target import Target

SOUND = b"sound "
PLAN = Plan(
    Owner(b"o" * 32),
    Plan.fresh(PutOptions()).reader,
    PutOptions(),
    b"l" * 32,
    b"m" * 32,
)
LAYOUT = Layout(10_000_000)
HEAD = {**PLAN.head(), "fingerprint": hashlib.sha256(b"").hexdigest()}
RECORDS = [bytes([0, 0, 0, part]) + bytes([part]) * 16 for part in range(3)]


def check(data: bytes) -> None:
    with scratch.at_home("journals"):
        written = _sound(data[len(SOUND) :]) if data.startswith(SOUND) else data
        path = _write(written)
        with Journal.open("x") as journal:
            head, records = journal.head, list(journal.records)
            assert head is None or isinstance(head, dict)
            _assert_whole(written, head, records)
            _go_on(journal)
            if journal.head is not None:
                journal.append(b"more")
        if head is None:
            assert not path.exists()
            return
        with Journal.open("x") as journal:
            assert journal.head is None or (journal.head, journal.records) == (head, [*records, b"more"])
            journal.discard()


def _assert_whole(written: bytes, head: object, records: list[bytes]) -> None:
    """Nothing is believed that does not stand there with its checksum."""
    if head is not None:
        line = written[8 : written.index(b"\n", 8) + 1]
        assert hashlib.sha256(line).digest()[:8] == written[:8]
    for record in records:
        assert hashlib.sha256(record).digest()[:8] + record in written


def _go_on(journal: Journal) -> None:
    """As a put would that finds it."""
    _go_on_getting(journal)
    plan = Plan.remembered(journal.head or {}, PutOptions())
    if plan is None:
        return
    assert len(plan.owner.secret) == len(plan.link_salt_secret) == len(plan.owner_salt_secret) == 32
    plan.is_of(journal.head or {})
    tags = PartJournal(journal)
    for part in tags.parts:
        try:
            tags.commit(part, b"other tags")
        except LocalError as error:
            assert error.code == "file-changed"
            return


def _go_on_getting(journal: Journal) -> None:
    secrets_of(journal.head or {}, "ticket")
    assert flushed_segments(LAYOUT, journal.records).count <= LAYOUT.segments


def _write(data: bytes) -> os.PathLike[str]:
    with Journal.open("x") as journal:
        path = journal._path
    path.write_bytes(data)
    return path


def _sound(data: bytes) -> bytes:
    head, *records = data.split(b"\n")
    line = head + b"\n"
    return (
        _check(line) + line + b"".join(len(each).to_bytes(4, "big") + _check(each) + each for each in records)
    )


def seeds() -> list[bytes]:
    head = json.dumps(HEAD).encode()
    whole = _sound(b"\n".join([head, *RECORDS]))
    return [
        whole,
        whole[:-1],
        whole[:-1] + b"\xff",
        SOUND + b"\n".join([head, *RECORDS]),
        SOUND + b"\n".join([head, b"\0\0"]),
        SOUND + b"[]",
        SOUND + b"{}\n" + RECORDS[0],
        SOUND + b'{"ticket":"x"}\n' + b"\0\0\0\1\0\0\0\2",
        SOUND + head + b"\n" + b"\0\0\0\1\0\0\0\2\n\0\0\0\0\xff\xff\xff\xff",
        SOUND + head + b"\n" + b"\0\0\0\0\0\0\0\x28",
    ]


WORDS = (SOUND, b"{}", b"null", b'"owner":', b"\n", b"\0\0\0\1", b"\xff\xff\xff\xff", b"[" * 500)
TARGET = Target("journals", check, seeds, words=WORDS, examples=200)

"""Attack 40, on this machine's own files: journals and receipts that were damaged or forged.

A put and a get are interrupted for real; then their journals meet every kind of damage, and
the same command is given again. It starts over or goes on, and never sends two contents for
one part of one object: one key and nonce would have met two plaintexts.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consigne import Client
from consigne.client.journal import _check
from consigne.client.progress import Progress
from consigne.protocol import MIB
from tests.e2e.test_kills import assert_one_content_each
from tests.hosts import Running, host_in_thread
from tests.processes import User
from tests.proxy import Proxy
from tests.soak import SEED

Damage = Callable[[bytes, random.Random], bytes]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Running]:
    with host_in_thread(tmp_path / "host") as running:
        yield running


@pytest.fixture(autouse=True)
def journals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path / "consigne/journals"


class EnoughError(Exception):
    """The user goes away in the middle."""


def go_away_after(share: float) -> Callable[[Progress], None]:
    def look(progress: Progress) -> None:
        if progress.total and progress.done > share * progress.total:
            raise EnoughError

    return look


def head_is(line: bytes) -> Damage:
    """Another head, and a checksum that fits it."""

    def damage(data: bytes, _: random.Random) -> bytes:
        records = data[data.index(b"\n", 8) + 1 :]
        return _check(line + b"\n") + line + b"\n" + records

    return damage


def record_is(record: bytes) -> Damage:
    """One record more, which nothing of ours would write."""
    return lambda data, _: data + len(record).to_bytes(4, "big") + _check(record) + record


def flipped(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


DAMAGES: dict[str, Damage] = {
    "as it was": lambda data, _: data,
    "cut": lambda data, chance: data[: chance.randrange(len(data))],
    "a bit flipped": flipped,
    "another bit flipped": flipped,
    "zeros at its end, as after a crash": lambda data, _: data[: len(data) // 2].ljust(len(data), b"\0"),
    "nothing": lambda _data, _: b"",
    "noise": lambda _data, chance: chance.randbytes(3000),
    "a list for a head": head_is(b"[]"),
    "a head without secrets": head_is(b"{}"),
    "a head with other secrets": head_is(
        b'{"owner": 1, "link_salt_secret": [], "owner_salt_secret": "x", "ticket": null}'
    ),
    "a head of great depth": head_is(b'{"owner": ' + b"[" * 100_000),
    "a short record": record_is(b"\0\0"),
    "a run of four thousand million segments": record_is(b"\0\0\0\0\xff\xff\xff\xff"),
    "a run that ends before it begins": record_is(b"\0\0\0\5\0\0\0\1"),
}


@pytest.mark.slow
def test_attack_40_a_damaged_journal_of_a_put(tmp_path: Path, host: Running, journals: Path) -> None:
    chance = random.Random(SEED)
    source = tmp_path / "file.bin"
    source.write_bytes(chance.randbytes(9 * MIB))
    with Proxy(host.port) as proxy, Client(proxy.url) as client:
        with pytest.raises(EnoughError):
            client.put([source], on_progress=go_away_after(0.3))
        (journal,) = journals.iterdir()
        left = journal.read_bytes()
        assert proxy.parts()
        for what, damage in DAMAGES.items():
            journal.write_bytes(damage(left, chance))
            link = client.put([source], receipt=False).link
            assert_one_content_each(proxy.parts())
            with client.open(link) as file:
                assert file.read(100) == source.read_bytes()[:100], what
            assert not list(journals.iterdir()), what


@pytest.mark.slow
def test_attack_40_a_damaged_journal_of_a_get(tmp_path: Path, host: Running, journals: Path) -> None:
    chance = random.Random(SEED)
    source, into = tmp_path / "file.bin", tmp_path / "got"
    source.write_bytes(chance.randbytes(9 * MIB))
    into.mkdir()
    with Client(host.url) as client:
        link = client.put([source], receipt=False).link
        for what, damage in DAMAGES.items():
            with pytest.raises(EnoughError):
                client.get(link, into, on_progress=go_away_after(0.3))
            (journal,) = journals.iterdir()
            journal.write_bytes(damage(journal.read_bytes(), chance))
            client.get(link, into)
            assert (into / "file.bin").read_bytes() == source.read_bytes(), what
            assert [path.name for path in into.iterdir()] == ["file.bin"], what
            assert not list(journals.iterdir()), what
            (into / "file.bin").unlink()


def test_attack_40_damaged_receipts(tmp_path: Path) -> None:
    """`mine` lists what is whole, in words and in JSON, and lets the rest lie."""
    user = User(tmp_path / "home", "http://127.0.0.1:9")
    folder = tmp_path / "home/.local/share/consigne/receipts"
    folder.mkdir(parents=True)
    good = {"names": ["a"], "files": 1, "bytes": 5, "expires": "2026-12-01T00:00:00Z"}
    good |= {"link": "http://a/d#x", "manage": "http://a/m#y"}
    wrong = [{**good, name: value} for name in good for value in (None, [1], {}, 1e300, -1, "\x1b[2J")]
    texts = [*map(json.dumps, wrong), "[" * 100_000, "null", "", "[]", '{"link": NaN}', "\ud800"]
    for number, text in enumerate(texts):
        (folder / f"{number}.json").write_text(text, errors="surrogatepass")
    (folder / "good.json").write_text(json.dumps(good))
    (folder / "folder.json").mkdir()
    assert len(json.loads(user.must("mine", "--json"))["puts"]) == 1
    shown = user.must("mine")
    assert shown.count("manage:") == 1
    assert "\x1b" not in shown
    user.must("mine", "--forget-expired")

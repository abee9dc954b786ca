"""Attack 43: kills, copies and restored backups make no key and nonce meet two plaintexts.

Every body that a put sends goes through a recording proxy, complete or not, and is compared
with every other that was sent for the same part of the same object. What a get ends with is
compared with what was put: never a mixed file. Kills at random instants are in
tests/e2e/test_kills.py; here are those that a chance would seldom hit.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consigne.client.getting import _moving
from consigne.client.journal import CHECK_SIZE, _check, _records
from consigne.client.source import collect
from consigne.protocol import MIB
from tests.attacks.hostile import SEED, asked_range, is_content
from tests.attacks.test_attack_hostile_host import lying
from tests.e2e.test_kills import assert_nothing_acknowledged_is_sent_again, assert_one_content_each
from tests.processes import Host, User
from tests.proxy import Exchange, Fault, Proxy

pytestmark = pytest.mark.slow

PART = 8 * MIB


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file of five parts."""
    file = tmp_path / "file.bin"
    file.write_bytes(random.Random(SEED).randbytes(36 * MIB))
    return file


@pytest.fixture
def proxy(host: Host) -> Iterator[Proxy]:
    with Proxy(host.port) as running:
        yield running


@pytest.fixture
def giver(tmp_path: Path, proxy: Proxy) -> User:
    return User(tmp_path / "giver", proxy.url)


def journals(user: User) -> Path:
    return user.home / ".local/state/consigne/journals"


def change(file: Path) -> None:
    """Another content of the same length, the times set back as far as a user can."""
    before = file.stat()
    file.write_bytes(random.Random(SEED + 1).randbytes(before.st_size))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def pretend_unchanged(user: User, file: Path) -> None:
    """As on a file system that tells nothing of the change: the journal has the new file's fingerprint."""
    (journal,) = journals(user).iterdir()
    data = journal.read_bytes()
    records = data.index(b"\n", CHECK_SIZE) + 1
    value = json.loads(data[CHECK_SIZE:records])
    assert value["fingerprint"] != collect([file]).fingerprint(), "the change was noticed"
    line = json.dumps({**value, "fingerprint": collect([file]).fingerprint()}).encode() + b"\n"
    journal.write_bytes(_check(line) + line + data[records:])


def parts_written_down(user: User) -> set[int]:
    """The parts whose tags the journal has: how many that are when a put is killed is chance."""
    (journal,) = journals(user).iterdir()
    data = journal.read_bytes()
    return {
        int.from_bytes(record[:4], "big") for record, _ in _records(data, data.index(b"\n", CHECK_SIZE) + 1)
    }


def killed_when(proxy: Proxy, user: User, file: Path, wanted: Callable[[], bool]) -> None:
    """Start a put and kill it as soon as that is so."""
    process = user.start("put", str(file))
    deadline = time.monotonic() + 60
    while not wanted():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    proxy.break_connections()


def between_journal_and_send(proxy: Proxy) -> Callable[[], bool]:
    """Parts from 2 on are announced, and held back: their tags are written, their bytes hardly begun."""
    announced = threading.Event()

    def plan(_: int, exchange: Exchange) -> Fault | None:
        if exchange.part is None or exchange.part[1] < 2:
            return None
        announced.set()
        return Fault(cut_request=1)

    proxy.plan = plan
    return lambda: announced.is_set() and bool(acknowledged(proxy))


def honest(proxy: Proxy) -> None:
    proxy.plan = lambda *_: None


def objects(proxy: Proxy) -> set[str]:
    return {exchange.part[0] for exchange in proxy.parts() if exchange.part}


def acknowledged(proxy: Proxy) -> set[tuple[str, int] | None]:
    return {exchange.part for exchange in proxy.parts() if exchange.acknowledged}


def restore_first_record(user: User) -> None:
    """The journal as a backup has it that was made when one part was written down."""
    (journal,) = journals(user).iterdir()
    data = journal.read_bytes()
    records = data.index(b"\n", CHECK_SIZE) + 1
    size = int.from_bytes(data[records : records + 4], "big")
    journal.write_bytes(data[: records + 4 + CHECK_SIZE + size])


def ends_well(proxy: Proxy, user: User, file: Path, tmp_path: Path) -> None:
    """The same put again: complete, equal, and never two contents for one part."""
    honest(proxy)
    link = user.must("put", str(file))
    assert_one_content_each(proxy.parts())
    assert_nothing_acknowledged_is_sent_again(proxy.parts())
    user.must("get", link, "-o", str(tmp_path / "got"))
    assert (tmp_path / "got" / file.name).read_bytes() == file.read_bytes()


def test_attack_43_killed_between_journal_and_send(
    tmp_path: Path, proxy: Proxy, giver: User, source: Path
) -> None:
    killed_when(proxy, giver, source, between_journal_and_send(proxy))
    ends_well(proxy, giver, source, tmp_path)
    assert len(objects(proxy)) == 1, "it was gone on with"


def test_attack_43_a_change_that_nothing_tells_of_but_the_tags(
    proxy: Proxy, giver: User, source: Path
) -> None:
    """The second lock behind the first: no byte goes out before its tag was compared."""
    killed_when(proxy, giver, source, between_journal_and_send(proxy))
    written_down = parts_written_down(giver)
    change(source)
    pretend_unchanged(giver, source)
    before = len(proxy.parts())
    honest(proxy)
    done = giver.run("put", str(source), "--json")
    assert (done.returncode, json.loads(done.stderr.splitlines()[-1])["error"]["code"]) == (7, "file-changed")
    assert_one_content_each(proxy.parts())
    assert written_down & {2, 3, 4}, "something was announced"
    assert not written_down & {e.part[1] for e in proxy.parts()[before:] if e.part}
    assert not any(exchange.path.endswith("/complete") for exchange in proxy.exchanges)
    giver.must("put", str(source))
    assert_one_content_each(proxy.parts())
    assert len(objects(proxy)) == 2


@pytest.mark.parametrize("changed", ["not", "as everybody sees", "as nobody sees"])
def test_attack_43_a_journal_restored_from_a_backup(
    tmp_path: Path, proxy: Proxy, giver: User, source: Path, changed: str
) -> None:
    """It lacks parts that the host has: whatever the file is by now, the old key is not used again."""
    held_back = between_journal_and_send(proxy)
    killed_when(proxy, giver, source, lambda: held_back() and len(acknowledged(proxy)) == 2)
    restore_first_record(giver)
    if changed != "not":
        change(source)
    if changed == "as nobody sees":
        pretend_unchanged(giver, source)
    ends_well(proxy, giver, source, tmp_path)
    assert len(objects(proxy)) == 2


@pytest.mark.parametrize("changed", [False, True])
def test_attack_43_a_journal_restored_after_its_put_was_complete(
    tmp_path: Path, proxy: Proxy, giver: User, source: Path, *, changed: bool
) -> None:
    killed_when(proxy, giver, source, between_journal_and_send(proxy))
    shutil.copytree(journals(giver), tmp_path / "backup")
    honest(proxy)
    giver.must("put", str(source))
    shutil.rmtree(journals(giver))
    shutil.copytree(tmp_path / "backup", journals(giver))
    if changed:
        change(source)
        pretend_unchanged(giver, source)
        done = giver.run("put", str(source))
        assert done.returncode in (0, 7), done.stderr
        assert_one_content_each(proxy.parts())
    ends_well(proxy, giver, source, tmp_path)


def test_attack_43_a_host_restored_from_a_backup(
    tmp_path: Path, host: Host, proxy: Proxy, giver: User, source: Path
) -> None:
    """It has forgotten the object and asks for all of it again: equal bytes, or another key."""
    killed_when(proxy, giver, source, between_journal_and_send(proxy))
    for changed in (False, True):
        host.stop()
        subprocess.run(["rm", "-rf", host.data], check=True)
        host.start()
        if changed:
            change(source)
        killed_when(proxy, giver, source, between_journal_and_send(proxy))
        assert_one_content_each(proxy.parts())
    honest(proxy)
    link = giver.must("put", str(source))
    assert_one_content_each(proxy.parts())
    assert len(objects(proxy)) == 2
    giver.must("get", link, "-o", str(tmp_path / "got"))
    assert (tmp_path / "got/file.bin").read_bytes() == source.read_bytes()


def test_attack_43_many_commands_at_once_on_one_journal(
    tmp_path: Path, proxy: Proxy, giver: User, source: Path
) -> None:
    """One holds it, the others are told so; then another is killed, and again many go on at once."""
    chance = random.Random(SEED)
    for _ in range(3):
        putting = []
        for _ in range(4):
            putting.append(giver.start("put", str(source), "--json"))
            time.sleep(chance.uniform(0, 0.2))
        putting[chance.randrange(4)].send_signal(signal.SIGKILL)
        for process in putting:
            _, err = process.communicate(timeout=100)
            assert process.returncode in (0, -signal.SIGKILL, 7), err
            assert process.returncode != 7 or "journal-busy" in err
        assert_one_content_each(proxy.parts())
        assert_nothing_acknowledged_is_sent_again(proxy.parts())
    ends_well(proxy, giver, source, tmp_path)


def test_attack_43_a_machine_that_was_copied(tmp_path: Path, proxy: Proxy, giver: User, source: Path) -> None:
    """Two go on with one journal at the same time, and no lock is between them: they send the same."""
    killed_when(proxy, giver, source, between_journal_and_send(proxy))
    shutil.copytree(giver.home, tmp_path / "copy")
    honest(proxy)
    both = [who.start("put", str(source), "--json") for who in (giver, User(tmp_path / "copy", proxy.url))]
    for process in both:
        _, err = process.communicate(timeout=100)
        assert process.returncode in (0, 6), err
    link = giver.must("put", str(source))
    assert_one_content_each(proxy.parts())
    giver.must("get", link, "-o", str(tmp_path / "got"))
    assert (tmp_path / "got/file.bin").read_bytes() == source.read_bytes()


LIES: dict[str, dict[str, object]] = {
    "another part size": {"part_size": 16 * MIB},
    "another length": {"length": 36 * MIB},
    "another object": {"id": "A" * 43},
    "parts out of order": {"parts": [[1, 1], [0, 0]]},
    "parts that are no numbers": {"parts": [[0, 1.0]]},
}


@pytest.mark.parametrize("lie", LIES)
def test_attack_43_a_host_that_lies_to_who_goes_on(proxy: Proxy, giver: User, source: Path, lie: str) -> None:
    """Tags are kept by part number: whoever chose the parts' size would choose what a number means."""
    killed_when(proxy, giver, source, between_journal_and_send(proxy))
    before = len(proxy.parts())
    proxy.plan = lying(lambda e: e.method in ("GET", "POST") and "/links/" not in e.path, **LIES[lie])
    done = giver.run("put", str(source), "--json")
    assert (done.returncode, json.loads(done.stderr.splitlines()[-1])["error"]["code"]) == (6, "host-broken")
    assert len(proxy.parts()) == before, "nothing was sent"


# ---------------------------------------------------------------- get


def served_up_to(stop: int) -> Callable[[int, Exchange], Fault | None]:
    """Content from there on never comes."""

    def plan(_: int, exchange: Exchange) -> Fault | None:
        if not is_content(exchange):
            return None
        start = asked_range(exchange)[0]
        return Fault(cut_answer=stop - start) if start < stop else Fault(instead=b"")

    return plan


@pytest.mark.parametrize("moving", [False, True])
def test_attack_43_the_journal_of_a_get_restored_from_a_backup(
    tmp_path: Path, proxy: Proxy, giver: User, source: Path, *, moving: bool
) -> None:
    """It says what is in a partial folder; but that one is gone, and this is another, with hardly anything.

    The file has its full length from its first byte on, so that nothing but the folder's own
    name tells the two apart. `moving`: the journal even says that all of it is there.
    """
    link = giver.must("put", str(source))
    taker = User(tmp_path / "taker", proxy.url)
    words = ("get", link, "-o", str(tmp_path / "got"))
    proxy.plan = served_up_to(24 * MIB)
    assert taker.run(*words, CONSIGNE_PATIENCE="0.4").returncode in (5, 6)
    shutil.copytree(journals(taker), tmp_path / "backup")
    if moving:
        (journal,) = (tmp_path / "backup").iterdir()
        record = _moving()
        with journal.open("ab") as file:
            file.write(len(record).to_bytes(4, "big") + _check(record) + record)
    honest(proxy)
    taker.must(*words)
    shutil.rmtree(tmp_path / "got")
    proxy.plan = served_up_to(300_000)
    assert taker.run(*words, CONSIGNE_PATIENCE="0.4").returncode in (5, 6)
    shutil.rmtree(journals(taker))
    shutil.copytree(tmp_path / "backup", journals(taker))
    honest(proxy)
    taker.must(*words)
    assert (tmp_path / "got/file.bin").read_bytes() == source.read_bytes()
    assert os.listdir(tmp_path / "got") == ["file.bin"]


def test_attack_43_many_gets_at_once_into_one_folder(
    tmp_path: Path, proxy: Proxy, giver: User, source: Path
) -> None:
    """By one user and by another, whose journals know nothing of each other: one whole file."""
    chance = random.Random(SEED)
    link = giver.must("put", str(source))
    users = [User(tmp_path / name, proxy.url) for name in ("one", "two")]
    getting = []
    for number in range(6):
        getting.append(users[number % 2].start("get", link, "-o", str(tmp_path / "got"), "--json"))
        time.sleep(chance.uniform(0, 0.15))
    codes = set()
    for process in getting:
        _, err = process.communicate(timeout=100)
        assert process.returncode in (0, 7), err
        assert process.returncode == 0 or "journal-busy" in err or "file-exists" in err, err
        codes.add(process.returncode)
    assert 0 in codes
    assert (tmp_path / "got/file.bin").read_bytes() == source.read_bytes()
    assert os.listdir(tmp_path / "got") == ["file.bin"]

"""Put and get killed at random instants, given again, and they end equal.

`CONSIGNE_TEST_KILLS` sets how many kills each story takes (20 in `make test`, 200 in
`make soak`), `CONSIGNE_TEST_SEED` which instants. A recording proxy shows that what
the host acknowledged is never sent again, that nothing acknowledged is missing, and
that no part of an object is ever sent with two contents: one key and nonce would
have met two plaintexts.
"""

from __future__ import annotations

import filecmp
import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from consigne.protocol import MIB
from tests.processes import Host, User
from tests.proxy import Exchange, Proxy
from tests.soak import KILLS, SEED, report

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60 + 20 * KILLS)]


def bag(folder: Path, size: int) -> Path:
    """A folder with one large file, some small ones, and nothing in one place."""
    (folder / "bag/empty").mkdir(parents=True)
    (folder / "bag/large.bin").write_bytes(os.urandom(size))
    for number in range(20):
        (folder / f"bag/small-{number}.txt").write_bytes(os.urandom(number * 100))
    return folder / "bag"


def same_tree(one: Path, other: Path) -> bool:
    compared = filecmp.dircmp(one, other)
    if compared.left_only or compared.right_only or compared.funny_files:
        return False
    _, different, errors = filecmp.cmpfiles(one, other, compared.common_files, shallow=False)
    return not different and not errors and all(same_tree(one / d, other / d) for d in compared.common_dirs)


def assert_one_content_each(exchanges: list[Exchange]) -> None:
    """Bodies of one part of one object are equal as far as both go."""
    seen: dict[tuple[str, int], bytes] = {}
    for exchange in exchanges:
        assert exchange.part is not None
        before, now = seen.get(exchange.part, b""), bytes(exchange.body)
        shorter = min(len(before), len(now))
        assert before[:shorter] == now[:shorter], f"two contents for part {exchange.part[1]}"
        seen[exchange.part] = max(before, now, key=len)


def assert_nothing_acknowledged_is_sent_again(exchanges: list[Exchange]) -> None:
    acknowledged: set[tuple[str, int]] = set()
    for exchange in exchanges:
        assert exchange.part is not None
        assert exchange.part not in acknowledged, f"part {exchange.part[1]} was sent again"
        if exchange.acknowledged:
            acknowledged.add(exchange.part)


def end(process: subprocess.Popen[str], how: signal.Signals) -> None:
    process.send_signal(how)
    process.communicate()


def test_put_killed_again_and_again(tmp_path: Path, host: Host) -> None:
    chance = random.Random(SEED)
    with Proxy(host.port) as proxy:
        user = User(tmp_path / "home", proxy.url)
        kills = round_number = sent = acknowledged = 0
        while kills < KILLS:
            round_number += 1
            source = bag(tmp_path / f"source-{round_number}", 40 * MIB)
            proxy.exchanges.clear()
            link = ""
            while not link:
                process = user.start("put", str(source), "--json")
                time.sleep(chance.uniform(0.2, 0.9))
                if process.poll() is None and kills < KILLS:
                    kills += 1
                    if chance.random() < 0.5:
                        end(process, chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGINT]))
                    else:
                        host.kill()
                        time.sleep(chance.uniform(0, 0.3))
                        host.start()
                out, err = process.communicate(timeout=120)
                assert "Traceback" not in err
                link = json.loads(out)["link"] if process.returncode == 0 else ""
            assert_one_content_each(proxy.parts())
            assert_nothing_acknowledged_is_sent_again(proxy.parts())
            sent += len(proxy.parts())
            acknowledged += sum(exchange.acknowledged for exchange in proxy.parts())
            into = tmp_path / f"got-{round_number}"
            user.must("get", link, "-o", str(into))
            assert same_tree(source, into / "bag")
            subprocess.run(["rm", "-rf", into, source], check=True)
        assert kills == KILLS
        report(
            "put",
            kills=kills,
            puts=round_number,
            parts_sent=sent,
            parts_acknowledged=acknowledged,
            acknowledged_missing=0,
            acknowledged_sent_again=0,
            parts_with_two_contents=0,
            trees_different=0,
        )


def get_through_kills(
    user: User, host: Host, chance: random.Random, link: str, into: Path, source: Path, kills: int
) -> int:
    """One get, interrupted up to `kills` times, given again until it is done; how often it was."""
    interrupted = 0
    while True:
        process = user.start("get", link, "-o", str(into))
        time.sleep(chance.uniform(0.15, 0.8))
        if process.poll() is None and interrupted < kills:
            interrupted += 1
            whole = not (into / "bag").exists() or same_tree(source, into / "bag")
            assert whole, "it had its name before it was complete"
            if chance.random() < 0.5:
                process.send_signal(chance.choice([signal.SIGKILL, signal.SIGINT]))
            else:
                host.kill()
                time.sleep(chance.uniform(0, 0.3))
                host.start()
        _, err = process.communicate(timeout=120)
        assert "Traceback" not in err
        if process.returncode == 0:
            break
        if (into / "bag").exists() and not list(into.glob(".consigne*")):
            break  # it was killed after all was done
        assert process.returncode in (-signal.SIGKILL, -signal.SIGINT, 130, 6), err
    assert same_tree(source, into / "bag")
    assert sorted(path.name for path in into.iterdir()) == ["bag"]
    subprocess.run(["rm", "-rf", into], check=True)
    return interrupted


def test_get_killed_again_and_again(tmp_path: Path, host: Host) -> None:
    chance = random.Random(SEED + 1)
    user = User(tmp_path / "home", host.url)
    source = bag(tmp_path / "source", 150 * MIB)
    link = user.must("put", str(source), "--quiet")
    kills = gets = 0
    while kills < KILLS:
        gets += 1
        kills += get_through_kills(user, host, chance, link, tmp_path / "got", source, KILLS - kills)
    report("get", kills=kills, gets=gets, trees_different=0)


def test_going_on_is_the_same_download(tmp_path: Path, host: Host) -> None:
    """A link for one download survives that download's interruption, by either end."""
    chance = random.Random(SEED + 2)
    user = User(tmp_path / "home", host.url)
    source = bag(tmp_path / "source", 150 * MIB)
    kills = 0
    while kills < max(3, KILLS // 10):
        link = user.must("put", str(source), "--quiet", "--downloads", "1")
        kills += get_through_kills(user, host, chance, link, tmp_path / "got", source, 1)
        assert user.run("get", link, "-o", str(tmp_path / "again")).returncode == 3
    report("one download, interrupted", kills=kills, counted_twice=0)


def test_a_file_that_changes_between_two_tries_gets_a_new_key(tmp_path: Path, host: Host) -> None:
    source = bag(tmp_path / "source", 40 * MIB)
    large = source / "large.bin"
    with Proxy(host.port) as proxy:
        user = User(tmp_path / "home", proxy.url)
        process = user.start("put", str(source))
        while len(proxy.parts()) < 3:
            time.sleep(0.01)
        end(process, signal.SIGKILL)
        before = large.stat()
        large.write_bytes(os.urandom(40 * MIB))
        os.utime(large, ns=(before.st_atime_ns, before.st_mtime_ns))
        link = user.must("put", str(source))
        objects = {exchange.part[0] for exchange in proxy.parts() if exchange.part}
        assert len(objects) == 2
        assert_one_content_each(proxy.parts())
        user.must("get", link, "-o", str(tmp_path / "got"))
        assert same_tree(source, tmp_path / "got/bag")


def test_a_file_that_changes_while_it_is_put_is_never_complete(tmp_path: Path, host: Host) -> None:
    source = tmp_path / "growing.bin"
    source.write_bytes(os.urandom(40 * MIB))

    def touch_it(_: int, exchange: Exchange) -> None:
        if exchange.part is not None and exchange.part[1] == 2:
            with source.open("ab") as file:
                file.write(b"more")

    with Proxy(host.port, touch_it) as proxy:
        user = User(tmp_path / "home", proxy.url)
        done = user.run("put", str(source))
        assert done.returncode == 7
        assert "changed" in done.stderr
        assert not any(exchange.path.endswith("/complete") for exchange in proxy.exchanges)
        proxy.plan = lambda *_: None
        link = user.must("put", str(source))
        user.must("get", link, "-o", str(tmp_path / "got"))
        assert filecmp.cmp(source, tmp_path / "got/growing.bin", shallow=False)

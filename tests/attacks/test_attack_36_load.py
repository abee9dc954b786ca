"""Attack 36: a thousand idle connections, slow and half-open ones, and 64 clients at once, on a whole host.

A real process, watched through /proc: others are served, memory stays bounded, and when all have
gone no descriptor is left. `CONSIGNE_TEST_MINUTES` makes the mixed load as long as one likes
(fifteen in `make soak`), with kills; `CONSIGNE_TEST_RESULTS` names a folder for numbers and a picture.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import random
import resource
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles

import pytest

from consigne.protocol import DAY, MIB
from consigne.server.main import opened
from consigne.server.settings import Settings
from tests import soak
from tests.hosts import Owner, ask
from tests.load import crowd, picture
from tests.load.clients import Clients
from tests.load.crowd import Crowd
from tests.load.vitals import Pulse, Sample, descriptors, pid_of, rss, settled
from tests.processes import Host
from tests.soak import SEED

MINUTES = soak.MINUTES or 0.15
RESULTS = os.environ.get("CONSIGNE_TEST_RESULTS")
CLIENTS = 64
MOST_RSS = 400  # MiB; measured: 40 with a thousand idle, 141 in fifteen minutes of mixed load
LEFT_OPEN = 8  # descriptors that a host may have more of than when it was fresh: catalog and threads
SETTINGS = {"min_free": "0"}
if MINUTES < 1:  # else who vanishes without a word is waited for as long as on any host
    SETTINGS |= {"keep_alive": "5", "head_timeout": "5", "body_timeout": "5"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 + 120 * MINUTES)]


@pytest.fixture(autouse=True)
def many_files() -> Iterator[None]:
    """Each peer is a descriptor of this process too."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] != resource.RLIM_INFINITY and before[1] < 4096:
        pytest.skip(f"only {before[1]} open files here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], 4096), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def record(story: str, values: dict[str, object]) -> None:
    """Add a story's numbers to today's file."""
    if RESULTS:
        file = Path(RESULTS) / f"{dt.datetime.now(dt.UTC):%F}-load.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        known = json.loads(file.read_text()) if file.exists() else {}
        lines = [
            f" {json.dumps(name)}: {json.dumps(told)}" for name, told in {**known, story: values}.items()
        ]
        file.write_text("{\n" + ",\n".join(lines) + "\n}\n")  # a line for each: samples are many


def test_attack_36_a_thousand_idle_connections(tmp_path: Path) -> None:
    with Host(tmp_path / "host", dict(SETTINGS)) as host:
        pid = pid_of(host)
        Owner(host.port).put(b"x" * 5000)
        before, memory = descriptors(pid), rss(pid)
        with Crowd(host.port, [(500, crowd.idle), (500, crowd.kept)], SEED):
            began = time.monotonic()
            for number in range(20):
                owner = Owner(host.port).put(bytes([number]) * 100_000)
                assert owner.content(owner.ticket()).body == bytes([number]) * 100_000
            took = time.monotonic() - began
            crowded, files = rss(pid), descriptors(pid)
            assert files >= 1000
            assert crowded < memory + 100
        left = settled(pid, before + LEFT_OPEN, 90)
        assert left <= before + LEFT_OPEN
        record(
            "a thousand idle",
            {
                "rss_before": memory,
                "rss": crowded,
                "rss_after": rss(pid),
                "descriptors_before": before,
                "descriptors": files,
                "descriptors_after": left,
                "seconds_for_20_puts_and_gets": took,
            },
        )


def the_worst(port: int) -> list[tuple[int, object]]:
    """Some of every kind that takes a place and gives nothing, on objects of their own."""
    read, written = Owner(port).put(os.urandom(8 * MIB)), Owner(port)
    assert written.begin(MIB).status == 201
    return [
        (150, crowd.idle),
        (100, crowd.kept),
        (150, crowd.slow_head),
        (100, crowd.slow_small_body),
        (100, crowd.half_open),
        (1, crowd.slow_part(written.id, written.token, MIB)),
        (50, crowd.deaf(read.id, read.ticket())),
    ]


def test_attack_36_a_crowd_goes_and_leaves_nothing_open(tmp_path: Path) -> None:
    with Host(tmp_path / "host", {**SETTINGS, "head_timeout": "2", "body_timeout": "4"}) as host:
        pid = pid_of(host)
        Owner(host.port).put(b"x" * 5000)
        kinds, before = the_worst(host.port), descriptors(pid)
        with Crowd(host.port, kinds, SEED) as peers:
            time.sleep(5)
            assert ask(host.port, "GET", "/readyz").status == 200
            owner = Owner(host.port).put(bytes(MIB))
            assert owner.content(owner.ticket()).body == bytes(MIB)
            assert rss(pid) < MOST_RSS
            assert peers.came_again > 100, "who is slow is sent away"
        left = settled(pid, before + LEFT_OPEN, 90)
        assert left <= before + LEFT_OPEN


def kill_now_and_then(host: Host, seconds: float, chance: random.Random) -> list[float]:
    """Kill and start again, at random instants, for so long; when."""
    began, kills = time.monotonic(), []
    apart = min(60.0, seconds / 2)
    while (now := time.monotonic() - began) < seconds:
        time.sleep(min(chance.uniform(apart / 3, apart), seconds - now))
        if time.monotonic() - began < seconds:
            kills.append(time.monotonic() - began)
            host.kill()
            time.sleep(chance.uniform(0, 0.5))
            host.start()
    return kills


async def left_after_the_last_sweep(data: Path) -> tuple[int, int]:
    """Files and objects that are left when everything has long expired."""
    async with opened(Settings(data=str(data))) as service:
        service.clock = lambda: time.time() + 40 * DAY
        for _ in range(2):
            await service.sweep()
        names = [name async for name in service.store.names()]
        objects = await service.read(lambda tx: tx.row("SELECT COUNT(*) FROM objects"))
        assert objects is not None
        return len(names), int(objects[0])


def test_attack_36_mixed_load_with_kills(tmp_path: Path) -> None:
    host = Host(tmp_path / "host", dict(SETTINGS))
    with ExitStack() as stack:
        stack.enter_context(host)
        fresh = descriptors(pid_of(host))
        clients = Clients(host.port, CLIENTS, SEED, most_bytes=1 << 30)
        with Pulse(host) as pulse:
            with Crowd(host.port, the_worst(host.port), SEED) as peers:
                clients.start()
                kills = kill_now_and_then(host, 60 * MINUTES, random.Random(SEED))
                clients.stop()
            left = settled(pid_of(host), fresh + LEFT_OPEN, 90)
        assert clients.failures == []
        assert left <= fresh + LEFT_OPEN
        assert pulse.most("rss") < MOST_RSS
        found = clients.check()
        assert found["whole"] > 0
    leftovers, objects = asyncio.run(left_after_the_last_sweep(host.data))
    assert (leftovers, objects) == (0, 0)
    assert "Traceback" not in host.log.read_text()
    tell(pulse, kills, clients.counts, found, peers.came_again)


def tell(
    pulse: Pulse, kills: list[float], counts: Counter[str], found: Counter[str], came_again: int
) -> None:
    latencies = [sample.latency for sample in pulse.samples if sample.latency is not None]
    story = {
        "minutes": MINUTES,
        "seed": SEED,
        "clients": CLIENTS,
        "kills": len(kills),
        "asked": dict(counts),
        "found": dict(found),
        "acknowledged_missing": 0,
        "leftovers": 0,
        "peers_sent_away": came_again,
        "rss_most": pulse.most("rss"),
        "descriptors_most": pulse.most("descriptors"),
        "latency_median": median(latencies),
        "latency_p99": quantiles(latencies, n=100)[98],
        "columns": Sample._fields,
        "samples": [[value and round(value, 1) for value in sample] for sample in pulse.samples],
    }
    record("mixed load", story)
    if RESULTS:
        title = f"{CLIENTS} clients, {came_again} hostile connections, {len(kills)} kills"
        file = Path(RESULTS) / f"{dt.datetime.now(dt.UTC):%F}-load.svg"
        file.write_text(picture.svg(pulse.samples, kills, title))

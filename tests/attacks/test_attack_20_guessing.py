"""Attack 20: someone with a link, but without its password, guesses.

Slowed from the tenth wrong guess, locked at the hundredth, whichever way he asks and
however many ask at once; other links notice nothing. And the answers tell him nothing:
a wrong password, a wrong token, a token that is none and a link without a password
answer to the byte alike.
"""

from __future__ import annotations

import secrets
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from consigne import protocol
from consigne.format import keys
from consigne.format.link import parse_link
from tests.attacks.rights import READER, Asking, requests
from tests.hosts import Answer, Owner, Running, ask, host_in_thread
from tests.processes import Host, User
from tests.server.lodging import Clock
from tests.server.peers import Peer

DATA = secrets.token_bytes(1000)
DELAYS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600]  # seconds, then 3600 for ever
FREE, LOCK = 10, 100


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def host(tmp_path: Path, clock: Clock) -> Iterator[Running]:
    with host_in_thread(tmp_path) as running:
        assert running.service is not None
        running.service.clock = clock
        yield running


def ways_to_ask(owner: Owner) -> list[Asking]:
    """Every request that takes a read token: a guess at any of them counts."""
    return [asking for asking in requests(owner) if asking.right == READER]


def guess(owner: Owner) -> Answer:
    way = secrets.choice(ways_to_ask(owner))
    return way.by(owner.port, secrets.token_bytes(32))


def test_attack_20_guessing_is_slowed_then_locked_whichever_way(host: Running, clock: Clock) -> None:
    owner, other = Owner(host.port).put(DATA), Owner(host.port).put(DATA)
    second = Owner(host.port, owner.token, owner.commitment)  # another link to the same object
    second.share()
    for number in range(1, LOCK + 1):
        assert guess(owner).code == "token-wrong", number
        wait = 0 if number < FREE else DELAYS[min(number - FREE, len(DELAYS) - 1)]
        if wait and number < LOCK:
            slowed = guess(owner)
            assert slowed.code == "slow-down"
            assert wait <= int(slowed.headers["retry-after"]) <= wait + 1
            clock.now += wait / 2
            assert guess(owner).code == "slow-down", "half of the delay is not the delay"
            clock.now += wait / 2 + 1
    assert {guess(owner).code for _ in range(20)} == {"link-locked"}
    clock.now += protocol.DAY
    for way in ways_to_ask(owner):
        assert way.by(host.port, owner.reader).code == "link-locked", "time alone opens nothing"
    for free in (other, second):
        assert ask(host.port, "GET", protocol.link_route(free.link), free.reader).status == 200
        assert free.content(free.ticket()).body == DATA
    # The owner opens it again, and nobody else.
    lock = protocol.link_lock_route(owner.link)
    assert ask(host.port, "DELETE", lock, owner.reader).code == "token-wrong"
    assert ask(host.port, "DELETE", lock, other.token).code == "token-wrong"
    assert ask(host.port, "DELETE", lock, owner.token).status == 204
    assert owner.content(owner.ticket()).body == DATA


def test_attack_20_all_guesses_of_one_moment_are_one_after_the_other(host: Running) -> None:
    owner, other = Owner(host.port).put(DATA), Owner(host.port).put(DATA)
    with ThreadPoolExecutor(60) as crowd:
        guesses = [crowd.submit(guess, owner) for _ in range(240)]
        others = [crowd.submit(other.ticket) for _ in range(20)]
        said = Counter(each.result().code for each in guesses)
        assert all(each.result() for each in others), "nobody else is slowed"
    assert said == {"token-wrong": FREE, "slow-down": 240 - FREE}


def test_attack_20_the_right_token_during_a_delay_tells_nothing(host: Running, clock: Clock) -> None:
    owner = Owner(host.port).put(DATA)
    for _ in range(FREE):
        guess(owner)
    for way in ways_to_ask(owner):
        right, wrong = way.by(host.port, owner.reader), way.by(host.port, secrets.token_bytes(32))
        assert (right.status, right.headers, right.body) == (wrong.status, wrong.headers, wrong.body)
    clock.now += 2
    assert owner.ticket()
    # And it forgives nothing: the very next wrong one is the eleventh, not the first.
    assert guess(owner).code == "token-wrong"
    assert guess(owner).headers["retry-after"] in ("2", "3"), "two seconds, rounded up"


def raw(port_of: Running, path: str, bearer: str) -> bytes:
    """The whole answer, to the byte."""
    with Peer(port_of) as peer:
        lines = f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {bearer}\r\n\r\n"
        _, head, body = peer.send(lines.encode()).answer()
        return head + b"\r\n\r\n" + body


def test_attack_20_a_wrong_password_and_a_wrong_token_look_alike(host: Running) -> None:
    """The host cannot know which links have a password; here is that it does not let on either."""
    owner, secret = Owner(host.port), secrets.token_bytes(32)
    right, guessed = keys.reader(secret, "correct horse"), keys.reader(secret, "battery staple")
    owner.link, owner.reader = right.link_id, right.token
    owner.put(DATA)
    plain = Owner(host.port).put(DATA)
    without = keys.reader(secret, None)  # the link's own token, as if it had no password
    for end in ("", "/capsule"):
        locked, open_ = protocol.link_route(owner.link) + end, protocol.link_route(plain.link) + end
        answers = {
            raw(host, locked, protocol.b64u(guessed.token)),
            raw(host, locked, protocol.b64u(without.token)),
            raw(host, locked, protocol.b64u(secrets.token_bytes(32))),
            raw(host, locked, protocol.b64u(owner.token)),
            raw(host, locked, "x" * 43),  # not even canonical
            raw(host, open_, protocol.b64u(secrets.token_bytes(32))),
        }
        assert len(answers) == 1, "they tell apart what must not be told apart"
        assert b" 403 " in answers.pop()
        assert b" 200 " in raw(host, locked, protocol.b64u(right.token))


def test_attack_20_how_long_an_answer_takes(host: Running, record_property: pytest.RecordProperty) -> None:
    """Stated, not asserted: the same code judges every token, and compares in constant time."""
    owner = Owner(host.port).put(DATA)
    near = owner.reader[:-1] + bytes([owner.reader[-1] ^ 1])
    hash_near = protocol.token_hash(owner.reader)
    for name, token in (("near", near), ("far", bytes(32)), ("the hash", hash_near)):
        took = []
        for _ in range(40):
            began = time.perf_counter()
            assert ask(host.port, "GET", protocol.link_route(owner.link), token).code == "token-wrong"
            took.append(time.perf_counter() - began)
            assert ask(host.port, "DELETE", protocol.link_lock_route(owner.link), owner.token).status == 204
        record_property(f"microseconds, {name}", round(statistics.median(took) * 1e6))


@pytest.mark.slow
def test_attack_20_the_count_survives_the_host(tmp_path: Path) -> None:
    """Killing the host between guesses buys none; the real command is told, and unlocks."""
    (tmp_path / "file").write_bytes(DATA)
    (tmp_path / "password").write_text("correct horse\n")
    (tmp_path / "wrong").write_text("battery staple\n")
    right, wrong = (["--password-file", str(tmp_path / name)] for name in ("password", "wrong"))
    with Host(tmp_path / "server") as host:
        owner, thief = (User(tmp_path / name, host.url) for name in ("owner", "thief"))
        other = owner.must("put", str(tmp_path / "file"), "--expire", "2d")
        put = owner.must("put", str(tmp_path / "file"), "--json", *right)
        link, manage = (put.split(f'"{name}": "')[1].split('"')[0] for name in ("link", "manage"))
        route = protocol.link_route(keys.link_id(parse_link(link).fragment.secret))
        assert thief.run("get", link, "-o", str(tmp_path / "got"), *wrong).returncode == 4
        for number in range(2, FREE + 1):
            assert ask(host.port, "GET", route, secrets.token_bytes(32)).code == "token-wrong", number
            if number % 3 == 0:
                host.kill()
                host.start()
        assert ask(host.port, "GET", route, secrets.token_bytes(32)).code == "slow-down"
        thief.must("ls", other)
        owner.must("unlock", manage, link)
        thief.must("get", link, "-o", str(tmp_path / "got"), *right)
    assert (tmp_path / "got/file").read_bytes() == DATA

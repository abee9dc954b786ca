"""Attacks 21 and 22: what counts as a download, and that a limit holds to the byte.

A hundred with the one link, each with a ticket, go for the content in one moment: one
copy is served. Robots that look at every page, at the link, its capsule, the head of the
content, count nothing.
"""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from consigne import protocol
from tests.attacks.stolen import catalog_rows
from tests.hosts import CAPSULE, Owner, Running, ask, host_in_thread
from tests.processes import Host
from tests.server.peers import Peer

CROWD = 100
DATA = secrets.token_bytes(2 * protocol.MIB + 12_345)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Running]:
    with host_in_thread(tmp_path) as running:
        yield running


def left(owner: Owner) -> int | None:
    view = ask(owner.port, "GET", protocol.link_route(owner.link), owner.reader)
    assert view.status == 200, view.body
    found = view.json["downloads_left"]
    assert found is None or isinstance(found, int)
    return found


def all_at_once(owner: Owner, tickets: list[bytes], **headers: str) -> list[tuple[int, bytes]]:
    """Every ticket asks in the same moment: status and body of each answer, whole or not."""
    together = threading.Barrier(len(tickets))

    def fetch(ticket: bytes) -> tuple[int, bytes]:
        together.wait(30)
        answer = owner.content(ticket, **headers)
        return answer.status, answer.body

    with ThreadPoolExecutor(len(tickets)) as crowd:
        return list(crowd.map(fetch, tickets))


def served(answers: list[tuple[int, bytes]]) -> int:
    """Bytes of content that went out."""
    return sum(len(body) for status, body in answers if status in (200, 206))


# ---------------------------------------------------------------- 21


def test_attack_21_a_hundred_at_once_get_one_copy(host: Running) -> None:
    owner = Owner(host.port).put(DATA, downloads=1)
    with ThreadPoolExecutor(CROWD) as crowd:  # tickets before anything was served: all are given
        tickets = list(crowd.map(lambda _: owner.ticket(), range(CROWD)))
    answers = all_at_once(owner, tickets)
    assert Counter(status for status, _ in answers) == {200: 1, 410: CROWD - 1}
    assert served(answers) == len(DATA), "exactly one copy's worth of bytes"
    assert [body for status, body in answers if status == 200] == [DATA]
    assert left(owner) == 0
    refused = ask(owner.port, "POST", protocol.downloads_route(owner.link), owner.reader)
    assert (refused.status, refused.code) == (410, "downloads-used-up")


def test_attack_21_a_hundred_pieces_are_one_persons(host: Running) -> None:
    """Each asks for a hundredth: together they would have a copy without anybody having asked for one."""
    owner = Owner(host.port).put(DATA, downloads=1)
    tickets = [owner.ticket() for _ in range(CROWD)]
    together = threading.Barrier(CROWD)
    size = -(-len(DATA) // CROWD)

    def fetch(number: int) -> tuple[int, bytes]:
        together.wait(30)
        first = number * size
        answer = owner.content(tickets[number], range=f"bytes={first}-{first + size - 1}")
        return answer.status, answer.body

    with ThreadPoolExecutor(CROWD) as crowd:
        answers = list(crowd.map(fetch, range(CROWD)))
    assert Counter(status for status, _ in answers) == {206: 1, 410: CROWD - 1}
    assert served(answers) <= size


def test_attack_21_three_downloads_are_three(host: Running) -> None:
    owner = Owner(host.port).put(DATA, downloads=3)
    tickets = [owner.ticket() for _ in range(CROWD)]
    assert Counter(status for status, _ in all_at_once(owner, tickets)) == {200: 3, 410: CROWD - 3}
    assert left(owner) == 0


def break_off(owner: Owner, ticket: bytes, after: int) -> bytes:
    """Ask for all of it, and go away in the middle."""
    lines = (
        f"GET {protocol.content_route(owner.id)} HTTP/1.1\r\nHost: a\r\n"
        f"Authorization: Bearer {protocol.b64u(ticket)}\r\n\r\n"
    )
    with Peer(Running(owner.port, None, None, None)) as peer:  # type: ignore[arg-type]
        peer.send(lines.encode())
        got = b""
        while len(got) < after:
            piece = peer.socket.recv(65536)
            assert piece, "it is closed before its time"
            got += piece
    head, _, body = got.partition(b"\r\n\r\n")
    assert b" 200 " in head.split(b"\r\n")[0]
    return body


def test_attack_21_a_broken_download_goes_on_with_its_own_ticket(host: Running) -> None:
    owner = Owner(host.port).put(DATA, downloads=1)
    mine, others = owner.ticket(), [owner.ticket() for _ in range(5)]
    got = break_off(owner, mine, 700_000)
    for ticket in others:
        assert owner.content(ticket).code == "downloads-used-up"
        assert owner.content(ticket, range=f"bytes={len(got)}-").code == "downloads-used-up"
    rest = owner.content(mine, range=f"bytes={len(got)}-")
    assert (rest.status, got + rest.body) == (206, DATA)


def test_attack_21_one_ticket_is_no_subscription(host: Running) -> None:
    """The winner shares its ticket with everybody: it is served twice over and 64 MiB, then no more."""
    owner = Owner(host.port).put(DATA, downloads=1)
    ticket, budget = owner.ticket(), protocol.ticket_budget(len(DATA))
    answers: list[tuple[int, bytes]] = []
    for _ in range(3):
        answers += all_at_once(owner, [ticket] * 20)
    assert {status for status, _ in answers} == {200, 403}
    assert budget - 20 * len(DATA) < served(answers) <= budget


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before the answer", "in the middle", "after it"])
def test_attack_21_killing_the_host_gives_no_second_copy(tmp_path: Path, moment: str) -> None:
    with Host(tmp_path / "server") as host:
        owner = Owner(host.port).put(DATA, downloads=1)
        mine, others = owner.ticket(), [owner.ticket() for _ in range(10)]
        got = b""
        if moment == "in the middle":
            got = break_off(owner, mine, 300_000)
        elif moment == "after it":
            assert owner.content(mine).body == DATA
        host.kill()
        host.start()
        if moment == "before the answer":
            answers = all_at_once(owner, [mine, *others])
            assert Counter(status for status, _ in answers) == {200: 1, 410: 10}
            return
        assert {status for status, _ in all_at_once(owner, others)} == {410}
        rest = owner.content(mine, range=f"bytes={len(got)}-")
        assert (rest.status, got + rest.body) == (206, DATA)


# ---------------------------------------------------------------- 22


def looks(owner: Owner) -> list[tuple[str, str, bytes | None, dict[str, str]]]:
    """All that a preview robot, a scanner or a curious person asks for, with and without rights."""
    link, content = protocol.link_route(owner.link), protocol.content_route(owner.id)
    token, ticket = owner.reader, owner.ticket()
    pages = [("GET", "/"), ("GET", "/d"), ("GET", "/m"), ("HEAD", "/"), ("HEAD", "/d"), ("HEAD", "/m")]
    return [
        *((method, path, None, {"user_agent": "SlackBot-LinkExpanding 1.0"}) for method, path in pages),
        ("GET", "/d?utm_source=chat", None, {}),
        ("GET", "/d/" + protocol.b64u(owner.link), None, {}),
        ("GET", link, token, {}),
        ("GET", link + "/capsule", token, {}),
        ("GET", link + "/capsule", token, {"range": "bytes=0-0"}),
        ("HEAD", link, token, {}),
        ("HEAD", link + "/capsule", token, {}),
        ("OPTIONS", link + "/downloads", None, {"origin": "https://preview.example"}),
        ("OPTIONS", content, None, {}),
        ("HEAD", content, ticket, {}),
        ("HEAD", content, ticket, {"range": "bytes=0-"}),
        ("GET", content, ticket, {"range": f"bytes={len(DATA)}-"}),  # outside: not a byte goes out
        ("GET", content, None, {}),
        ("GET", content, token, {}),
        ("POST", content, ticket, {}),
    ]


def test_attack_22_looking_counts_nothing(tmp_path: Path, host: Running) -> None:
    owner = Owner(host.port).put(DATA, downloads=1)
    asked = looks(owner)
    rows = catalog_rows(tmp_path / "catalog.db")
    for _ in range(3):
        for method, path, token, headers in asked:
            answer = ask(owner.port, method, path, token, b"" if method == "POST" else None, **headers)
            assert answer.status in (200, 204, 401, 403, 404, 405, 416), (method, path)
            assert DATA[:64] not in answer.body
    assert catalog_rows(tmp_path / "catalog.db") == rows, "not a row of the catalog changed"
    assert left(owner) == 1
    assert owner.content(owner.ticket()).body == DATA
    assert left(owner) == 0
    assert ask(host.port, "GET", protocol.link_capsule_route(owner.link), owner.reader).body == CAPSULE


def test_attack_22_tickets_that_are_never_used_count_nothing(host: Running) -> None:
    owner = Owner(host.port).put(DATA, downloads=1)
    for _ in range(30):
        owner.ticket()
    assert left(owner) == 1
    assert owner.content(owner.ticket()).body == DATA

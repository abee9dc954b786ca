"""Attack 40: requests that are wrong in every way that a hand can think of, over a raw socket.

Every route of the API is asked as it should be, but for one thing: the method, the target, a
header, the right, the body, its length, where it stops. Then for two and three things at
once, by chance. Whatever it is, the answer comes, it is no 5xx, an error is a problem
document, the log has no failure in it, and the host goes on serving.
"""

from __future__ import annotations

import json
import logging
import random
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from consigne import protocol
from tests.attacks.malformed import WRONG, Request
from tests.attacks.rights import requests
from tests.hosts import Owner, Running, host_in_thread
from tests.server.test_http_wire import MALFORMED
from tests.soak import EVERY_INSTANT, SEED

TOGETHER = 100_000 if EVERY_INSTANT else 600
DATA = bytes(range(250)) * 4
PATIENCE = 10.0  # seconds without a byte that count as a hang


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("host")
    with host_in_thread(folder, head_timeout=0.5, body_timeout=0.5, keep_alive=0.5) as running:
        yield running


def good_requests(owner: Owner) -> list[Request]:
    """Every route as it should be asked, with the right that it takes; nothing that removes."""
    tokens = {"owner": owner.token, "reader": owner.reader, "ticket": owner.ticket()}
    found = [
        Request(method, path, ((b"Host", b"a"),))
        for path in (b"/", b"/d", b"/healthz", b"/readyz")
        for method in (b"GET", b"HEAD")
    ]
    found.append(Request(b"GET", protocol.SERVICE.encode(), ((b"Host", b"a"),)))
    new = json.dumps(Owner(owner.port).new(1000)).encode()
    found.append(Request(b"POST", protocol.OBJECTS.encode(), ((b"Host", b"a"),), new))
    for asking in requests(owner):
        if asking.method == "DELETE" and not asking.path.endswith("/lock"):
            continue
        body = json.dumps(asking.body).encode() if isinstance(asking.body, dict) else asking.body or b""
        assert isinstance(body, bytes)
        token = b"Bearer " + protocol.b64u(tokens[asking.right]).encode()
        headers = ((b"Host", b"a"), (b"Authorization", token))
        found.append(Request(asking.method.encode(), asking.path.encode(), headers, body))
    return found


# ---------------------------------------------------------------- what comes of it


def said(host: Running, data: bytes, *, stays: bool = False) -> bytes:
    """All that is answered until the host closes. Afterwards we send no more, unless we stay."""
    with socket.create_connection(("127.0.0.1", host.port), timeout=PATIENCE) as peer:
        with suppress(ConnectionError):
            peer.sendall(data)
            if not stays:
                peer.shutdown(socket.SHUT_WR)
        answer = bytearray()
        try:
            while piece := peer.recv(1 << 16):
                answer += piece
        except ConnectionError:  # closed over what we still had to say: what was said before counts
            return bytes(answer)
        except TimeoutError:
            pytest.fail(f"it hangs: {data[:200]!r}")
        return bytes(answer)


def all_said(host: Running, all_data: list[bytes]) -> list[bytes]:
    """What is answered to peers who stay, all of them at once."""
    with ThreadPoolExecutor(40) as crowd:
        return list(crowd.map(lambda data: said(host, data, stays=True), all_data))


def judge(answer: bytes, data: bytes) -> set[int]:
    """The statuses that were answered; each of them in order."""
    shown = (data[:300], answer[:300])
    assert b"Traceback" not in answer, shown
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", answer)]
    for status in statuses:
        assert status == 100 or 200 <= status < 500, shown
    for problem in re.findall(rb'\{"type":"about:blank".*?\}', answer):
        assert protocol.PROBLEMS[json.loads(problem)["code"]].status in statuses, shown
    return set(statuses)


@pytest.fixture
def quiet_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing failed inside, not even something that was answered well."""
    caplog.set_level(logging.DEBUG)
    yield
    assert [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING] == []


@pytest.fixture
def owner(host: Running) -> Iterator[Owner]:
    """After whatever was sent, the host serves as before."""
    found = Owner(host.port).put(DATA)
    yield found
    other = Owner(host.port).put(DATA)
    assert other.content(other.ticket()).body == DATA


def test_attack_40_each_request_is_good_before_it_is_spoilt(host: Running, owner: Owner) -> None:
    for request in good_requests(owner):
        (status,) = judge(said(host, request.wire), request.wire)
        assert status < 300 or status in (404, 409, 412), request.wire


@pytest.mark.slow
@pytest.mark.parametrize("what", WRONG)
@pytest.mark.usefixtures("quiet_log")
def test_attack_40_one_thing_is_wrong(host: Running, owner: Owner, what: str) -> None:
    seen, unsaid = set(), []
    for request in good_requests(owner):
        for spoilt in WRONG[what](request):
            statuses = judge(said(host, spoilt.wire), spoilt.wire)
            seen |= statuses
            if not statuses:
                unsaid.append(spoilt.wire)
    assert seen & {400, 401, 403, 404, 405}
    # Not answered were those that promised more and ended: whoever waits instead is told.
    for data, answer in zip(unsaid, all_said(host, unsaid), strict=True):
        assert judge(answer, data), data[:300]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("quiet_log")
def test_attack_40_many_things_are_wrong(host: Running, owner: Owner) -> None:
    chance, good = random.Random(SEED), good_requests(owner)
    for _ in range(TOGETHER):
        request = chance.choice(good)
        for what in chance.choices(list(WRONG), k=chance.randint(2, 3)):
            request = chance.choice(list(WRONG[what](request)))
        data = request.wire
        judge(said(host, data), data)


@pytest.mark.slow
@pytest.mark.usefixtures("quiet_log")
def test_attack_40_it_stops_anywhere(host: Running, owner: Owner) -> None:
    """Cut after each byte of each request, and the peer ends."""
    for request in good_requests(owner):
        data = request.wire
        for at in range(1, len(data), 3):
            statuses = judge(said(host, data[:at]), data[:at])
            assert not statuses or min(statuses) >= 400 or request.extra or at > data.find(b"\r\n\r\n")


@pytest.mark.usefixtures("quiet_log")
def test_attack_40_it_stops_and_the_peer_stays(host: Running, owner: Owner) -> None:
    """Whoever says half a request and waits is answered `too-slow`, or closed; nobody is waited for."""
    cut = []
    for request in good_requests(owner):
        data = request.wire
        cut += [data[:at] for at in (1, len(data) // 2, len(data) - 1)]
        cut.append(request.with_header(b"Content-Length", b"50").wire if not request.body else data[:-5])
    for data, answer in zip(cut, all_said(host, cut), strict=True):
        judge(answer, data)


@pytest.mark.usefixtures("quiet_log")
def test_attack_40_what_two_programs_read_in_two_ways(host: Running, owner: Owner) -> None:
    """The list of heads that the HTTP layer is tested with, before the whole host."""
    for data in MALFORMED.values():
        for spoilt in (data, data.replace(b" / ", b" " + protocol.object_route(owner.id).encode() + b" ")):
            assert judge(said(host, spoilt), spoilt) <= {400, 401, 405, 411, 413, 431}


@pytest.mark.usefixtures("quiet_log")
def test_attack_40_noise(host: Running, owner: Owner) -> None:
    chance = random.Random(SEED)
    tls = bytes.fromhex("16030100050100000103030000")
    for data in (tls, b"\x05\x01\x00", b"SSH-2.0-x\r\n", b"\0" * 70_000, b"A" * 70_000, b"\r\n" * 40_000):
        judge(said(host, data), data)
    for _ in range(200):
        data = chance.randbytes(chance.choice([1, 20, 300, 5000])) + b"\r\n\r\n"
        assert judge(said(host, data), data) <= {400, 431}
    assert owner.ticket()

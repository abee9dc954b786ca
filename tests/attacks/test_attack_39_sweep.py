"""Attack 39: days go by, the sweep never rests, and beside it people upload and download.

A whole host over a socket, with a clock on which a day takes less than two seconds. A few
people live one object after the other: with pauses of hours between two parts, in the middle of
a part, in the middle of a download; removed, expired or abandoned at the end. Two readings
of the clock, before a request and after its answer, say what may be expected of it: what
surely lives is served, whole and equal; what surely has ended is refused; on the border both
are right. In the end the sweep leaves nothing.

`CONSIGNE_TEST_MINUTES` says for how long (in `make test` some seconds), `CONSIGNE_TEST_SEED`
what everybody does.
"""

from __future__ import annotations

import http.client
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from consigne import protocol
from consigne.protocol import DAY
from consigne.server.policy import days
from consigne.server.service.sweep import LEFT_FOR
from consigne.server.settings import Settings
from consigne.server.stores import quiet
from tests.attacks.stolen import catalog_rows
from tests.hosts import CAPSULE, Answer, Owner, Running, ask, host_in_thread
from tests.soak import MINUTES, SEED, report

SECONDS = 60 * MINUTES or 8
PEOPLE = 8
HOUR = 3600
ENDED = (403, 404, 410)  # a ticket goes with its link, an object that held nothing leaves no mark
UNFINISHED_DAYS = Settings().unfinished_days

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + 60 * MINUTES)]


class Calendar:
    """The host's clock: 50,000 seconds in each. It begins long ago, so that no file is from its future."""

    PACE = 50_000

    def __init__(self) -> None:
        self._start, self._since = 5000.0 * DAY, time.monotonic()
        self.over = threading.Event()  # from then on nobody waits

    def __call__(self) -> float:
        return self._start + (time.monotonic() - self._since) * self.PACE

    def wait(self, seconds: float) -> None:
        self.over.wait(seconds / self.PACE)

    def skip(self, seconds: float) -> None:
        self._start += seconds

    def today(self) -> tuple[int, int]:
        """For the times of files, which tell the day."""
        day = days.day_of(self()) * DAY
        return day, day


class EndedError(Exception):
    """The object came to its end, as it may."""


class Life:
    """One object, and what may be expected of it when."""

    def __init__(self, port: int, calendar: Calendar, chance: random.Random, counts: Counter[str]) -> None:
        self.owner, self.calendar, self.chance, self.counts = Owner(port), calendar, chance, counts
        self.lifetime = chance.choice([6 * HOUR, DAY, 2 * DAY, 5 * DAY])
        large = chance.random() < 0.1
        self.data = chance.randbytes(protocol.PART_SIZES[0] + 4321 if large else chance.randint(1, 60_000))
        self.capsule = CAPSULE
        self.complete = False
        self.touched = self.surely_until = self.surely_over = 0.0

    def lives(self, at: float) -> bool:
        """Surely, as far as its own end goes, and the sweep of what is never completed."""
        fresh = self.complete or days.day_of(at) - days.day_of(self.touched) <= UNFINISHED_DAYS
        return at < self.surely_until and fresh

    def expect(self, ask_it: Callable[[], Answer], also_until: float = float("inf")) -> Answer:
        """An answer that is right at its time. Raises EndedError for a refusal that may be."""
        before = self.calendar()
        answer = ask_it()
        after = self.calendar()
        if answer.status in ENDED:
            assert not (self.lives(after) and after < also_until), (answer.body, "it was alive")
            self.counts["ended, told so"] += 1
            raise EndedError
        assert answer.status in (200, 201, 204, 206), answer.body
        assert before < self.surely_over, "it was served after its end"
        self.counts["answers, surely alive" if self.lives(after) else "answers on the border"] += 1
        return answer

    # ---------------------------------------------------------------- up

    def begin(self) -> None:
        length = len(self.data) if self.chance.random() < 0.7 else None
        now = self.calendar()
        assert self.owner.begin(length, self.lifetime).status == 201
        self.touched, self.surely_until = now, now + self.lifetime
        self.surely_over = days.end_of(self.calendar(), self.lifetime)
        self.part_size = protocol.part_size_for(length) or 0

    def share(self) -> None:
        link = protocol.link_route(self.owner.link)
        self.expect(lambda: ask(self.owner.port, "PUT", link, self.owner.token, self.owner.new_link()))
        sealed = lambda: ask(self.owner.port, "PUT", link + "/capsule", self.owner.token, CAPSULE)  # noqa: E731
        self.expect(sealed)

    def change_capsule(self) -> None:
        route, new = protocol.owner_capsule_route(self.owner.id), CAPSULE + self.chance.randbytes(200)
        former = ask(self.owner.port, "GET", route, self.owner.token)
        headers = {"if_match": former.headers["etag"]} if former.status == 200 else {}
        self.expect(lambda: ask(self.owner.port, "PUT", route, self.owner.token, new, **headers))
        self.pause(20)
        assert self.expect(lambda: ask(self.owner.port, "GET", route, self.owner.token)).body == new

    def upload(self) -> None:
        for start in range(0, len(self.data), self.part_size):
            self.pause(30)
            part, piece = start // self.part_size, self.data[start : start + self.part_size]
            now = self.calendar()
            send = self._send_haltingly if self.chance.random() < 0.3 else self.owner.send
            self.expect(lambda part=part, piece=piece, send=send: send(part, piece))  # type: ignore[misc]
            self.touched = now
            self.counts["parts"] += 1
        self.pause(30)
        self.expect(lambda: self.owner.complete(len(self.data)))
        self.complete = True

    def _send_haltingly(self, part: int, piece: bytes) -> Answer:
        """Half of a part, hours, then the other half."""
        path, half = protocol.part_route(self.owner.id, part), len(piece) // 2
        connection = http.client.HTTPConnection("127.0.0.1", self.owner.port, timeout=30)
        try:
            connection.putrequest("PUT", path)
            connection.putheader("Authorization", f"Bearer {protocol.b64u(self.owner.token)}")
            connection.putheader("Content-Length", str(len(piece)))
            connection.endheaders(piece[:half])
            self.pause(8)
            with suppress(ConnectionError):  # answered already, because it has ended
                connection.send(piece[half:])
            response = connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, named, response.read())
        finally:
            connection.close()

    # ---------------------------------------------------------------- down

    def look(self) -> None:
        link = protocol.link_route(self.owner.link)
        view = self.expect(lambda: ask(self.owner.port, "GET", link, self.owner.reader))
        assert view.json["complete"] == self.complete
        capsule = self.expect(lambda: ask(self.owner.port, "GET", link + "/capsule", self.owner.reader))
        assert capsule.body == CAPSULE

    def download(self) -> None:
        """In pieces, with hours between them; or all of it, with hours in the middle."""
        given = self.calendar()
        route = protocol.downloads_route(self.owner.link)
        answer = self.expect(lambda: ask(self.owner.port, "POST", route, self.owner.reader))
        ticket = protocol.unb64u(answer.json["ticket"])
        started = self.calendar()
        first = self.expect(lambda: self.owner.content(ticket, range="bytes=0-0"), given + HOUR)
        assert first.body == self.data[:1]
        if self.chance.random() < 0.5:
            self._read_pieces(ticket, started + DAY)
        else:
            self._read_haltingly(ticket, started + DAY)
        self.counts["downloads"] += 1

    def _read_pieces(self, ticket: bytes, until: float) -> None:
        got, step = b"", max(1, len(self.data) // 3)
        while len(got) < len(self.data):
            self.pause(6)
            asked = f"bytes={len(got)}-{len(got) + step}"
            got += self.expect(lambda asked=asked: self.owner.content(ticket, range=asked), until).body  # type: ignore[misc]
        assert got == self.data

    def _read_haltingly(self, ticket: bytes, until: float) -> None:
        def read() -> Answer:
            connection = http.client.HTTPConnection("127.0.0.1", self.owner.port, timeout=30)
            try:
                connection.connect()
                connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
                bearer = {"Authorization": f"Bearer {protocol.b64u(ticket)}"}
                connection.request("GET", protocol.content_route(self.owner.id), headers=bearer)
                response = connection.getresponse()
                half = response.read(len(self.data) // 2)
                self.pause(8)
                named = {name.lower(): value for name, value in response.getheaders()}
                return Answer(response.status, named, half + response.read())
            except (http.client.IncompleteRead, ConnectionError):  # cut, as what has ended is
                return Answer(410, {}, b"cut")
            finally:
                connection.close()

        answer = self.expect(read, until)
        assert answer.body == self.data

    # ---------------------------------------------------------------- end

    def pause(self, most_hours: float) -> None:
        """Most often a short one."""
        self.calendar.wait(self.chance.random() ** 4 * most_hours * HOUR)

    def end(self) -> None:
        """Removed, or waited for until it has expired: then there is nothing for anybody."""
        if self.chance.random() < 0.5:
            route = protocol.object_route(self.owner.id)
            self.expect(lambda: ask(self.owner.port, "DELETE", route, self.owner.token))
            self.counts["removed"] += 1
        else:
            self.calendar.wait(max(0.0, self.surely_over - self.calendar()) + 60)
            if self.calendar() < self.surely_over:
                return
            self.counts["expired"] += 1
        self.surely_until = self.surely_over = 0.0
        link, state = protocol.link_route(self.owner.link), protocol.object_route(self.owner.id)
        assert ask(self.owner.port, "GET", link, self.owner.reader).status == 410
        assert ask(self.owner.port, "GET", state, self.owner.token).status == 410


def live(life: Life) -> None:
    """One life, as far as it gets."""
    steps = [life.share, life.change_capsule, life.upload]
    life.begin()
    try:
        for step in steps:
            step()
            if life.chance.random() < 0.06:
                life.counts["abandoned"] += 1
                return
        for _ in range(life.chance.randint(1, 4)):
            life.pause(20)
            life.chance.choice([life.look, life.download, life.download, life.change_capsule])()
        if life.chance.random() < 0.5:
            life.end()
    except EndedError:
        return


def person(port: int, calendar: Calendar, number: int) -> tuple[list[Life], Counter[str]]:
    chance, counts = random.Random(f"{SEED} {number}"), Counter[str]()
    lives: list[Life] = []
    while not calendar.over.is_set():
        lives = [each for each in lives if each.calendar() < each.surely_over]
        lives.append(Life(port, calendar, chance, counts))
        counts["objects"] += 1
        live(lives[-1])
    return lives, counts


def sweep_without_rest(host: Running, over: threading.Event) -> int:
    sweeps = 0
    while not over.is_set():
        assert host.service is not None
        host.do(host.service.sweep())
        sweeps += 1
    return sweeps


def test_attack_39_nothing_that_lives_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calendar = Calendar()
    monkeypatch.setattr(quiet, "_today", calendar.today)
    counts: Counter[str] = Counter()
    with host_in_thread(tmp_path) as host, ThreadPoolExecutor(PEOPLE + 1) as crowd:
        assert host.service is not None
        host.service.clock = calendar
        began = calendar()
        people = [crowd.submit(person, host.port, calendar, number) for number in range(PEOPLE)]
        sweeps = crowd.submit(sweep_without_rest, host, calendar.over)
        try:
            until = time.monotonic() + SECONDS
            while time.monotonic() < until and not any(each.done() for each in (*people, sweeps)):
                time.sleep(0.05)
        finally:
            calendar.over.set()
        survivors: list[Life] = []
        for each in people:
            lives, done = each.result(60)
            survivors += lives
            counts.update(done)
        counts["sweeps"] = sweeps.result(60)
        counts["days"] = round((calendar() - began) / DAY)
        for life in survivors:
            check(life)
        calendar.skip((60 + LEFT_FOR) * DAY)
        host.do(host.service.sweep())
        assert_nothing_is_left(tmp_path)
    for what in ("answers, surely alive", "parts", "downloads", "removed", "sweeps", "days"):
        assert counts[what], (what, counts)
    report("sweep beside uploads and downloads", **{name.replace(" ", "_"): n for name, n in counts.items()})


def check(life: Life) -> None:
    """Whoever has not ended is still there, byte for byte."""
    try:
        if life.complete:
            life.download()
        else:
            state = protocol.object_route(life.owner.id)
            life.expect(lambda: ask(life.owner.port, "GET", state, life.owner.token))
    except EndedError:
        return


def assert_nothing_is_left(folder: Path) -> None:
    rows = catalog_rows(folder / "catalog.db")
    assert {table: rows[table] for table in ("objects", "links", "parts", "tickets") if rows[table]} == {}
    store = folder / "store"
    left = [path for path in store.rglob("*") if path.is_file() and path.name not in ("lock", "identity")]
    assert left == []

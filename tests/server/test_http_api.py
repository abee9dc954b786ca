"""The API over a real socket: every route, every header that protects, every problem code."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from consigne import protocol
from consigne.server.refusal import Refusal
from consigne.server.stores import StoreDamaged, StoreFull
from tests.hosts import CAPSULE, Owner, Running, app_in_thread, ask, host_in_thread, running_host

LENGTH = protocol.PART_SIZES[0] + 1000


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with host_in_thread(tmp_path_factory.mktemp("host"), max_length=10**9) as running:
        yield running


@pytest.fixture
def owner(host: Running) -> Owner:
    return Owner(host.port)


# -------------------------------------------------------------------- the way through


def test_a_whole_story(owner: Owner) -> None:
    data = secrets.token_bytes(LENGTH)
    begun = owner.begin(LENGTH)
    assert (begun.status, begun.json["part_size"]) == (201, protocol.PART_SIZES[0])
    assert owner.send(1, data[protocol.PART_SIZES[0] :]).status == 204
    assert owner.send(1, data[protocol.PART_SIZES[0] :]).status == 204
    missing = owner.complete(LENGTH)
    assert (missing.code, missing.json["missing"]) == ("parts-missing", [[0, 0]])
    assert owner.send(0, data[: protocol.PART_SIZES[0]]).status == 204
    assert owner.complete(LENGTH).json["complete"] is True
    owner.share()
    view = ask(owner.port, "GET", protocol.link_route(owner.link), owner.reader)
    assert (view.status, view.json["length"]) == (200, LENGTH)
    capsule = ask(owner.port, "GET", protocol.link_capsule_route(owner.link), owner.reader)
    assert capsule.body == CAPSULE
    ticket = owner.ticket()
    assert owner.content(ticket).body == data
    state = ask(owner.port, "GET", protocol.object_route(owner.id), owner.token).json
    assert state["parts"] == [[0, 1]]
    assert state["links"][0]["downloads"] == 1
    extended = ask(owner.port, "PATCH", protocol.object_route(owner.id), owner.token, {"expires_in": 3600})
    assert extended.status == 200
    assert ask(owner.port, "DELETE", protocol.object_route(owner.id), owner.token).status == 204
    assert owner.content(ticket).code == "gone"


def test_links_come_and_go(owner: Owner) -> None:
    owner.put(b"x" * 5000)
    again = ask(owner.port, "PUT", protocol.link_route(owner.link), owner.token, owner.new_link())
    assert again.status == 200
    other = ask(owner.port, "PUT", protocol.link_route(owner.link), owner.token, owner.new_link(9))
    assert other.code == "link-exists"
    capsule = ask(owner.port, "PUT", protocol.link_capsule_route(owner.link), owner.token, CAPSULE + b"!")
    assert capsule.code == "capsule-exists"
    assert ask(owner.port, "DELETE", protocol.link_lock_route(owner.link), owner.token).status == 204
    assert ask(owner.port, "DELETE", protocol.link_route(owner.link), owner.token).status == 204
    assert ask(owner.port, "GET", protocol.link_route(owner.link), owner.reader).code == "gone"


def test_owner_capsules_change_under_their_etag(owner: Owner) -> None:
    owner.begin(5000)
    route = protocol.owner_capsule_route(owner.id)
    assert ask(owner.port, "GET", route, owner.token).code == "not-found"
    first = ask(owner.port, "PUT", route, owner.token, CAPSULE)
    assert first.headers["etag"] == protocol.capsule_etag(CAPSULE)
    assert ask(owner.port, "PUT", route, owner.token, CAPSULE * 2).code == "capsule-changed"
    etag = first.headers["etag"]
    second = ask(owner.port, "PUT", route, owner.token, CAPSULE * 2, if_match=etag)
    assert second.status == 204
    found = ask(owner.port, "GET", route, owner.token)
    assert (found.body, found.headers["etag"]) == (CAPSULE * 2, second.headers["etag"])


def test_large_capsules_pass(owner: Owner) -> None:
    owner.begin(5000)
    large = secrets.token_bytes(5_000_000)
    route = protocol.owner_capsule_route(owner.id)
    assert ask(owner.port, "PUT", route, owner.token, large).status == 204
    assert ask(owner.port, "GET", route, owner.token).body == large


def test_service_and_openapi(host: Running) -> None:
    assert ask(host.port, "GET", protocol.SERVICE).json["max_length"] == 10**9
    assert ask(host.port, "GET", protocol.OPENAPI).json["openapi"] == "3.1.0"


# -------------------------------------------------------------------- ranges


@pytest.fixture(scope="module")
def shared(host: Running) -> tuple[Owner, bytes]:
    data = secrets.token_bytes(10_000)
    return Owner(host.port).put(data), data


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("0-0", 0, 0),
        ("5-9", 5, 9),
        ("9990-", 9990, 9999),
        ("-10", 9990, 9999),
        ("0-99999", 0, 9999),
        ("-99999", 0, 9999),
    ],
)
def test_a_range(shared: tuple[Owner, bytes], asked: str, first: int, last: int) -> None:
    owner, data = shared
    answer = owner.content(owner.ticket(), range=f"bytes={asked}", if_range=protocol.etag_of(owner.id))
    assert answer.status == 206
    assert answer.headers["content-range"] == f"bytes {first}-{last}/10000"
    assert answer.body == data[first : last + 1]


@pytest.mark.parametrize(
    "asked", ["bytes=", "bytes=-", "bytes=9-5", "bytes=1-2,5-6", "chars=1-2", "bytes=a-b", "bytes 1-2"]
)
def test_other_ranges_are_ignored(shared: tuple[Owner, bytes], asked: str) -> None:
    owner, data = shared
    answer = owner.content(owner.ticket(), range=asked)
    assert (answer.status, answer.body) == (200, data)


def test_a_range_of_something_else_is_ignored(shared: tuple[Owner, bytes]) -> None:
    owner, data = shared
    answer = owner.content(owner.ticket(), range="bytes=1-2", if_range='"another"')
    assert (answer.status, answer.body) == (200, data)


@pytest.mark.parametrize("asked", ["10000-", "-0", "99999-100000"])
def test_a_range_outside(shared: tuple[Owner, bytes], asked: str) -> None:
    owner, _ = shared
    answer = owner.content(owner.ticket(), range=f"bytes={asked}")
    assert answer.code == "range-not-satisfiable"
    assert answer.headers["content-range"] == "bytes */10000"


def test_head_tells_length_and_counts_nothing(host: Running) -> None:
    owner = Owner(host.port).put(b"x" * 5000, downloads=1)
    answer = owner.content(owner.ticket(), "HEAD")
    assert (answer.status, answer.headers["content-length"], answer.body) == (200, "5000", b"")
    assert owner.content(owner.ticket()).status == 200
    used = ask(host.port, "POST", protocol.downloads_route(owner.link), owner.reader)
    assert used.code == "downloads-used-up"


def test_reading_while_it_is_written(host: Running) -> None:
    assert host.service is not None
    host.service.wait_for_bytes = 0.1
    owner = Owner(host.port)
    assert owner.begin(None).status == 201
    owner.share()
    ticket = owner.ticket()
    assert owner.content(ticket, range="bytes=0-9").code == "not-yet"
    assert owner.content(ticket, "HEAD").status == 503
    part = protocol.UNKNOWN_LENGTH_PART_SIZE
    assert owner.send(0, b"y" * part).status == 204
    answer = owner.content(ticket, range="bytes=0-99999999")
    assert (answer.status, len(answer.body)) == (206, part)
    assert answer.headers["content-range"] == f"bytes 0-{part - 1}/*"


# -------------------------------------------------------------------- what protects


def test_ciphertext_can_only_be_bytes(shared: tuple[Owner, bytes]) -> None:  # attack 30
    owner, _ = shared
    headers = owner.content(owner.ticket()).headers
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"] == "attachment"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert headers["accept-ranges"] == "bytes"
    assert headers["etag"] == protocol.etag_of(owner.id)
    assert not {"server", "date", "set-cookie"} & set(headers)


@pytest.mark.parametrize("path", [protocol.SERVICE, f"{protocol.API}/nothing", protocol.OBJECTS, "/nothing"])
def test_any_page_may_ask_and_problems_can_be_read(host: Running, path: str) -> None:
    headers = ask(host.port, "GET", path, Origin="https://elsewhere.example").headers
    assert headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in headers
    assert headers["access-control-expose-headers"] == "Content-Range, ETag, Retry-After"
    assert headers["x-content-type-options"] == "nosniff"


def test_preflight(host: Running) -> None:
    route = protocol.content_route(bytes(32))
    asked = {"access_control_request_method": "GET", "origin": "https://elsewhere.example"}
    answer = ask(host.port, "OPTIONS", route, **asked)
    assert answer.status == 204
    assert answer.headers["access-control-allow-headers"] == (
        "Authorization, Range, If-Range, If-Match, Content-Type"
    )
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
    assert answer.headers["access-control-max-age"] == "86400"


@pytest.mark.parametrize("path", ["/", "/d", "/m"])
def test_pages_run_nothing_and_ask_nobody(host: Running, path: str) -> None:
    answer = ask(host.port, "GET", path)
    page = answer.body.decode()
    assert answer.status == 200
    assert "consigne get" in page
    assert 'lang="fr"' in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert ask(host.port, "HEAD", path).body == b""


def test_health(host: Running) -> None:
    assert ask(host.port, "GET", "/healthz").body == b"ok\n"
    assert ask(host.port, "GET", "/readyz").body == b"ready\n"


def test_base_path(tmp_path: Path) -> None:
    with host_in_thread(tmp_path, base_path="/files") as host:
        assert ask(host.port, "GET", "/files" + protocol.SERVICE).status == 200
        assert ask(host.port, "GET", "/files/d").status == 200
        assert ask(host.port, "GET", "/files/healthz").status == 200
        assert ask(host.port, "GET", protocol.SERVICE).code == "not-found"


# -------------------------------------------------------------------- every problem code


def bad_bodies() -> list[bytes]:
    new = Owner(0).new(5000)
    wrong: list[Any] = [
        {**new, "more": 1},
        {name: value for name, value in new.items() if name != "length"},
        {**new, "length": "5000"},
        {**new, "length": True},
        {**new, "length": 1.5},
        {**new, "length": -1, "id": None},
        {**new, "id": "short"},
        {**new, "id": "=" * 43},
        [],
        None,
        "text",
    ]
    texts = [json.dumps(value).encode() for value in wrong]
    return [*texts, b"", b"{", b"\xff\xfe{\0}\0", b'{"id": NaN}', b"[" * 9000, b'{"id":"\\ud800"}']


@pytest.mark.parametrize("body", bad_bodies(), ids=range(len(bad_bodies())))
def test_bad_request(host: Running, body: bytes) -> None:
    assert ask(host.port, "POST", protocol.OBJECTS, body=body).code == "bad-request"


def test_not_found(host: Running) -> None:
    unknown = bytes(32)
    odd = ("short", "A" * 42 + "B", "a" * 44, "..", "%2e%2e")
    paths = [f"{protocol.OBJECTS}/{text}" for text in odd]
    paths += [protocol.object_route(unknown), "/x", "//", "/api/v1/", "/api/v1/objects/", "*", "/d/"]
    for path in paths:
        assert ask(host.port, "GET", path, unknown).code == "not-found", path
    for path in ("/healthz%0a", f"{protocol.object_route(unknown)}%2f", f"{protocol.OBJECTS}/%00"):
        assert ask(host.port, "GET", path, unknown).code == "bad-request", path
    for part in ("-1", "01", "1000000", "x", "1.0"):
        path = f"{protocol.object_route(unknown)}/parts/{part}"
        assert ask(host.port, "PUT", path, unknown, b"x").code == "not-found", part


def test_token_missing_and_wrong(owner: Owner) -> None:
    owner.begin(5000)
    route = protocol.object_route(owner.id)
    missing = ask(owner.port, "GET", route)
    assert (missing.code, missing.headers["www-authenticate"]) == ("token-missing", "Bearer")
    assert ask(owner.port, "GET", route, secrets.token_bytes(32)).code == "token-wrong"
    good = protocol.b64u(owner.token)
    for value in (
        "",
        "Bearer",
        "Bearer x",
        f"Basic {good}",
        f"Bearer  {good}",
        f"Bearer {good}=",
        f"Bearer {good[:-1]}é",
    ):
        assert ask(owner.port, "GET", route, Authorization=value).code == "token-wrong", value
    assert ask(owner.port, "GET", route, Authorization=f"bearer {good}").status == 200


def test_problems_of_uploads(host: Running, owner: Owner) -> None:
    wrong = owner.new(5000) | {"commitment": protocol.b64u(bytes(32))}
    assert ask(host.port, "POST", protocol.OBJECTS, body=wrong).code == "id-mismatch"
    assert owner.begin(10**9 + 1).code == "limit"
    assert owner.begin(LENGTH, 10**9).code == "limit"
    assert owner.begin(LENGTH).status == 201
    assert owner.begin(LENGTH).code == "object-exists"
    assert owner.send(1, b"x").code == "length-mismatch"
    assert owner.send(2, b"x").code == "not-found"
    assert owner.send(0, b"x" * (protocol.PART_SIZES[0] + 1)).code == "too-large"
    assert owner.complete(1).code == "length-mismatch"
    done = Owner(host.port).put(b"x" * 5000)
    assert done.send(1, b"x").code == "object-complete"


def test_part_busy(host: Running, owner: Owner) -> None:
    owner.begin(50_000)
    with socket.create_connection(("127.0.0.1", host.port)) as sock:
        head = f"PUT {protocol.part_route(owner.id, 0)} HTTP/1.1\r\nHost: a\r\n"
        head += f"Authorization: Bearer {protocol.b64u(owner.token)}\r\n"
        sock.sendall(head.encode() + b"Content-Length: 50000\r\n\r\nxxx")
        time.sleep(0.3)  # until the host has taken it up
        answer = owner.send(0, b"x" * 50_000)
        assert (answer.code, answer.headers["retry-after"]) == ("part-busy", "1")
    for _ in range(100):  # the claim ends with the connection
        if owner.send(0, b"x" * 50_000).status == 204:
            return
        time.sleep(0.05)
    raise AssertionError("the claim stayed")


def test_lengths_are_bounded_before_bodies_are_read(host: Running, owner: Owner) -> None:
    owner.begin(5000)
    cases = [
        ("POST", protocol.OBJECTS, protocol.MAX_JSON + 1),
        ("PUT", protocol.part_route(owner.id, 0), protocol.PART_SIZES[-1] + 1),
        ("PUT", protocol.owner_capsule_route(owner.id), protocol.MAX_CAPSULE + 1),
        ("PUT", protocol.part_route(owner.id, 0), 10**15),
    ]
    for method, route, length in cases:
        answer = ask(host.port, method, route, owner.token, content_length=str(length))
        assert (answer.code, answer.headers["connection"]) == ("too-large", "close")
    for method, route in (("POST", protocol.OBJECTS), ("PUT", protocol.part_route(owner.id, 0))):
        body: Any = iter([b"x"])  # http.client sends it in chunks
        assert ask(host.port, method, route, owner.token, body).code == "length-required"


def test_a_body_without_any_length(host: Running) -> None:
    with socket.create_connection(("127.0.0.1", host.port)) as sock:
        sock.sendall(b"POST /api/v1/objects HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b'"length-required"' in sock.recv(65536)


def test_method_not_allowed(host: Running) -> None:
    answer = ask(host.port, "DELETE", protocol.OBJECTS)
    assert (answer.code, answer.headers["allow"]) == ("method-not-allowed", "POST, OPTIONS")
    assert ask(host.port, "POST", "/").headers["allow"] == "GET, HEAD"
    assert ask(host.port, "BREW", "/").status in (400, 405)


def test_ticket_spent(host: Running) -> None:
    owner = Owner(host.port).put(b"x" * 5000)
    assert host.service is not None
    ticket, budget = owner.ticket(), protocol.ticket_budget

    protocol.ticket_budget = lambda length: length  # type: ignore[assignment]
    try:
        assert owner.content(ticket).status == 200
        assert owner.content(ticket).code == "ticket-spent"
    finally:
        protocol.ticket_budget = budget


def test_guessing_is_slowed_then_locked(host: Running) -> None:
    owner = Owner(host.port).put(b"x" * 5000)
    route = protocol.link_route(owner.link)
    assert host.service is not None
    clock, codes = host.service.clock, []
    try:
        for number in range(130):
            host.service.clock = lambda number=number: clock() + 4000 * number  # type: ignore[misc]
            codes.append(ask(host.port, "GET", route, bytes(32)).code)
            codes.append(ask(host.port, "GET", route, bytes(32)).code)
        assert codes[0] == "token-wrong"
        assert "slow-down" in codes
        assert codes[-1] == "link-locked"
    finally:
        host.service.clock = clock


def test_too_many_downloads(host: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consigne.server.policy.rules.MAX_UNUSED_TICKETS", 1)
    owner = Owner(host.port).put(b"x" * 5000)
    owner.ticket()
    again = ask(host.port, "POST", protocol.downloads_route(owner.link), owner.reader)
    assert again.code == "too-many-downloads"


@pytest.mark.parametrize(
    ("error", "code"), [(StoreFull("x"), "storage-full"), (StoreDamaged("x"), "storage-failed")]
)
def test_a_failing_store_is_told_and_nothing_acknowledged(
    host: Running, owner: Owner, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    assert host.service is not None
    owner.begin(5000)

    async def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(host.service.store, "write_part", fails)
    assert owner.send(0, b"x" * 5000).code == code
    monkeypatch.undo()
    assert owner.send(0, b"x" * 5000).status == 204


def test_content_that_is_not_on_the_disk_is_told_before_it_begins(host: Running) -> None:
    assert host.service is not None
    owner = Owner(host.port).put(b"x" * 5000)
    host.do(host.service.store.delete_object(owner.id))
    assert owner.content(owner.ticket()).code == "storage-failed"


def test_an_unforeseen_failure_says_nothing(
    host: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails() -> None:
        raise RuntimeError("a secret, and /a/path")

    monkeypatch.setattr(host.service, "service_info", fails)
    monkeypatch.setattr("consigne.server.logs.LOG.propagate", True)
    answer = ask(host.port, "GET", protocol.SERVICE)
    assert answer.code == "internal"
    assert b"secret" not in answer.body
    assert "RuntimeError at endpoints.py:" in caplog.text
    assert "secret" not in caplog.text


def test_busy(tmp_path: Path) -> None:
    with host_in_thread(tmp_path, requests_at_once=1) as host:
        assert host.service is not None
        inside = asyncio.Event()

        async def slow() -> protocol.Service:
            await inside.wait()
            raise Refusal("gone")

        host.service.service_info = slow  # type: ignore[method-assign]
        first: list[Any] = []
        thread = threading.Thread(target=lambda: first.append(ask(host.port, "GET", protocol.SERVICE)))
        thread.start()
        for _ in range(100):
            answer = ask(host.port, "GET", "/")
            if answer.status == 503:
                break
            time.sleep(0.02)
        assert (answer.code, answer.headers["retry-after"]) == ("busy", "1")
        assert ask(host.port, "GET", "/healthz").status == 200
        host.loop.call_soon_threadsafe(inside.set)
        thread.join()
        assert first[0].code == "gone"


def test_strangers_capsules_are_not_waited_for(host: Running, owner: Owner) -> None:
    """The answer comes before a byte of the body, and the memory of the host is nobody's to fill."""
    owner.begin(5000)
    for route in (protocol.owner_capsule_route(owner.id), protocol.link_capsule_route(owner.link)):
        answer = ask(host.port, "PUT", route, secrets.token_bytes(32), content_length=str(64 * 2**20))
        assert answer.code in ("token-wrong", "not-found")
        assert answer.headers["connection"] == "close"


def test_many_readers_of_a_large_capsule(tmp_path: Path) -> None:
    """Sixty at once of 64 MiB took 1.7 GB when each was read whole."""
    large = 64 * protocol.MIB
    with running_host(tmp_path, min_free=0) as url, ExitStack() as stack:
        owner, pid = Owner(int(url.rsplit(":", 1)[1])), host_of(tmp_path)
        owner.begin(5000)
        route = protocol.owner_capsule_route(owner.id)
        assert ask(owner.port, "PUT", route, owner.token, bytes(large)).status == 204
        for _ in range(60):
            reader = stack.enter_context(socket.create_connection(("127.0.0.1", owner.port)))
            head = f"GET {route} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {protocol.b64u(owner.token)}"
            reader.sendall(f"{head}\r\n\r\n".encode())
            assert reader.recv(1000).startswith(b"HTTP/1.1 200")
        peak = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmHWM" in line)
        assert int(peak.split()[1]) < 300_000  # KiB


def host_of(folder: Path) -> int:
    """The process that runs in a folder, by its environment."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"CONSIGNE_DATA={folder}/".encode() in (process / "environ").read_bytes():
                return int(process.name)
    raise AssertionError("it does not run")


def test_a_download_is_cut_when_its_object_goes(host: Running) -> None:
    owner = Owner(host.port).put(bytes(40 * protocol.MIB))
    ticket = owner.ticket()
    with socket.create_connection(("127.0.0.1", owner.port)) as reader:
        head = f"GET {protocol.content_route(owner.id)} HTTP/1.1\r\nHost: a\r\n"
        reader.sendall(f"{head}Authorization: Bearer {protocol.b64u(ticket)}\r\n\r\n".encode())
        got = len(reader.recv(1000))
        assert ask(owner.port, "DELETE", protocol.object_route(owner.id), owner.token).status == 204
        while piece := reader.recv(2**20):
            got += len(piece)
    assert got < 30 * protocol.MIB


@pytest.mark.parametrize("body", [b'{"length":5000,"length":5000}', b'{"length":1,"length":5000}'])
def test_a_name_that_stands_twice_is_refused(owner: Owner, body: bytes) -> None:
    owner.begin(5000)
    assert ask(owner.port, "POST", protocol.complete_route(owner.id), owner.token, body).code == "bad-request"


# -------------------------------------------------------------------- a process of its own


def test_a_process_serves_and_stops(tmp_path: Path) -> None:
    with running_host(tmp_path, base_path="/files") as url:
        assert url.endswith("/files")
        port = int(url.split(":")[2].split("/")[0])
        assert ask(port, "GET", "/files/readyz").status == 200


def test_an_application_may_be_any(tmp_path: Path) -> None:
    del tmp_path

    async def app(_scope: Any, _receive: Any, send: Any) -> None:  # noqa: ANN401
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"a\nb")]})

    with app_in_thread(app) as host:
        assert ask(host.port, "GET", "/").code == "internal"

"""Attack 19: whoever has a link tries to do what only its owner may.

Every token that a link holder ever has (and what he may guess is one) goes to every
route of the API that is not his. Each is refused alike, and afterwards the catalog is
what it was, row by row.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from consigne import protocol
from tests.attacks.rights import OWNER, READER, TICKET, Asking, requests
from tests.attacks.stolen import catalog_rows, files
from tests.hosts import Owner, Running, ask, host_in_thread
from tests.processes import Host, User

DATA = secrets.token_bytes(1000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("host")


@pytest.fixture(scope="module")
def host(folder: Path) -> Iterator[Running]:
    with host_in_thread(folder) as running:
        yield running


@pytest.fixture
def owner(host: Running) -> Owner:
    return Owner(host.port).put(DATA)


def of(right: str, owner: Owner) -> list[Asking]:
    found = [asking for asking in requests(owner) if asking.right == right]
    assert found
    return found


def tokens_of_a_reader(owner: Owner) -> dict[str, bytes]:
    """All that a link holder has, sees or can compute, and what another owner has."""
    other = Owner(owner.port).put(DATA)
    return {
        "read token": owner.reader,
        "ticket": owner.ticket(),
        "link id": owner.link,
        "object id": owner.id,
        "commitment": owner.commitment,
        "owner hash": protocol.token_hash(owner.token),
        "hash of the read token": protocol.token_hash(owner.reader),
        "another's owner token": other.token,
        "another's read token": other.reader,
        "nothing but zeros": bytes(32),
    }


def test_attack_19_a_link_opens_nothing_that_is_its_owners(folder: Path, owner: Owner) -> None:
    tokens = tokens_of_a_reader(owner)
    rows, store = catalog_rows(folder / "catalog.db"), files(folder / "store")
    for name, token in tokens.items():
        for asking in of(OWNER, owner):
            refused = asking.by(owner.port, token)
            assert (refused.status, refused.code) == (403, "token-wrong"), f"{asking} by {name}"
    for asking in of(OWNER, owner):
        assert asking.by(owner.port, None).code == "token-missing"
    assert catalog_rows(folder / "catalog.db") == rows
    assert files(folder / "store") == store


def test_attack_19_the_owner_may(owner: Owner) -> None:
    """The requests above are refused for their token: with the owner's none of them is."""
    askings = sorted(
        of(OWNER, owner), key=lambda asking: (asking.method == "DELETE", "lock" not in str(asking))
    )
    for asking in askings:
        if asking.path.endswith(protocol.b64u(owner.id)) and asking.method == "DELETE":
            continue
        headers = {"if_match": protocol.capsule_etag(b"")} if asking.path.endswith("/capsule") else {}
        assert asking.by(owner.port, owner.token, **headers).status not in (401, 403), asking
    assert ask(owner.port, "DELETE", protocol.object_route(owner.id), owner.token).status == 204


def test_attack_19_a_ticket_is_no_read_token_and_the_other_way_round(owner: Owner) -> None:
    tickets, other = [owner.ticket()], Owner(owner.port).put(DATA)
    for token in (owner.reader, owner.token, other.ticket(), owner.id):
        for asking in of(TICKET, owner):
            assert asking.by(owner.port, token).status == 403, asking
    for token in (*tickets, owner.token, other.reader, owner.id):
        for asking in (asking for asking in of(READER, owner) if asking.method == "GET"):
            refused = asking.by(owner.port, token)
            assert (refused.status, refused.code) == (403, "token-wrong"), asking
    assert owner.content(tickets[0]).body == DATA


def test_attack_19_there_is_nothing_that_lists(owner: Owner) -> None:
    """No path beside the routes answers anything; no answer names an id that was not asked for."""
    known = {protocol.b64u(each) for each in (owner.id, owner.link)}
    route, link = protocol.object_route(owner.id), protocol.link_route(owner.link)
    paths = [
        *(f"{protocol.API}{end}" for end in ("", "/", "/objects", "/objects/", "/links", "/links/")),
        *(f"{base}{end}" for base in (route, link) for end in ("/", "/parts", "/links", "/downloads/", "/x")),
        *(f"{protocol.API}/objects{end}" for end in ("?all=1", "/*", "/%2e", "/..", "/./.")),
        "/admin", "/metrics", "/debug", "/.data/catalog.db", "/catalog.db", "/store/", "/objects", "/static/",
    ]  # fmt: skip
    for path in paths:
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            answer = ask(owner.port, method, path, owner.reader, b"" if method in ("POST", "PUT") else None)
            assert answer.status in (204, 400, 404, 405), (method, path)
            assert answer.status != 204 or method == "OPTIONS", (method, path)
            named = set(re.findall(r"[A-Za-z0-9_-]{43}", answer.body.decode() + str(dict(answer.headers))))
            assert not named & known


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Host]:
    with Host(tmp_path / "server") as running:
        yield running


@pytest.mark.slow
def test_attack_19_no_command_takes_a_link_for_a_manage_link(tmp_path: Path, server: Host) -> None:
    source = tmp_path / "file.txt"
    source.write_bytes(DATA)
    link = User(tmp_path / "owner", server.url).must("put", str(source), "--downloads", "5")
    thief = User(tmp_path / "thief", server.url)
    for command in (
        ["rm", link],
        ["extend", link, "1d"],
        ["link", link],
        ["revoke", link, link],
        ["unlock", link],
    ):
        done = thief.run(*command)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), (command[0], done.stderr)
    # The very same secret, dressed up as a manage link: another owner, whom nobody knows.
    raw = bytearray(protocol.unb64u(link.partition("#")[2], 34))
    raw[0] = 0x21
    forged = link.replace("/d#", "/m#").partition("#")[0] + "#" + protocol.b64u(bytes(raw))
    for command in (["rm", forged], ["info", forged], ["link", forged], ["extend", forged, "1d"]):
        assert thief.run(*command).returncode == 3
    thief.must("get", link, "-o", str(tmp_path / "got"))
    assert (tmp_path / "got/file.txt").read_bytes() == DATA

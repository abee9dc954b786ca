"""Attack 25: the catalog is stolen, and everything in it is tried as a right.

Every value of every column goes to every route that takes a token, as it is, written
down in every way, hashed once more, and as a password of the link. What is stored of a
right is its SHA-256: none of it opens anything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from consigne import protocol
from consigne.format import keys
from consigne.format.link import parse_link
from tests.attacks.rights import requests
from tests.attacks.stolen import catalog_values
from tests.hosts import Owner, Running, ask, host_in_thread
from tests.processes import Host, User

DATA = b"x" * 1000


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Running]:
    with host_in_thread(tmp_path) as running:
        yield running


def credentials(value: object) -> Iterator[bytes]:
    """32 bytes out of a value, in every way that a thief could think of."""
    data = value if isinstance(value, bytes) else str(value).encode()
    if len(data) == 32:
        yield data
        yield data[::-1]
    yield hashlib.sha256(data).digest()
    yield hashlib.sha256(hashlib.sha256(data).digest()).digest()
    yield hashlib.sha256(protocol.b64u(data).encode()).digest()
    yield hashlib.sha256(data.hex().encode()).digest()
    yield data.ljust(32, b"\0")[:32]
    yield data.rjust(32, b"\0")[-32:]


def headers(value: object) -> Iterator[str]:
    """Whole Authorization headers that are no bearer token of ours."""
    data = value if isinstance(value, bytes) else str(value).encode()
    yield f"Bearer {data.hex()}"
    yield f"Bearer {protocol.b64u(data)}="
    yield f"Basic {protocol.b64u(data)}"
    yield protocol.b64u(data)


@pytest.mark.slow
def test_attack_25_no_value_of_the_catalog_opens_anything(tmp_path: Path, host: Running) -> None:
    """Of an object that is being uploaded, one that is complete, one with guesses, and what is gone."""
    owner, gone = Owner(host.port).put(DATA, downloads=3), Owner(host.port).put(DATA)
    assert owner.content(owner.ticket()).body == DATA
    assert owner.ticket()
    unfinished = Owner(host.port)
    unfinished.begin(2000)
    unfinished.share()
    assert ask(host.port, "DELETE", protocol.object_route(gone.id), gone.token).status == 204
    values = {each.value for each in catalog_values(tmp_path / "catalog.db") if each.value is not None}
    assert len([value for value in values if isinstance(value, bytes)]) >= 12
    tokens = {token for value in values for token in credentials(value)}
    assert not tokens & {owner.token, owner.reader, unfinished.token, unfinished.reader}
    lock = protocol.link_lock_route(owner.link)
    for token in tokens:
        for asking in requests(owner):
            refused = asking.by(host.port, token)
            assert refused.status == 403, f"{asking}: {refused.body!r}"
            if asking.right == "reader":  # guessing must not be what refuses the next
                assert ask(host.port, "DELETE", lock, owner.token).status == 204
    assert owner.content(owner.ticket()).body == DATA


def test_attack_25_no_other_form_of_it_does_either(tmp_path: Path, host: Running) -> None:
    owner = Owner(host.port).put(DATA)
    owner.ticket()
    lock = protocol.link_lock_route(owner.link)
    for value in {each.value for each in catalog_values(tmp_path / "catalog.db")}:
        for header in headers(value):
            for asking in requests(owner):
                refused = asking.by(host.port, None, authorization=header)
                assert refused.status == 403, f"{asking}: {refused.body!r}"
            assert ask(host.port, "DELETE", lock, owner.token).status == 204


@pytest.mark.slow
def test_attack_25_no_value_is_a_password(tmp_path: Path) -> None:
    """The thief has the link as well; he types in what the catalog says, as text."""
    (tmp_path / "file").write_bytes(DATA)
    (tmp_path / "password").write_text("correct horse\n")
    with Host(tmp_path / "server") as server:
        user = User(tmp_path / "owner", server.url)
        with_password = ["--password-file", str(tmp_path / "password")]
        put = json.loads(user.must("put", str(tmp_path / "file"), "--json", *with_password))
        fragment = parse_link(put["link"]).fragment
        owner = keys.Owner(parse_link(put["manage"]).fragment.secret)
        route = protocol.link_route(keys.link_id(fragment.secret))
        lock = protocol.link_lock_route(keys.link_id(fragment.secret))
        right = keys.reader(fragment.secret, "correct horse")
        assert ask(server.port, "GET", route, right.token).status == 200
        stolen = {each.value for each in catalog_values(server.data / "catalog.db")}
        secret = [value for value in stolen if isinstance(value, bytes)]
        assert len(secret) >= 6
        for value in secret:
            token = keys.reader(fragment.secret, protocol.b64u(value)).token
            assert ask(server.port, "GET", route, token).code == "token-wrong"
            assert ask(server.port, "DELETE", lock, owner.token).status == 204
        # What he has is worth nothing without the password, not even to open the capsule offline.
        (capsule,) = (path for path in (server.data / "store/capsules").rglob(protocol.b64u(right.link_id)))
        (tmp_path / "wrong").write_text(protocol.b64u(protocol.token_hash(right.token)) + "\n")
        assert capsule.stat().st_size > 81
        guessed = User(tmp_path / "thief", server.url).run(
            "get", put["link"], "-o", str(tmp_path / "got"), "--password-file", str(tmp_path / "wrong")
        )
        assert guessed.returncode == 4

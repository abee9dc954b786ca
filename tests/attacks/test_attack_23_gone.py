"""Attack 23: what expired, was removed or revoked is made again under the same id.

An honest host refuses it by name, for ever: after a sweep, after being killed. A host
that plays along is stood up as it would be: the real one, with what it must remember
wiped out of its catalog, and rows handed to whom they do not belong. The client
catches it.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from consigne import protocol
from consigne.errors import AuthenticityError
from consigne.format import capsule, keys, manifest
from consigne.format.content import Layout, Sealer
from consigne.format.link import parse_link
from tests.hosts import CAPSULE, Owner, Running, ask, host_in_thread
from tests.processes import Host, User
from tests.server.lodging import Clock
from tests.server.peers import Peer

DATA = secrets.token_bytes(1000)


# ---------------------------------------------------------------- an honest host


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def host(tmp_path: Path, clock: Clock) -> Iterator[Running]:
    with host_in_thread(tmp_path) as running:
        assert running.service is not None
        running.service.clock = clock
        yield running


def assert_nobody_makes_it_again(owner: Owner, *, object_gone: bool) -> None:
    """Neither its owner, with all that he had, nor somebody with the old link."""
    thief = Owner(owner.port).put(DATA)
    link, capsule_route = protocol.link_route(owner.link), protocol.link_capsule_route(owner.link)
    for token in (thief.token, owner.token, owner.reader):
        made = ask(owner.port, "PUT", link, token, thief.new_link())
        assert made.status in ((410, 409) if token == thief.token else (403,)), made.body
        assert ask(owner.port, "PUT", capsule_route, token, CAPSULE).code == "gone"
    assert ask(owner.port, "GET", link, owner.reader).code == "gone"
    assert ask(owner.port, "POST", protocol.downloads_route(owner.link), owner.reader).code == "gone"
    if object_gone:
        assert owner.begin(len(DATA)).code == "gone"
        assert owner.begin(None, 60).code == "gone"
        assert owner.send(0, DATA).code == "gone"
        assert owner.complete(len(DATA)).code == "gone"
        route = protocol.object_route(owner.id)
        assert ask(owner.port, "PATCH", route, owner.token, {"expires_in": 99}).code == "gone"
        fresh = protocol.b64u(secrets.token_bytes(32))
        made = ask(owner.port, "PUT", f"{protocol.API}/links/{fresh}", owner.token, owner.new_link())
        assert made.code == "gone"
    else:
        made = ask(owner.port, "PUT", link, owner.token, owner.new_link())
        assert made.status in (409, 410), "not even by the owner of the object that it led to"


@pytest.mark.parametrize("end", ["removed", "revoked", "object expired", "link expired"])
def test_attack_23_an_id_is_accepted_once(host: Running, clock: Clock, end: str) -> None:
    assert host.service is not None
    owner = Owner(host.port)
    owner.begin(len(DATA), 20 * protocol.DAY)
    owner.send(0, DATA)
    owner.complete(len(DATA))
    short = {**owner.new_link(), "expires_in": 3600 if end == "link expired" else None}
    assert ask(host.port, "PUT", protocol.link_route(owner.link), owner.token, short).status == 201
    sealed = ask(host.port, "PUT", protocol.link_capsule_route(owner.link), owner.token, CAPSULE)
    assert sealed.status == 204
    ticket = owner.ticket()
    if end == "removed":
        assert ask(host.port, "DELETE", protocol.object_route(owner.id), owner.token).status == 204
    elif end == "revoked":
        assert ask(host.port, "DELETE", protocol.link_route(owner.link), owner.token).status == 204
    else:
        clock.pass_days(21 if end == "object expired" else 0.2)
    object_gone = end in ("removed", "object expired")
    for _ in range(2):  # before a sweep, and after it
        assert owner.content(ticket).status in (403, 410)
        assert_nobody_makes_it_again(owner, object_gone=object_gone)
        host.do(host.service.sweep())


def test_attack_23_what_lives_is_not_taken_over(host: Running) -> None:
    owner, thief = Owner(host.port).put(DATA), Owner(host.port).put(b"evil")
    assert owner.begin(len(DATA)).code == "object-exists"
    mine = ask(host.port, "PUT", protocol.link_route(owner.link), thief.token, thief.new_link())
    assert mine.code == "link-exists"
    other = {**owner.new_link(), "token_hash": protocol.b64u(protocol.token_hash(thief.reader))}
    assert ask(host.port, "PUT", protocol.link_route(owner.link), owner.token, other).code == "link-exists"
    assert (
        ask(host.port, "PUT", protocol.link_capsule_route(owner.link), owner.token, CAPSULE + b"x").status
        == 409
    )
    assert owner.send(0, b"y" * len(DATA)).status == 204, "what is durable is not looked at again"
    assert owner.content(owner.ticket()).body == DATA


def test_attack_23_no_id_without_what_it_follows_from(host: Running) -> None:
    """Who lacks the owner token cannot begin an object that he would own under an old id."""
    owner = Owner(host.port).put(DATA)
    thief = Owner(host.port)
    assert ask(host.port, "DELETE", protocol.object_route(owner.id), owner.token).status == 204
    for name in ("commitment", "owner_hash"):
        theirs = {**owner.new(len(DATA)), name: thief.new(len(DATA))[name]}
        assert ask(host.port, "POST", protocol.OBJECTS, body=theirs).code == "id-mismatch"


def test_attack_23_nobody_begins_anew_under_a_part_that_is_coming_in(tmp_path: Path, host: Running) -> None:
    """Removed before its first part was whole: the part must not become one of a second object."""
    assert host.service is not None
    owner, data = Owner(host.port), secrets.token_bytes(200_000)
    owner.begin(len(data))
    head = f"PUT {protocol.part_route(owner.id, 0)} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(data)}\r\n"
    bearer = f"Authorization: Bearer {protocol.b64u(owner.token)}\r\n\r\n"
    with Peer(host) as sender:
        sender.send((head + bearer).encode() + data[:150_000])
        while not host.service.receiving.bytes:
            time.sleep(0.01)
        assert ask(host.port, "DELETE", protocol.object_route(owner.id), owner.token).status == 204
        assert owner.begin(len(data)).code == "gone"
        assert sender.send(data[150_000:]).answer()[0] == 410
    assert not list((tmp_path / "store/objects").rglob(protocol.b64u(owner.id)))


@pytest.mark.slow
def test_attack_23_gone_is_gone_after_a_kill(tmp_path: Path) -> None:
    with Host(tmp_path / "server", {"sweep_interval": "0.1"}) as server:
        owner, other = Owner(server.port).put(DATA), Owner(server.port).put(DATA)
        assert ask(server.port, "DELETE", protocol.object_route(owner.id), owner.token).status == 204
        assert ask(server.port, "DELETE", protocol.link_route(other.link), other.token).status == 204
        server.kill()
        server.start()
        assert_nobody_makes_it_again(owner, object_gone=True)
        assert_nobody_makes_it_again(other, object_gone=False)


# ---------------------------------------------------------------- a host that plays along


class Accomplice:
    """A real host whose operator helps a thief: between two runs he changes the catalog."""

    def __init__(self, folder: Path) -> None:
        self.host = Host(folder)

    def changes(self, *statements: tuple[str, tuple[object, ...]]) -> None:
        self.host.stop()
        with closing(sqlite3.connect(self.host.data / "catalog.db")) as catalog, catalog:
            for statement, values in statements:
                catalog.execute(statement, values)
        self.host.start()

    def forgets(self) -> None:
        """What is gone may be made again."""
        self.changes(("DELETE FROM gone", ()))


class Story:
    """Something was put, its link given to many, and then it was removed."""

    def __init__(self, tmp_path: Path, accomplice: Accomplice) -> None:
        self.host = accomplice.host
        self.user = User(tmp_path / "owner", self.host.url)
        self.victim = User(tmp_path / "victim", self.host.url)
        source = tmp_path / "letter.txt"
        source.write_bytes(b"what the owner wrote")
        self.put = json.loads(self.user.must("put", str(source), "--json"))
        self.link, self.manage = self.put["link"], self.put["manage"]
        self.owner = keys.Owner(parse_link(self.manage).fragment.secret)
        self.reader = keys.reader(parse_link(self.link).fragment.secret, None)
        self.into = tmp_path / "got"

    def remove(self) -> None:
        self.user.must("rm", self.manage)

    def assert_caught(self, *words: str) -> None:
        """A typed failure of authenticity, and nothing is left that looks like the letter."""
        done = self.victim.run(*words)
        assert done.returncode == AuthenticityError.exit_code, done.stderr
        assert "Traceback" not in done.stderr
        assert not list(self.into.glob("*")) if self.into.exists() else True

    def assert_get_is_caught(self) -> None:
        self.assert_caught("get", self.link, "-o", str(self.into))


@pytest.fixture
def accomplice(tmp_path: Path) -> Iterator[Accomplice]:
    found = Accomplice(tmp_path / "server")
    with found.host:
        yield found


@pytest.fixture
def story(tmp_path: Path, accomplice: Accomplice) -> Story:
    return Story(tmp_path, accomplice)


def evil_manifest(owner: keys.Owner, **other: object) -> manifest.Manifest:
    text = b"what somebody else wrote"
    given = {
        "object_id": owner.object_id,
        "key": owner.content_key,
        "owner_hash": owner.owner_hash,
        "length": len(text),
        "files": (manifest.FileEntry("letter.txt", len(text), None, None),),
        "seed": owner.link_seed(0),
        **other,
    }
    return manifest.Manifest(**given)  # type: ignore[arg-type]


def put_content(port: int, owner: keys.Owner, text: bytes = b"what somebody else wrote") -> int:
    """An object of this owner with a content of his; the length of its ciphertext."""
    layout = Layout.of_content(len(text))
    sealer, data = Sealer(owner.content_keys()), memoryview(bytearray(layout.ciphertext_length))
    plain = text.ljust(layout.plain_range(0)[1], b"\0")
    sealer.seal_into(0, memoryview(plain), data, last=True)
    new = {
        "id": protocol.b64u(owner.object_id),
        "commitment": protocol.b64u(owner.commitment),
        "owner_hash": protocol.b64u(owner.owner_hash),
        "length": len(data),
        "expires_in": None,
    }
    assert ask(port, "POST", protocol.OBJECTS, body=new).status in (201, 409)
    assert ask(port, "PUT", protocol.part_route(owner.object_id, 0), owner.token, bytes(data)).status == 204
    route = protocol.complete_route(owner.object_id)
    assert ask(port, "POST", route, owner.token, {"length": len(data)}).status == 200
    return len(data)


def put_old_link(story: Story, of: keys.Owner, sealed: bytes) -> None:
    """The old link's id and token, on an object of the thief's, with a capsule of his."""
    port, link_id = story.host.port, story.reader.link_id
    new = {
        "object": protocol.b64u(of.object_id),
        "token_hash": protocol.b64u(protocol.token_hash(story.reader.token)),
        "expires_in": None,
        "downloads": None,
    }
    assert ask(port, "PUT", protocol.link_route(link_id), of.token, new).status == 201
    assert ask(port, "PUT", protocol.link_capsule_route(link_id), of.token, sealed).status == 204


@pytest.mark.slow
@pytest.mark.parametrize(
    "claims", ["his own object", "his own object and a seed", "the old object", "the old seed"]
)
def test_attack_23_the_old_link_on_a_new_object_is_caught(
    story: Story, accomplice: Accomplice, claims: str
) -> None:
    """The thief has the link, so he can seal a capsule that opens; what it says gives him away."""
    story.remove()
    accomplice.forgets()
    thief = keys.Owner.fresh()
    put_content(story.host.port, thief)
    said = {
        "his own object": evil_manifest(thief),
        "his own object and a seed": evil_manifest(thief, seed=story.owner.link_seed(0)),
        "the old object": evil_manifest(
            thief, object_id=story.owner.object_id, seed=story.owner.link_seed(0)
        ),
        "the old seed": evil_manifest(
            thief,
            object_id=story.owner.object_id,
            owner_hash=story.owner.owner_hash,
            seed=story.owner.link_seed(0),
        ),
    }
    plain = manifest.encode(said[claims])
    put_old_link(
        story, thief, capsule.seal(story.reader.root, story.reader.link_id, plain, capsule.fresh_salt())
    )
    for words in (["get", story.link, "-o", str(story.into)], ["ls", story.link], ["cat", story.link]):
        story.assert_caught(*words)


@pytest.mark.slow
def test_attack_23_the_old_capsule_over_another_content_is_caught(
    story: Story, accomplice: Accomplice
) -> None:
    """The capsule is the true one, kept from before; the object behind it is the thief's."""
    route, token = protocol.link_capsule_route(story.reader.link_id), story.reader.token
    kept = ask(story.host.port, "GET", route, token).body
    story.remove()
    accomplice.forgets()
    thief = keys.Owner.fresh()
    put_content(story.host.port, thief)
    put_old_link(story, thief, kept)
    # Tickets are good for the link's object only, so the operator serves it under the old id, too.
    old, new = story.owner.object_id, thief.object_id
    accomplice.host.stop()
    with closing(sqlite3.connect(accomplice.host.data / "catalog.db")) as catalog, catalog:
        catalog.execute("UPDATE objects SET id = ? WHERE id = ?", (old, new))
        catalog.execute("UPDATE links SET object = ? WHERE object = ?", (old, new))
    folder = accomplice.host.data / "store/objects"
    names = [protocol.b64u(each) for each in (new, old)]
    (folder / names[1][:2]).mkdir(exist_ok=True)
    (folder / names[0][:2] / names[0]).rename(folder / names[1][:2] / names[1])
    accomplice.host.start()
    story.assert_get_is_caught()


@pytest.mark.slow
def test_attack_23_an_object_made_again_deceives_no_owner(story: Story, accomplice: Accomplice) -> None:
    """Commitment and owner hash are known to every reader: with a host that lets him, the thief
    begins the removed object again. What he cannot make is a capsule that its owner opens."""
    story.remove()
    thief = Owner(story.host.port)
    accomplice.forgets()
    owner = story.owner
    new = {
        "id": protocol.b64u(owner.object_id),
        "commitment": protocol.b64u(keys.content_commitment(owner.content_key)),
        "owner_hash": protocol.b64u(owner.owner_hash),
        "length": 1000,
        "expires_in": None,
    }
    port, route = story.host.port, protocol.object_route(owner.object_id)
    assert ask(port, "POST", protocol.OBJECTS, body=new).status == 201
    assert ask(port, "GET", route, thief.token).code == "token-wrong", "begun, it still is not his"
    digest = protocol.token_hash(thief.token)
    accomplice.changes(("UPDATE objects SET owner_hash = ?", (digest,)))
    assert ask(port, "GET", route, thief.token).status == 200, "now it is: the operator gave it to him"
    plain = manifest.encode(evil_manifest(owner, seed=None))
    for root in (story.reader.root, secrets.token_bytes(32)):
        sealed = capsule.seal(root, owner.object_id, plain, capsule.fresh_salt())
        etag = ask(port, "GET", route + "/capsule", thief.token).headers.get("etag")
        headers = {"if_match": etag} if etag else {}
        assert ask(port, "PUT", route + "/capsule", thief.token, sealed, **headers).status == 204
        accomplice.changes(("UPDATE objects SET owner_hash = ?", (owner.owner_hash,)))
        story.assert_caught("info", story.manage)
        accomplice.changes(("UPDATE objects SET owner_hash = ?", (digest,)))

"""Attacks 6 to 8: what a host says in place of a capsule, of a password, of a format's costs.

The real commands ask a hostile host. Whatever it answers, a link is opened by what stands
in the link and in the format, or it is not opened.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from consigne.client import Client
from consigne.errors import AuthenticityError, PasswordError
from consigne.format import capsule, keys
from consigne.format.link import Fragment, Kind, Link, parse_link
from consigne.protocol import MIB, b64u, token_hash, unb64u
from tests.attacks.hostile import (
    SEED,
    Uploader,
    answer,
    answering,
    hostile,
    is_content,
    is_link_capsule,
    is_owner_capsule,
    left_in,
    password,
    refuses,
    sampled,
)
from tests.attacks.test_attack_hostile_host import rewritten
from tests.cli.shell import Shell
from tests.processes import Host
from tests.proxy import Exchange, Fault

HTML = b"<!DOCTYPE html><html><body>Sign in to the hotel's network</body></html>"
PLAIN = random.Random(SEED).randbytes(10_000)
FILE = ("file.bin", len(PLAIN))


class Given:
    """One object with two links, and the capsules that belong to them."""

    def __init__(self, host: Host) -> None:
        self.uploader = Uploader(host)
        self.link = self.uploader.gives(("file.bin", PLAIN))
        self.other = self.uploader.link(self.uploader.manifest(FILE, number=1), number=1)

    def sealed(self, number: int = 0, **others: object) -> bytes:
        """A good capsule for one of the links, but for what `others` say."""
        owner = self.uploader.owner
        reader = keys.reader(owner.link_secret(number), None)
        manifest = json.dumps(self.uploader.manifest(FILE, number=number, **others)).encode()
        return capsule.seal(reader.root, reader.link_id, manifest, capsule.fresh_salt())

    def flipped(self, at: int) -> bytes:
        """One bit of the good capsule is another."""
        sealed = bytearray(self.sealed())
        sealed[at] ^= 0x10
        return bytes(sealed)


@pytest.fixture(scope="module")
def given(standing: Host) -> Given:
    return Given(standing)


# ---------------------------------------------------------------- 6

SAID: dict[str, tuple[str, Callable[[Given], bytes]]] = {
    "another link's, of the same object": ("capsule-tampered", lambda g: g.sealed(1)),
    "another object's": ("capsule-tampered", lambda g: Given(g.uploader.host).sealed()),
    "the owner's": (
        "capsule-tampered",
        lambda g: capsule.seal(g.uploader.owner.capsule_root, g.uploader.owner.object_id, b"{}", bytes(32)),
    ),
    "altered in its version": ("capsule-newer", lambda g: g.flipped(0)),
    "altered in its salt": ("capsule-tampered", lambda g: g.flipped(1)),
    "altered in its commitment": ("capsule-tampered", lambda g: g.flipped(40)),
    "altered in what is sealed": ("capsule-tampered", lambda g: g.flipped(100)),
    "altered in the padding": ("capsule-tampered", lambda g: g.flipped(-20)),
    "altered in its tag": ("capsule-tampered", lambda g: g.flipped(-1)),
    "cut": ("capsule-tampered", lambda g: g.sealed()[:-1]),
    "longer": ("capsule-tampered", lambda g: g.sealed() + b"\0"),
    "two of them": ("capsule-tampered", lambda g: g.sealed() * 2),
    "its head alone": ("capsule-tampered", lambda g: g.sealed()[:80]),
    "nothing": ("capsule-tampered", lambda _: b""),
    "null": ("capsule-newer", lambda _: b"null"),
    "HTML": ("capsule-newer", lambda _: HTML),
    "JSON": ("capsule-newer", lambda _: b'{"capsule": ""}'),
    "a good one with another link's manifest": (
        "manifest-invalid",
        lambda g: g.sealed(seed=b64u(g.uploader.owner.link_seed(1))),
    ),
}


@pytest.mark.parametrize("said", sampled(SAID, "another link's, of the same object", "nothing", "HTML"))
def test_attack_06_another_capsule(standing: Host, shell: Shell, given: Given, said: str) -> None:
    code, make = SAID[said]
    with hostile(standing, answering(is_link_capsule, answer(make(given))), given.link) as (proxy, link):
        refuses(shell, code, link)
        shell.fails(5, code, "ls", link)
        with Client() as client, pytest.raises(AuthenticityError) as caught:
            client.open(link)
        assert caught.value.code == code
        assert not any(is_content(exchange) for exchange in proxy.exchanges), "nothing is fetched"
        assert not any(exchange.path.endswith("/downloads") for exchange in proxy.exchanges), "nor counted"


def test_attack_06_a_capsule_without_an_answer(standing: Host, shell: Shell, given: Given) -> None:
    """No content is an empty capsule; so is a good one whose answer says that nothing follows."""
    for status in ("204 No Content", "200 OK"):
        with hostile(standing, answering(is_link_capsule, answer(b"", status=status)), given.link) as (
            _,
            link,
        ):
            shell.fails(5, "capsule-tampered", "ls", link)


@pytest.mark.slow
@pytest.mark.parametrize("said", ["another object's", "altered in its tag", "nothing", "null", "HTML"])
def test_attack_06_another_owner_capsule(standing: Host, shell: Shell, said: str) -> None:
    """The owner's commands: what they would add to the list of links is never sealed over it."""
    shell.write("a", "content")
    put = shell.put("a")
    owner = keys.Owner(parse_link(put["manage"]).fragment.secret)
    good = bytearray(capsule.seal(owner.capsule_root, owner.object_id, b"{}", bytes(32)))
    other = keys.Owner.fresh()
    good[-1] ^= 1
    bodies = {
        "another object's": capsule.seal(other.capsule_root, other.object_id, b"{}", bytes(32)),
        "altered in its tag": bytes(good),
        "nothing": b"",
        "null": b"null",
        "HTML": HTML,
    }
    code = "capsule-newer" if said in ("null", "HTML") else "capsule-tampered"
    with hostile(standing, answering(is_owner_capsule, answer(bodies[said])), put["manage"]) as (
        proxy,
        manage,
    ):
        shell.fails(5, code, "info", manage)
        shell.fails(5, code, "link", manage)
        assert not any(exchange.method == "PUT" for exchange in proxy.exchanges)


@pytest.mark.slow
def test_attack_06_a_capsule_that_never_ends(standing: Host, shell: Shell, given: Given) -> None:
    """Over 64 MiB and 81 bytes nothing is taken, whatever its length is said to be."""
    said = answer(b"\x01" + bytes(66 * MIB), length=1 << 40)
    with hostile(standing, answering(is_link_capsule, said), given.link) as (_, link):
        error = shell.fails(6, "host-broken", "ls", link).error
        assert "makes no sense" in error["message"]


def everything_else(exchange: Exchange) -> bool:
    return not is_link_capsule(exchange)


@pytest.mark.parametrize("body", sampled([HTML, b"null", b"", b"[]", b'"x"', b"\xff\xfe{\0}\0"], HTML))
def test_attack_06_anything_instead_of_content_and_json(
    standing: Host, shell: Shell, given: Given, body: bytes
) -> None:
    """A portal that answers 200 to whatever is asked."""
    with hostile(standing, answering(everything_else, answer(body)), given.link) as (_, link):
        for words in (("ls", link), ("get", link, "-o", "there"), ("cat", link)):
            done = shell.run(*words)
            assert done.code == 6, done.err
            assert "makes no sense" in done.err
            assert done.output == b""
    assert left_in(shell, "there") == []


@pytest.mark.slow
def test_attack_06_html_in_the_frame_of_content(standing: Host, shell: Shell, given: Given) -> None:
    """The frame is right and the bytes are a page: byte 0 is no header of ours."""
    length = len(given.uploader.seal(PLAIN))
    page = HTML.ljust(length, b" ")

    def plan(_: int, exchange: Exchange) -> Fault | None:
        told = f"Content-Range: bytes 0-{length - 1}/{length}"
        return Fault(instead=answer(page, told, status="206 OK")) if is_content(exchange) else None

    with hostile(standing, plan, given.link) as (_, link):
        assert refuses(shell, "content-tampered", link)["segment"] == 0


# ---------------------------------------------------------------- 7

PASSWORD = "korrektes Pferd"


class Locked:
    """A file behind a link with a password."""

    def __init__(self, shell: Shell) -> None:
        shell.write("locked.bin", PLAIN)
        self.link = shell.must("put", "locked.bin", *password(shell, PASSWORD)).out
        self.secret = parse_link(self.link).fragment.secret


def no_password(value: dict[str, object]) -> None:
    value.update({"password": False, "flags": 0, "protected": False, "kind": 17})


def says_there_is_none(_: int, exchange: Exchange) -> Fault | None:
    """Every answer in JSON says that there is no password."""
    is_json = exchange.method in ("GET", "POST") and not exchange.path.endswith(("/capsule", "/content"))
    return Fault(rewrite=rewritten(no_password)) if is_json else None


def test_attack_07_the_host_says_that_there_is_no_password(standing: Host, shell: Shell) -> None:
    locked = Locked(shell)
    with hostile(standing, says_there_is_none, locked.link) as (proxy, link):
        for words in (("ls", link), ("get", link, "-o", "there"), ("cat", link)):
            done = shell.run(*words)
            assert done.code == PasswordError.exit_code, done.err
            assert done.output == b""
        with Client() as client, pytest.raises(PasswordError) as caught:
            client.open(link)
        assert caught.value.code == "password-needed"
        assert proxy.exchanges == [], "the link itself says so: the host is not even asked"
        shell.must("get", link, "-o", "there", *password(shell, PASSWORD))
    assert (shell.here / "there/locked.bin").read_bytes() == PLAIN


def test_attack_07_a_capsule_that_needs_no_password(standing: Host, shell: Shell) -> None:
    """A host that has the link, too, seals a manifest under the link alone: no password opens it."""
    locked = Locked(shell)
    reader = keys.reader(locked.secret, None)
    said = answer(capsule.seal(reader.root, reader.link_id, b"{}", bytes(32)))
    with hostile(standing, answering(is_link_capsule, said), locked.link) as (_, link):
        for tried in (PASSWORD, "another"):
            shell.fails(4, "password-wrong", "ls", link, *password(shell, tried))
            shell.fails(4, "password-wrong", "get", link, "-o", "there", *password(shell, tried))
    assert left_in(shell, "there") == []


def test_attack_07_the_flag_taken_out_of_the_link(standing: Host, shell: Shell) -> None:
    """Whoever passes the link on may alter it; what is left opens nothing."""
    locked = Locked(shell)
    bare = Link(standing.url, Fragment(Kind.DOWNLOAD, locked.secret)).encode()
    done = shell.run("ls", bare)
    assert done.code == 6, done.err
    assert "token does not open" in done.err
    reader = keys.reader(locked.secret, PASSWORD)
    said = answer(capsule.seal(reader.root, reader.link_id, b"{}", bytes(32)))
    with hostile(standing, answering(is_link_capsule, said), bare) as (_, link):
        shell.fails(5, "capsule-tampered", "ls", link)


# ---------------------------------------------------------------- 8

CHEAP = {"t": 1, "m": 8, "p": 1, "time": 1, "memory": 8, "lanes": 1, "salt": b64u(bytes(32))}


def cheap(value: dict[str, Any]) -> None:
    for name in ("argon2", "argon2id", "kdf", "password", "password_hashing", "limits"):
        value[name] = {**CHEAP, **(value[name] if isinstance(value.get(name), dict) else {})}
    value.update(CHEAP)


def offers_cheap_costs(_: int, exchange: Exchange) -> Fault | None:
    is_json = exchange.method in ("GET", "POST") and not exchange.path.endswith(("/capsule", "/content"))
    return Fault(rewrite=rewritten(cheap)) if is_json or exchange.path.endswith("/service") else None


def read_token(secret: bytes, text: str) -> str:
    """As spec/links.md derives it, with the library below ours and the costs written out."""
    salt = keys.derive(secret, "password-salt", 16)
    hardened = Argon2id(salt=salt, length=32, iterations=3, lanes=4, memory_cost=64 * 1024)
    root = keys.derive(secret + hardened.derive(text.encode()), "password-root")
    return b64u(keys.derive(root, "read-token"))


def test_attack_08_cheaper_costs_are_not_taken(standing: Host, shell: Shell) -> None:
    """Whatever costs a host names, the token that it is shown comes from Argon2id at full cost."""
    with hostile(standing, offers_cheap_costs, standing.url) as (proxy, url):
        shell.environment["CONSIGNE_URL"] = url
        locked = Locked(shell)
        told = [json.loads(e.body) for e in proxy.exchanges if b"token_hash" in e.body]
        proxy.exchanges.clear()
        shell.must("get", locked.link, "-o", "there", *password(shell, PASSWORD))
        shown = {
            found[1].decode()
            for exchange in proxy.exchanges
            if "/links/" in exchange.path
            for found in re.finditer(rb"(?i)authorization: bearer (\S+)", exchange.head)
        }
    expected = read_token(locked.secret, PASSWORD)
    assert shown == {expected}
    assert [one["token_hash"] for one in told] == [b64u(token_hash(unb64u(expected)))]


FORMATS: dict[str, dict[str, object]] = {
    "format 2": {"format": "consigne-manifest/2"},
    "format 1.1": {"format": "consigne-manifest/1.1"},
    "no name of ours": {"format": "zip"},
    "a critical member": {"critical": ["compression"]},
}


@pytest.mark.parametrize("which", sampled(FORMATS, "format 2"))
def test_attack_08_an_unknown_format(standing: Host, shell: Shell, given: Given, which: str) -> None:
    said = answer(given.sealed(**FORMATS[which]))
    with hostile(standing, answering(is_link_capsule, said), given.link) as (proxy, link):
        refuses(shell, "manifest-newer", link)
        assert not any(is_content(exchange) for exchange in proxy.exchanges)


def test_attack_08_a_host_that_speaks_of_other_versions_is_not_followed(
    standing: Host, shell: Shell, given: Given
) -> None:
    """Members that nobody asked for change nothing: the file is the same."""

    def newer(value: dict[str, object]) -> None:
        value.update({"format": 2, "api": 2, "segment_size": 16, "cipher": "none", "version": "99"})

    def plan(_: int, exchange: Exchange) -> Fault | None:
        is_json = not exchange.path.endswith(("/capsule", "/content"))
        return Fault(rewrite=rewritten(newer)) if is_json else None

    with hostile(standing, plan, given.link) as (_, link):
        shell.must("get", link, "-o", "there")
    assert (shell.here / "there/file.bin").read_bytes() == PLAIN

"""Attacks 18 and 42: manifests that claim too much, and JSON that two languages read differently.

A hostile uploader writes them, a real host keeps them or a hostile one answers them, the real
command reads them: refused as `manifest-invalid` before anything of the content is asked for,
in time and memory that a limit of the format bounds. All vectors of manifests go the same way.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from consigne.client import Client
from consigne.errors import ConsigneError
from consigne.format import capsule, keys
from consigne.format.link import Fragment, Kind, Link
from consigne.protocol import MAX_CAPSULE, MIB, b64u
from tests.attacks.hostile import (
    Uploader,
    answer,
    answering,
    cost_of,
    hostile,
    is_link_capsule,
    left_in,
    sampled,
)
from tests.cli.shell import Shell
from tests.format.test_vectors import VECTORS, load, manifest_piece
from tests.processes import Host
from tests.proxy import Exchange, Fault, Proxy

LARGEST = capsule.MAX_PLAINTEXT
Written = Callable[[bytes], bytes]


@pytest.fixture
def uploader(standing: Host) -> Uploader:
    uploader = Uploader(standing)
    uploader.put(uploader.seal(b"honesty"))
    return uploader


def written(uploader: Uploader, **others: object) -> bytes:
    """An honest manifest of one file of seven bytes."""
    return json.dumps(uploader.manifest(("a.txt", 7), **others)).encode()


def refuse(shell: Shell, link: str, proxy: Proxy) -> None:
    """`ls` and `get` refuse it; nothing is fetched, nothing is left."""
    shell.fails(5, "manifest-invalid", "ls", link)
    shell.fails(5, "manifest-invalid", "get", link, "-o", "there")
    assert left_in(shell, "there") == []
    assert not (shell.here / "there").exists()
    assert {exchange.path.rpartition("/")[2] for exchange in proxy.exchanges} == {"capsule"}


def sizes(text: bytes) -> Written:
    """Both numbers of the manifest, the file's size and the sum, written so."""
    return lambda honest: honest.replace(b'"size": 7', b'"size": ' + text).replace(
        b'"length": 7', b'"length": ' + text
    )


def members(text: bytes) -> Written:
    """More members, at the end of the manifest."""
    return lambda honest: honest[:-1] + b", " + text + b"}"


def doubled(honest: bytes) -> bytes:
    return honest.replace(b'"path": "a.txt"', b'"path": "a.txt", "path": "b.txt"')


def again(name: bytes) -> Written:
    """The key once more, with the value that it has: nothing is wrong but that it stands twice."""

    def write(honest: bytes) -> bytes:
        return members(b'"' + name + b'": "' + json.loads(honest)["key"].encode() + b'"')(honest)

    return write


CLAIMS: dict[str, Written] = {
    "2^60 bytes": sizes(b"1152921504606846976"),
    "2^53 - 1 bytes": sizes(b"9007199254740991"),
    "a byte more than a content may have": sizes(b"670014898177"),
    "minus seven": sizes(b"-7"),
    "minus nothing": sizes(b"-0"),
    "seven and a half": sizes(b"7.5"),
    "more files than it says": lambda honest: honest.replace(b'"length": 7', b'"length": 6'),
    "no files": lambda honest: honest[: honest.index(b"[")] + b"[]}",
    "a doubled member": doubled,
    "a doubled key": again(b"key"),
    "depth 17": members(b'"x": ' + b"[" * 16 + b"]" * 16),
    "depth 100,000": members(b'"x": ' + b"[" * 100_000 + b"]" * 100_000),
    "depth 100,000 of objects": members(b'"x": ' + b'{"x": ' * 100_000 + b"0" + b"}" * 100_000),
}
READ_DIFFERENTLY: dict[str, Written] = {
    "UTF-16": lambda honest: honest.decode().encode("utf-16"),
    "UTF-16 without a mark": lambda honest: honest.decode().encode("utf-16-le"),
    "UTF-32": lambda honest: honest.decode().encode("utf-32-be"),
    "a byte order mark": lambda honest: b"\xef\xbb\xbf" + honest,
    "NaN": members(b'"x": NaN'),
    "Infinity": members(b'"x": -Infinity'),
    "true as a number": sizes(b"true"),
    "7.0": sizes(b"7.0"),
    "7e0": sizes(b"7e0"),
    "9007199254740991.4": members(b'"x": 9007199254740991.4'),
    "2^53 in an unknown member": members(b'"x": 9007199254740992'),
    "doubled by an escape": again(b"\\u006bey"),
    "__proto__ twice": members(b'"__proto__": {}, "__proto__": {}'),
    "a lone surrogate": members(b'"x": "\\ud800"'),
    "a lone surrogate as a name": members(b'"\\udc00": 0'),
    "half a pair in raw bytes": members(b'"x": "\xed\xa0\x80"'),
    "overlong": members(b'"x": "\xc0\xaf"'),
    "a comment": lambda honest: honest + b"// and more",
    "a comma too many": lambda honest: honest[:-1] + b",}",
    "a control character": members(b'"x": "\x00"'),
    "two manifests": lambda honest: honest + honest,
    "nothing": lambda _: b"",
}


@pytest.mark.parametrize("what", sampled(CLAIMS, "2^60 bytes", "depth 100,000"))
def test_attack_18_claims(standing: Host, shell: Shell, uploader: Uploader, what: str) -> None:
    link = uploader.link(CLAIMS[what](written(uploader)))
    with hostile(standing, lambda *_: None, link) as (proxy, link):
        refuse(shell, link, proxy)


@pytest.mark.parametrize("what", sampled(READ_DIFFERENTLY, "UTF-16", "doubled by an escape"))
def test_attack_42_json_that_is_read_differently(
    standing: Host, shell: Shell, uploader: Uploader, what: str
) -> None:
    link = uploader.link(READ_DIFFERENTLY[what](written(uploader)))
    with hostile(standing, lambda *_: None, link) as (proxy, link):
        refuse(shell, link, proxy)


def test_attack_18_42_the_honest_one_is_taken(shell: Shell, uploader: Uploader) -> None:
    """Else all of the above could be refused for another reason. What is unknown is passed over."""
    unknown = {"x": [[]], "__proto__": {"size": 9}, "constructor": 1, "note": "\U0001f600"}
    link = uploader.link(written(uploader, **unknown))
    assert shell.must("cat", link).output == b"honesty"
    assert shell.must("ls", link, "--json").json["bytes"] == 7


# ---------------------------------------------------------------- bounded

MEMORY = 1200 * MIB  # room for the largest manifest that is one
SECONDS = 100.0


def filled(start: bytes, unit: bytes, end: bytes) -> Written:
    """As much of `unit` as a capsule holds, in an unknown member."""

    def write(honest: bytes) -> bytes:
        times = (LARGEST - len(honest) - len(start) - len(end) - 10) // len(unit)
        return members(start + unit * times + end)(honest)

    return write


LARGE: dict[str, tuple[Written, str]] = {
    "empty arrays": (filled(b'"x": [', b"[],", b"[]]"), "manifest-invalid"),
    "empty objects": (filled(b'"x": [', b"{},", b"{}]"), "manifest-invalid"),
    "arrays in arrays": (filled(b'"x": ', b"[", b""), "manifest-invalid"),
    "one number": (filled(b'"x": ', b"1", b""), "manifest-invalid"),
    "minus signs": (filled(b'"x": ', b"-", b""), "manifest-invalid"),
    "white space": (filled(b'"x": ', b" ", b"1.0"), "manifest-invalid"),
    "brackets in a text": (filled(b'"x": "', b"[", b'", "y": 1.0'), "manifest-invalid"),
    "quotation marks in a text without end": (
        filled(b'"x": [' + b"[" * 1_100_001 + b'"', b'\\"', b""),
        "manifest-invalid",
    ),
    "backslashes": (filled(b'"x": [' + b"[" * 1_100_001 + b'"', b"\\", b""), "manifest-invalid"),
    "escaped surrogates": (filled(b'"x": "', b"\\ud83d\\ude00", b'", "y": "\\ud800"'), "manifest-invalid"),
}


@pytest.mark.parametrize("what", sampled(LARGE))
def test_attack_18_as_much_as_a_capsule_holds(
    standing: Host, shell: Shell, uploader: Uploader, what: str
) -> None:
    """64 MiB of what costs a parser most."""
    write, code = LARGE[what]
    reader = keys.reader(uploader.owner.link_secret(0), None)
    sealed = capsule.seal(reader.root, reader.link_id, write(written(uploader)), capsule.fresh_salt())
    assert len(sealed) > MAX_CAPSULE - 4 * MIB
    link = uploader.link(written(uploader))
    with hostile(standing, answering(is_link_capsule, answer(sealed)), link) as (_, link):
        cost = cost_of(shell, "ls", link, "--json")
    assert (cost.done.code, cost.done.error["code"]) == (5, code), cost.done.err
    assert cost.memory < MEMORY
    assert cost.seconds < SECONDS


@pytest.mark.slow
def test_attack_18_a_million_files_and_one(standing: Host, shell: Shell, uploader: Uploader) -> None:
    """A million is read, one more is not; both within bounds."""
    link = uploader.link(written(uploader))
    reader = keys.reader(uploader.owner.link_secret(0), None)
    for count, code in ((1_000_000, 0), (1_000_001, 5)):
        files = b",".join(b'{"path":"%x","size":0}' % number for number in range(count))
        honest = json.dumps(uploader.manifest(("a", 0))).encode()
        manifest = honest[: honest.index(b"[") + 1] + files + b"]}"
        sealed = capsule.seal(reader.root, reader.link_id, manifest, capsule.fresh_salt())
        with hostile(standing, answering(is_link_capsule, answer(sealed)), link) as (_, away):
            cost = cost_of(shell, "ls", away)
        assert cost.done.code == code, cost.done.err[-500:]
        assert cost.done.output.count(b"\n") == (count if code == 0 else 0)
        assert cost.memory < MEMORY
        assert cost.seconds < SECONDS


@pytest.mark.slow
def test_attack_18_200_mib_of_json(standing: Host, shell: Shell, uploader: Uploader) -> None:
    """No capsule is as large: it is not taken, whether the answer says so before or not."""
    link = uploader.link(written(uploader))
    head = b"\x01" + bytes(64)
    for said in (
        answer(head + b'"files": [' * (20 * MIB)),
        answer(head + b'"files": [' * (20 * MIB), length=1 << 60),
    ):
        with hostile(standing, answering(is_link_capsule, said), link) as (_, away):
            cost = cost_of(shell, "ls", away, "--json")
        assert (cost.done.code, cost.done.error["code"]) == (6, "host-broken"), cost.done.err
        assert cost.memory < 300 * MIB
        assert cost.seconds < SECONDS


# ---------------------------------------------------------------- every vector

MANIFESTS = [path for path in VECTORS if path.name.startswith("manifest-")]


class Vectors:
    """A host that answers whatever capsule a vector implies, through one proxy for all of them."""

    def __init__(self, host: Host) -> None:
        self.proxy = Proxy(host.port)
        self.client = Client()

    def link_to(self, secret: bytes, plaintext: bytes) -> str:
        """The link of a secret; what it opens is this plaintext."""
        reader = keys.reader(secret, None)
        sealed = capsule.seal(reader.root, reader.link_id, plaintext, bytes(32))
        view = {"object": b64u(bytes(32)), "complete": True, "length": 1, "part_size": 8 * MIB}
        view |= {"expires": "2030-01-01T00:00:00Z", "downloads": 0, "downloads_left": None}

        def plan(_: int, exchange: Exchange) -> Fault:
            said = sealed if is_link_capsule(exchange) else json.dumps(view).encode()
            return Fault(instead=answer(said))

        self.proxy.plan = plan
        return Link(self.proxy.url, Fragment(Kind.DOWNLOAD, secret)).encode()


@pytest.fixture(scope="module")
def vectors(standing: Host) -> Vectors:
    return Vectors(standing)


@pytest.mark.slow
def test_attack_18_42_every_vector_over_a_socket(vectors: Vectors) -> None:
    """What the format's vectors say of bytes holds for a link that a hostile host answers."""
    told = {}
    with vectors.proxy, vectors.client:
        for path in MANIFESTS:
            vector = load(path)
            if "link_secret" not in vector["given"]:
                continue
            plaintext = b"".join(manifest_piece(piece) for piece in vector["given"]["plaintext"])
            link = vectors.link_to(bytes.fromhex(vector["given"]["link_secret"]), plaintext)
            try:
                vectors.client.list(link)
                told[path.name] = "success"
            except ConsigneError as error:
                told[path.name] = error.code
    assert told == {name: load(Path(path))["expect"] for path in MANIFESTS if (name := path.name) in told}
    assert len(told) > 150

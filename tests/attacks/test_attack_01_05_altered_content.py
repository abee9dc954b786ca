"""Attacks 1 to 5: a host serves another content than it was given, and it is refused by name.

One content of five segments, given by somebody whose keys we have; before the real host
stands one that alters what is fetched. `get`, `cat` and a seekable file are given it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from consigne.client import Client
from consigne.errors import AuthenticityError
from consigne.format import content, keys
from consigne.format.keys import ContentKeys
from consigne.protocol import SEGMENT_SIZE
from tests.attacks.hostile import (
    SEED,
    Uploader,
    hostile,
    is_content,
    left_in,
    read_all_over,
    refuses,
    sampled,
    segments_of,
    served_by,
    serving,
)
from tests.cli.shell import Shell
from tests.processes import Host
from tests.proxy import Exchange, Fault

SEGMENTS = 5
SIZE = 1_240_000
IMPATIENT = {"CONSIGNE_PATIENCE": "0.4"}


class Given:
    """A file of five segments behind a link, its keys, and its ciphertext as it ought to be."""

    def __init__(self, host: Host) -> None:
        self.plain = random.Random(SEED).randbytes(SIZE)
        self.uploader = Uploader(host)
        self.link = self.uploader.gives(("five.bin", self.plain))
        self.sealed = self.uploader.seal(self.plain)
        self.segments = segments_of(self.sealed)
        assert len(self.segments) == SEGMENTS


@pytest.fixture(scope="module")
def given(standing: Host) -> Given:
    return Given(standing)


def test_what_the_hostile_host_serves_unaltered_is_taken(standing: Host, shell: Shell, given: Given) -> None:
    """The rest of this file would pass with a proxy that answers nothing of use."""
    with hostile(standing, serving(given.sealed), given.link) as (_, link):
        shell.must("get", link, "-o", "there")
        assert (shell.here / "there/five.bin").read_bytes() == given.plain
        assert shell.must("cat", link).output == given.plain
        assert read_all_over(link, given.plain) == {}


@pytest.mark.parametrize("segment", sampled(range(SEGMENTS), 2))
def test_attack_01_one_bit_flipped(standing: Host, shell: Shell, given: Given, segment: int) -> None:
    """Anywhere in a segment, header and tag included; reading elsewhere goes on."""
    chance = random.Random(SEED + segment)
    at = chance.randrange(len(given.segments[segment]))
    altered = bytearray(given.sealed)
    altered[segment * SEGMENT_SIZE + at] ^= 1 << chance.randrange(8)
    with hostile(standing, serving(bytes(altered)), given.link) as (_, link):
        assert refuses(shell, "content-tampered", link, given.plain)["segment"] == segment
        if segment:
            assert read_all_over(link, given.plain) == {segment: "content-tampered"}
        else:
            with pytest.raises(AuthenticityError) as caught:
                read_all_over(link, given.plain)
            assert (caught.value.code, caught.value.segment) == ("content-tampered", 0)


CUTS = {
    "at a boundary": 3 * SEGMENT_SIZE,
    "before the last segment": 4 * SEGMENT_SIZE,
    "inside a segment": 2 * SEGMENT_SIZE + 1000,
    "inside the last tag": -1,
    "inside the header": 39,
}


@pytest.mark.parametrize("cut", sampled(CUTS, "at a boundary"))
def test_attack_02_cut_and_said_to_be_shorter(standing: Host, shell: Shell, given: Given, cut: str) -> None:
    """The length is judged before a byte is decrypted: not even `cat` shows what came before."""
    with hostile(standing, serving(given.sealed[: CUTS[cut]]), given.link) as (proxy, link):
        refuses(shell, "content-length", link)
        asked = [exchange for exchange in proxy.exchanges if is_content(exchange)]
        assert len(asked) == 2, "one request for each command: nothing is fetched after that"


@pytest.mark.slow
@pytest.mark.parametrize("cut", CUTS)
def test_attack_02_cut_and_said_to_be_whole(standing: Host, shell: Shell, given: Given, cut: str) -> None:
    """The rest never comes: the file has no name, and what came before is kept for another try."""
    plan = serving(given.sealed[: CUTS[cut]], announced=len(given.sealed))
    with hostile(standing, plan, given.link) as (_, link):
        done = shell.run("get", link, "-o", "there", "--json", **IMPATIENT)
        assert done.code in (5, 6), done.err
        assert done.error["code"] in ("content-truncated", "connection-lost")
        assert left_in(shell, "there") == []
        shown = shell.run("cat", link, **IMPATIENT)
        assert shown.code in (5, 6)
        assert given.plain.startswith(shown.output)
        assert len(shown.output) < SIZE
    shell.must("get", given.link, "-o", "there")
    assert (shell.here / "there/five.bin").read_bytes() == given.plain


def test_attack_02_ends_in_good_order_before_its_end(standing: Host, shell: Shell, given: Given) -> None:
    """Range not satisfiable, for bytes that the manifest implies: the host has less than it says."""
    short = given.sealed[: 3 * SEGMENT_SIZE]

    def plan(number: int, exchange: Exchange) -> Fault | None:
        served = serving(short, announced=len(given.sealed))(number, exchange)
        return Fault(instead=UNSATISFIABLE) if served is not None and served.instead == b"" else served

    with hostile(standing, plan, given.link) as (_, link):
        assert refuses(shell, "content-truncated", link, given.plain, **IMPATIENT)["segment"] == 3


UNSATISFIABLE = (
    b"HTTP/1.1 416 No\r\nContent-Type: application/problem+json\r\nConnection: close\r\n"
    b'Content-Length: 33\r\n\r\n{"code": "range-not-satisfiable"}'
)


@pytest.mark.slow
def test_attack_02_said_to_be_whole_at_first(standing: Host, shell: Shell, given: Given) -> None:
    """The length is judged with every answer, not only with the first."""
    honest, shorter = serving(given.sealed), serving(given.sealed[: 4 * SEGMENT_SIZE])
    seen: list[int] = []

    def plan(number: int, exchange: Exchange) -> Fault | None:
        if not is_content(exchange):
            return None
        seen.append(number)
        return (honest if len(seen) == 1 else shorter)(number, exchange)

    with hostile(standing, plan, given.link) as (_, link):
        shell.fails(5, "content-length", "get", link, "-o", "there")
    assert left_in(shell, "there") == []


@pytest.mark.slow
def test_attack_02_cut_by_somebody_with_the_key(standing: Host, shell: Shell, given: Given) -> None:
    """A reader who helps the host seals an earlier end. The manifest still knows the length."""
    sealer = content.Sealer(given.uploader.owner.content_keys())
    layout = content.Layout.of_content(SIZE)
    start, stop = layout.plain_range(2)
    end = bytearray(SEGMENT_SIZE)
    sealer.seal_into(2, given.plain[start:stop], memoryview(end), last=True)
    ended = b"".join([*given.segments[:2], bytes(end)])
    with hostile(standing, serving(ended), given.link) as (_, link):
        refuses(shell, "content-length", link)
    with hostile(standing, serving(ended, announced=len(given.sealed)), given.link) as (_, link):
        shell.fails(5, "content-tampered", "get", link, "-o", "there")
        assert left_in(shell, "there") == []


Moved = Callable[[list[bytes]], list[bytes]]


def swapped(one: int, other: int) -> Moved:
    def move(segments: list[bytes]) -> list[bytes]:
        moved = list(segments)
        moved[one], moved[other] = moved[other], moved[one]
        return moved

    return move


# Each keeps the length where it can, so that authentication, not arithmetic, must refuse.
MOVES: dict[str, tuple[Moved, int]] = {
    "1 and 2 swapped": (swapped(1, 2), 1),
    "0 and 1 swapped": (swapped(0, 1), 0),
    "2 and 3 swapped": (swapped(2, 3), 2),
    "1 dropped, 3 twice": (lambda s: [s[0], s[2], s[3], s[3], s[4]], 1),
    "2 in place of 3": (lambda s: [*s[:3], s[2], s[4]], 3),
    "0 twice": (lambda s: [s[0], s[0], *s[2:]], 1),
    "in reverse": (lambda s: [*s[3::-1], s[4]], 0),
    "the last one first": (lambda s: [s[0], (s[4] + s[1])[:SEGMENT_SIZE], *s[2:]], 1),
}


@pytest.mark.parametrize("move", sampled(MOVES, "1 and 2 swapped"))
def test_attack_03_segments_moved(standing: Host, shell: Shell, given: Given, move: str) -> None:
    how, segment = MOVES[move]
    moved = b"".join(how(given.segments))
    assert len(moved) == len(given.sealed)
    with hostile(standing, serving(moved), given.link) as (_, link):
        assert refuses(shell, "content-tampered", link, given.plain)["segment"] == segment


@pytest.mark.slow
@pytest.mark.parametrize("doubled", [False, True])
def test_attack_03_dropped_or_doubled_changes_the_length(
    standing: Host, shell: Shell, given: Given, *, doubled: bool
) -> None:
    segments = list(given.segments)
    segments[2:3] = segments[2:3] * 2 if doubled else []
    with hostile(standing, serving(b"".join(segments)), given.link) as (_, link):
        refuses(shell, "content-length", link)


def of_another_put(_: Given, standing: Host) -> bytes:
    """Another object by the same person: fresh keys, equal plaintext."""
    return Uploader(standing).seal(random.Random(SEED).randbytes(SIZE))


def under_the_same_key(given: Given, _: Host) -> bytes:
    """A careless owner's: one key, salt and nonce prefix for two objects. Only the id differs."""
    ours = given.uploader.owner.content_keys()
    other_id = keys.derive_object_id(given.uploader.owner.commitment, bytes(32))
    return given.uploader.seal(given.plain, ContentKeys(ours.key, ours.salt, ours.nonce_prefix, other_id))


def under_another_salt(given: Given, _: Host) -> bytes:
    """The same key and object, another header."""
    ours = given.uploader.owner.content_keys()
    return given.uploader.seal(given.plain, ContentKeys(ours.key, bytes(32), bytes(7), ours.object_id))


FOREIGN = {each.__name__: each for each in (of_another_put, under_the_same_key, under_another_salt)}


@pytest.mark.parametrize("foreign", sampled(FOREIGN, "under_the_same_key"))
@pytest.mark.parametrize("segment", sampled([1, SEGMENTS - 1], 1))
def test_attack_04_a_segment_of_another_object(
    standing: Host, shell: Shell, given: Given, foreign: str, segment: int
) -> None:
    other = segments_of(FOREIGN[foreign](given, standing))
    spliced = [*given.segments[:segment], other[segment], *given.segments[segment + 1 :]]
    with hostile(standing, serving(b"".join(spliced)), given.link) as (_, link):
        assert refuses(shell, "content-tampered", link, given.plain)["segment"] == segment


@pytest.mark.slow
@pytest.mark.parametrize("foreign", ["of_another_put", "under_the_same_key"])
def test_attack_05_another_object_of_the_same_length(
    standing: Host, shell: Shell, given: Given, foreign: str
) -> None:
    with hostile(standing, serving(FOREIGN[foreign](given, standing)), given.link) as (_, link):
        assert refuses(shell, "content-tampered", link, given.plain)["segment"] == 0


@pytest.mark.slow
def test_attack_05_two_real_puts_exchanged_on_the_way(standing: Host, shell: Shell, tmp_path: Path) -> None:
    """The host sends A's content for B's, ticket and all; both lengths are the same."""
    names = {name: shell.write(name, random.Random(name).randbytes(300_000)) for name in ("a", "b")}
    links = {name: shell.put(str(path))["link"] for name, path in names.items()}
    shell.must("get", links["a"], "-o", str(tmp_path / "whole"))
    with hostile(standing, lambda *_: None, links["a"]) as (proxy, link):
        shell.must("cat", link)
    with hostile(standing, serving(served_by(proxy.exchanges)), links["b"]) as (_, link):
        assert refuses(shell, "content-tampered", link)["segment"] == 0
        with Client() as client, pytest.raises(AuthenticityError):
            client.open(link)

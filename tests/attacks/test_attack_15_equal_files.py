"""Attack 15: equal files look like any two files. Nothing that goes over the wire is common to two puts.

A file of zeros is put, which has no block of its own: whatever repeats on the wire would
repeat because of the keys. Compared are all bodies, at every offset, and all ids and tokens.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import pytest

from tests.attacks.hostile import SEED
from tests.cli.shell import Shell
from tests.processes import Host
from tests.proxy import Exchange, Proxy

BLOCK = 16
SIZE = 700_000
CONTENTS = {"zeros": bytes(SIZE), "noise": random.Random(SEED).randbytes(SIZE)}


def octets(exchanges: Sequence[Exchange]) -> bytes:
    """Every body that is no JSON: parts and capsules."""
    return b"".join(bytes(e.body) for e in exchanges if e.method == "PUT" and not e.body.startswith(b"{"))


def names(exchanges: Sequence[Exchange]) -> set[bytes]:
    """Every id, token, hash and commitment that was sent."""
    sent = b" ".join(bytes(e.head) + bytes(e.body) for e in exchanges if len(e.body) < 2000)
    return set(re.findall(rb"(?<![\w-])[\w-]{43}(?![\w-])", sent))


def common_blocks(one: bytes, other: bytes) -> int:
    """Blocks of the one that stand anywhere in the other."""
    blocks = {one[at : at + BLOCK] for at in range(0, len(one) - BLOCK + 1, BLOCK)}
    return sum(other[at : at + BLOCK] in blocks for at in range(len(other) - BLOCK + 1))


def test_the_searcher_finds_a_common_block() -> None:
    one, other = (random.Random(seed).randbytes(5000) for seed in (1, 2))
    assert common_blocks(one, other) == 0
    assert common_blocks(one, other[:777] + one[160:176] + other[777:]) == 1


@pytest.mark.parametrize("content", CONTENTS)
def test_attack_15_the_same_file_put_again(
    standing: Host, shell: Shell, tmp_path: Path, content: str
) -> None:
    """By the same command, under another name, from standard input, by somebody else."""
    shell.write("same.bin", CONTENTS[content])
    shell.write("other name.bin", CONTENTS[content])
    (tmp_path / "else").mkdir()
    somebody = Shell(tmp_path / "else", standing.url)
    somebody.write("same.bin", CONTENTS[content])
    puts: list[list[Exchange]] = []
    with Proxy(standing.port) as proxy:
        for who, words, stdin in (
            (shell, ["same.bin"], b""),
            (shell, ["same.bin"], b""),
            (shell, ["other name.bin"], b""),
            (shell, ["-", "--name", "same.bin"], CONTENTS[content]),
            (somebody, ["same.bin"], b""),
        ):
            who.must("put", *words, "--to", proxy.url, stdin=stdin)
            puts.append(list(proxy.exchanges))
            proxy.exchanges.clear()
    for put in puts:
        body = octets(put)
        assert len(body) > SIZE
        blocks = [body[at : at + BLOCK] for at in range(0, len(body), BLOCK)]
        assert len(set(blocks)) == len(blocks), "nothing repeats inside of one either"
    for one, other in combinations(puts, 2):
        assert common_blocks(octets(one), octets(other)) == 0
        assert names(one)
        assert not names(one) & names(other)

"""Attack 41: what is no plain file, or does not hold still, while it is put.

Named and skipped, or a clear error; and of a file that took another's place not one byte is
sent, sealed as it would be: the link works from the first byte on.
"""

from __future__ import annotations

import os
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from consigne.errors import LocalError
from consigne.format import capsule, content, keys, manifest
from consigne.format.link import parse_link
from consigne.protocol import MIB, SEGMENT_SIZE, part_size_for
from tests.attacks.hostile import SEED, segments_of
from tests.cli.shell import Shell
from tests.processes import Host
from tests.proxy import Exchange, Fault, Proxy

MARK = b"SOMEBODY-ELSES-SECRET-"


def odd_bag(bag: Path) -> dict[str, str]:
    """A folder with everything in it that is no file; what each is."""
    (bag / "inner").mkdir(parents=True)
    (bag / "file").write_bytes(b"content")
    (bag / "inner/file").write_bytes(b"more")
    odd = {"to a file": "file", "to a folder": "inner", "loop": ".", "dangling": "nowhere", "out": "/etc"}
    for name, to in odd.items():
        (bag / name).symlink_to(to)
    os.mkfifo(bag / "pipe")
    kinds = {**dict.fromkeys(odd, "symbolic link"), "pipe": "pipe"}
    with suppress(PermissionError):  # only root makes devices, and not in every container
        os.mknod(bag / "inner/zero", 0o600 | 0o020000, os.makedev(1, 5))
        kinds["zero"] = "device"
    return kinds


def test_attack_41_what_is_no_file_is_named_and_skipped(shell: Shell) -> None:
    kinds = odd_bag(shell.here / "bag")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(shell.here / "bag/socket"))
        put = shell.put("bag")
    skipped = {Path(each["path"]).name: each["reason"] for each in put["skipped"]}
    assert skipped == {**kinds, "socket": "socket"}
    shell.must("get", put["link"], "-o", "there")
    got = {str(p.relative_to(shell.here / "there")) for p in (shell.here / "there").rglob("*")}
    assert got == {"bag", "bag/file", "bag/inner", "bag/inner/file"}


@pytest.mark.parametrize("what", ["pipe", "/dev/zero"])
def test_attack_41_named_itself_it_is_no_file_either(shell: Shell, what: str) -> None:
    """Neither waited for nor read without end."""
    os.mkfifo(shell.here / "pipe")
    shell.fails(7, "nothing-to-put", "put", what)


@pytest.mark.slow
def test_attack_41_a_sparse_file_is_as_long_as_it_says(shell: Shell) -> None:
    with (shell.here / "sparse").open("wb") as file:
        file.truncate(50 * MIB)
        file.seek(31 * MIB)
        file.write(b"island")
    put = shell.put("sparse")
    shell.must("get", put["link"], "-o", "there")
    got = (shell.here / "there/sparse").read_bytes()
    assert got == (shell.here / "sparse").read_bytes()


def test_attack_41_a_sparse_file_over_all_limits(shell: Shell) -> None:
    """A terabyte that takes no room: refused before a byte of it is read."""
    with (shell.here / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    shell.fails(2, "content-too-large", "put", "sparse")


@contextmanager
def without_end(file: Path, change: Callable[[Path], None]) -> Iterator[None]:
    """Change a file again and again, until the end."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(0.005):
            change(file)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def grow(file: Path) -> None:
    with file.open("ab") as log:
        log.write(b"one more line\n")


def shrink(file: Path) -> None:
    os.truncate(file, max(0, file.stat().st_size - 1))


def rewrite(file: Path) -> None:
    """In its place, in its length, its times set back."""
    before = file.stat()
    with file.open("r+b") as other:
        other.seek(before.st_size // 2)
        other.write(b"other")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.slow
@pytest.mark.parametrize("change", [grow, shrink, rewrite])
def test_attack_41_43_a_file_that_does_not_hold_still(
    standing: Host, shell: Shell, change: Callable[[Path], None]
) -> None:
    """Never complete, and the host is told to forget it; as soon as it holds still it is put whole."""
    file = shell.write("log", random.Random(SEED).randbytes(30 * MIB))
    with Proxy(standing.port) as proxy:
        with without_end(file, change):
            done = shell.run("put", "log", "--to", proxy.url, "--json")
        assert (done.code, done.error["code"]) == (LocalError.exit_code, "file-changed"), done.err
        assert "/d#" not in done.out
        assert not any(exchange.path.endswith("/complete") for exchange in proxy.exchanges)
        assert any(exchange.method == "DELETE" for exchange in proxy.exchanges)
    link = shell.put("log")["link"]
    shell.must("get", link, "-o", "there")
    assert (shell.here / "there/log").read_bytes() == file.read_bytes()


def plaintexts(exchanges: list[Exchange], link: str) -> bytes:
    """What the parts that were sent say, to somebody who has the link."""
    secret = parse_link(link).fragment.secret
    reader = keys.reader(secret, None)
    (sealed,) = {
        bytes(e.body) for e in exchanges if re.fullmatch(r".*/links/[^/]+/capsule", e.path) and e.body
    }
    share = manifest.parse_for_link(capsule.unseal(reader.root, reader.link_id, sealed), secret)
    layout, plain = share.layout, bytearray(content.CAPACITY)
    parts = {e.part[1]: bytes(e.body) for e in exchanges if e.part is not None}
    opener = content.Opener(share.key, share.object_id, parts[0][:40])
    per_part = (part_size_for(layout.ciphertext_length) or 0) // SEGMENT_SIZE
    said = b""
    for part, body in parts.items():
        for number, segment in enumerate(segments_of(body), part * per_part):
            size = opener.open_into(
                number, memoryview(segment), memoryview(plain), last=layout.is_last(number)
            )
            said += plain[:size]
    return said


def a_link(bag: Path, secret: Path) -> None:
    (bag / "z.bin").unlink()
    (bag / "z.bin").symlink_to(secret)


def a_link_on_the_way(bag: Path, secret: Path) -> None:
    """The folder is exchanged: the file in it is a plain one."""
    bag.rename(bag.with_name("away"))
    bag.symlink_to(secret.parent, target_is_directory=True)


def another_file(bag: Path, secret: Path) -> None:
    (bag / "z.bin").unlink()
    os.link(secret, bag / "z.bin")


def a_pipe(bag: Path, _: Path) -> None:
    (bag / "z.bin").unlink()
    os.mkfifo(bag / "z.bin")


@pytest.mark.slow
@pytest.mark.parametrize("exchange_it", [a_link, a_link_on_the_way, another_file, a_pipe])
def test_attack_41_another_file_takes_its_place(
    standing: Host, shell: Shell, exchange_it: Callable[[Path, Path], None]
) -> None:
    """Between the finding and the reading, by whoever may write to the folder that another user puts.

    Of the same size, so that nothing but its identity gives it away.
    """
    chance = random.Random(SEED)
    bag = shell.write("bag/a.bin", chance.randbytes(45 * MIB)).parent
    secret = shell.write("private/z.bin", MARK * (MIB // len(MARK)))
    shell.write("private/a.bin", (MARK * (45 * MIB // len(MARK) + 1))[: 45 * MIB])
    shell.write("bag/z.bin", chance.randbytes(secret.stat().st_size))
    first, turn, exchanged = threading.Lock(), threading.Lock(), threading.Event()

    def plan(_: int, exchange: Exchange) -> Fault | None:
        """One part arrives; then the file is exchanged, while all senders are at a.bin still."""
        if exchange.part is None or first.acquire(blocking=False):
            return None
        with turn:
            while not any(part.acknowledged for part in proxy.parts()):
                time.sleep(0.01)
            if not exchanged.is_set():
                exchange_it(bag, secret)
                exchanged.set()
        return None

    with Proxy(standing.port, plan) as proxy:
        process = shell.start("put", "bag", "--to", proxy.url)
        out, err = (text.decode() for text in process.communicate(timeout=100))
        assert process.returncode == LocalError.exit_code, err
        assert "/m#" not in out
        link = re.findall(r"link: (\S+)", err)[0]
        said = plaintexts(proxy.exchanges, link)
    assert len(said) > 7 * MIB, "something was sent, and is looked at"
    assert MARK not in said

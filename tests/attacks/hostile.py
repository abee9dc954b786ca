"""Those who attack: an uploader who makes what our client never makes, a host that answers what it likes.

The uploader has all keys of what he gives, and a real host keeps it. The hostile host is
a proxy before a real one: a `Plan` says which answers are its own.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from consigne import protocol
from consigne.client import Client
from consigne.errors import AuthenticityError
from consigne.format import capsule, content, keys
from consigne.format.link import Fragment, Kind, Link
from consigne.protocol import SEGMENT_SIZE, b64u
from tests import hosts
from tests.cli.shell import Done, Shell
from tests.processes import CONSIGNE, Host
from tests.proxy import Exchange, Fault, Proxy
from tests.soak import EVERY_CASE, SEED

SAMPLE = 4
Plan = Callable[[int, Exchange], Fault | None]
Wanted = Callable[[Exchange], bool]


def sampled(names: Iterable[Any], *fast: object) -> list[Any]:
    """A family for `parametrize`: what is named here always, of the others a few where slow tests run.

    All of them with `CONSIGNE_TEST_ATTACKS=all`; the seed chooses the few.
    """
    family = list(names)
    others = [name for name in family if name not in fast]
    few = others if EVERY_CASE else random.Random(SEED).sample(others, min(SAMPLE, len(others)))
    chosen = [name for name in family if name in fast or name in few]
    return [name if name in fast else pytest.param(name, marks=pytest.mark.slow) for name in chosen]


# ---------------------------------------------------------------- an uploader


@dataclass
class Uploader:
    """Somebody with the format and no scruples. One owner secret, as for everyone."""

    host: Host
    owner: keys.Owner = field(default_factory=keys.Owner.fresh)

    def manifest(self, *files: tuple[str, int], number: int = 0, **others: object) -> dict[str, Any]:
        """An honest manifest of these files; `others` say something else."""
        return {
            "format": "consigne-manifest/1",
            "object": b64u(self.owner.object_id),
            "key": b64u(self.owner.content_key),
            "owner": b64u(self.owner.owner_hash),
            "seed": b64u(self.owner.link_seed(number)),
            "length": sum(size for _, size in files),
            "files": [{"path": path, "size": size} for path, size in files],
            **others,
        }

    def seal(self, plain: bytes, content_keys: keys.ContentKeys | None = None) -> bytes:
        """The ciphertext of a content; `content_keys` other than his own where he likes."""
        layout = content.Layout.of_content(len(plain))
        sealer = content.Sealer(content_keys or self.owner.content_keys())
        padded, sealed = plain.ljust(layout.stream_length, b"\0"), bytearray(layout.ciphertext_length)
        for segment in range(layout.segments):
            (start, stop), at = layout.plain_range(segment), layout.cipher_range(segment)[0]
            last = layout.is_last(segment)
            sealer.seal_into(segment, padded[start:stop], memoryview(sealed)[at:], last=last)
        return bytes(sealed)

    def put(self, ciphertext: bytes) -> None:
        """A complete object of these bytes, whatever they are."""
        us = self._known_as(0)
        assert us.begin(len(ciphertext)).status == 201
        for part, start in enumerate(range(0, len(ciphertext), protocol.PART_SIZES[0])):
            assert us.send(part, ciphertext[start : start + protocol.PART_SIZES[0]]).status == 204
        assert us.complete(len(ciphertext)).status == 200

    def link(self, manifest: dict[str, Any] | bytes, number: int = 0) -> str:
        """A link whose capsule holds this manifest, or these bytes in its place."""
        plain = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
        reader = keys.reader(self.owner.link_secret(number), None)
        sealed = capsule.seal(reader.root, reader.link_id, plain, capsule.fresh_salt())
        return self.link_with(sealed, number)

    def link_with(self, sealed: bytes, number: int = 0) -> str:
        """A link with this very capsule."""
        self._known_as(number).share(capsule=sealed)
        return Link(self.host.url, Fragment(Kind.DOWNLOAD, self.owner.link_secret(number))).encode()

    def gives(self, *files: tuple[str, bytes]) -> str:
        """A link to honest files."""
        self.put(self.seal(b"".join(plain for _, plain in files)))
        return self.link(self.manifest(*((path, len(plain)) for path, plain in files)))

    def _known_as(self, number: int) -> hosts.Owner:
        reader = keys.reader(self.owner.link_secret(number), None)
        return hosts.Owner(
            self.host.port, self.owner.token, self.owner.commitment, reader.link_id, reader.token
        )


# ---------------------------------------------------------------- a hostile host


def is_content(exchange: Exchange) -> bool:
    return exchange.path.endswith("/content")


def is_link_capsule(exchange: Exchange) -> bool:
    return exchange.method == "GET" and re.fullmatch(r".*/links/[^/]+/capsule", exchange.path) is not None


def is_owner_capsule(exchange: Exchange) -> bool:
    return exchange.method == "GET" and re.fullmatch(r".*/objects/[^/]+/capsule", exchange.path) is not None


def answer(body: bytes, *fields: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """An answer that says it has `length` bytes."""
    announced = len(body) if length is None else length
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {announced}", "Connection: close", *fields)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answering(wanted: Wanted, said: bytes) -> Plan:
    """Says the same to everything that is wanted."""
    return lambda _, exchange: Fault(instead=said) if wanted(exchange) else None


def serving(data: bytes, announced: int | None = None) -> Plan:
    """Serves other content, in ranges, as long as there is any; `announced`: as its length."""
    total = len(data) if announced is None else announced

    def plan(_: int, exchange: Exchange) -> Fault | None:
        if not is_content(exchange):
            return None
        start, stop = asked_range(exchange)
        piece = data[start : min(stop, total)]
        if not piece:
            return Fault(instead=b"")  # the connection ends, as if something were to come
        told = f"Content-Range: bytes {start}-{start + len(piece) - 1}/{total}"
        return Fault(instead=answer(piece, told, status="206 Partial Content"))

    return plan


def served_by(exchanges: Sequence[Exchange]) -> bytes:
    """The content, out of the answers that carried it."""
    whole = bytearray()
    for exchange in sorted(filter(is_content, exchanges), key=asked_range):
        start, _ = asked_range(exchange)
        whole[start : start + len(exchange.answer)] = exchange.answer
    return bytes(whole)


def asked_range(exchange: Exchange) -> tuple[int, int]:
    """[start, stop) of the ciphertext that a request asks for."""
    found = re.search(rb"(?i)\r\nrange: bytes=(\d+)-(\d+)\r\n", exchange.head)
    assert found is not None
    return int(found[1]), int(found[2]) + 1


@contextmanager
def hostile(host: Host, plan: Plan, link: str) -> Iterator[tuple[Proxy, str]]:
    """A hostile host, and the link by way of it."""
    with Proxy(host.port, plan) as proxy:
        yield proxy, link.replace(host.url, proxy.url)


# ---------------------------------------------------------------- who is attacked


def read_all_over(link: str, plain: bytes, password: str | None = None) -> dict[int | None, str]:
    """Some bytes out of each segment, by a seekable file: the code of each that is refused.

    What is read is what was put, or this fails.
    """
    layout = content.Layout.of_content(len(plain))
    refused: dict[int | None, str] = {}
    with Client() as client, client.open(link, password=password) as buffered:
        file = buffered.raw  # without reading ahead into the next segment
        for segment in range(layout.segments):
            start, stop = layout.plain_range(segment)
            file.seek(start)
            try:
                assert file.read(64) == plain[start : start + 64]
                file.seek(min(stop, len(plain)) - 64)
                assert file.read(64) == plain[: min(stop, len(plain))][-64:]
            except AuthenticityError as error:
                refused[error.segment] = error.code
    return refused


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds, and bytes of memory at its peak."""

    done: Done
    seconds: float
    memory: int


# A small process between: what a child has at its peak includes what its parent was when it forked.
WEIGH = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(child.pid, 0)
open(sys.argv[1], "w").write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))
"""


def cost_of(shell: Shell, *words: str | Path) -> Cost:
    """Run a command to its end, and look at what the system says of it."""
    began, weight = time.monotonic(), shell.here.parent / "weight"
    command = [sys.executable, "-c", WEIGH, str(weight), CONSIGNE, *map(str, words)]
    ran = subprocess.run(
        command, cwd=shell.here, env=shell.environment, capture_output=True, timeout=200, check=False
    )
    done = Done(ran.returncode, ran.stdout, ran.stderr.decode())
    assert "Traceback" not in done.err
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(done, time.monotonic() - began, int(weight.read_text()) * unit)


def password(shell: Shell, text: str) -> tuple[str, str]:
    """The words that give a command a password."""
    return "--password-file", str(shell.write(f"password-{len(text)}", text))


def segments_of(data: bytes) -> list[bytes]:
    """A ciphertext, cut where its segments are."""
    return [data[start : start + SEGMENT_SIZE] for start in range(0, len(data), SEGMENT_SIZE)]


def refuses(shell: Shell, code: str, link: str, plain: bytes = b"", **more: str) -> dict[str, Any]:
    """`get` and `cat` refuse a link with this code, exit 5, and give out nothing that was not put."""
    error = shell.fails(AuthenticityError.exit_code, code, "get", link, "-o", "there", **more).error
    assert not left_in(shell, "there"), "nothing is kept under any name"
    shown = shell.run("cat", link, **more)
    assert shown.code == AuthenticityError.exit_code, shown.err
    assert plain.startswith(shown.output), "never a wrong byte"
    assert len(shown.output) < max(1, len(plain)), "never to the end"
    return error


def left_in(shell: Shell, folder: str) -> Sequence[str]:
    """Every file that stands in a folder with a name of its own."""
    found = (path.relative_to(shell.here / folder) for path in (shell.here / folder).rglob("*"))
    return [str(path) for path in found if not path.parts[0].startswith(".consigne-")]

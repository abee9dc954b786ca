"""What a host answers: believed after every check, or `host-broken`; its words are never shown."""

from __future__ import annotations

import itertools
import json

from consigne import protocol
from consigne.client import answers, registering
from consigne.errors import ConsigneError, HostError
from tests.fuzz.target import Target


def check(data: bytes) -> None:
    number = int.from_bytes(data[-2:], "big")
    error = answers.refused(300 + number % 300, data, data[:6].decode("latin-1"))
    assert isinstance(error, ConsigneError)
    assert error.code in (*protocol.PROBLEMS, "host-broken", "host-redirects")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = data.decode("latin-1")
    for read in (answers.object_state, answers.link_state, answers.link_view, _range):
        try:
            found = read(value)
        except HostError as refused:
            assert refused.code == "host-broken"
        else:
            _judge(found)


def _range(value: object) -> dict[str, object]:
    first, stop, total = answers.content_range(value if isinstance(value, str) else "", 5, 10)
    assert 5 == first < stop <= min(10, total)
    return {}


def _judge(found: dict[str, object]) -> None:
    if "parts" in found:
        pairs = [(first, last) for first, last in found["parts"]]  # type: ignore[attr-defined]
        assert all(first <= last < protocol.MAX_PARTS for first, last in pairs)
        assert all(before[1] + 1 < after[0] for before, after in itertools.pairwise(pairs))
        assert found["part_size"] in protocol.PART_SIZES
        try:
            durable = registering.durable_parts(found)  # type: ignore[arg-type]
        except HostError:
            return
        assert len(durable) <= protocol.MAX_PARTS


def seeds() -> list[bytes]:
    link = {
        "id": "x",
        "expires": "2026-12-01T00:00:00Z",
        "downloads": 0,
        "downloads_left": None,
        "locked": False,
    }
    state = {
        "id": "x",
        "complete": False,
        "length": 20 * 2**20,
        "part_size": 8 * 2**20,
        "parts": [[0, 0], [2, 2]],
    }
    view = {**link, "object": "x", "complete": True, "length": 5, "part_size": 8 * 2**20}
    known = [{"code": code, "status": problem.status} for code, problem in protocol.PROBLEMS.items()]
    values = [{**state, "expires": link["expires"], "links": [link]}, view, "bytes 5-9/10", *known]
    values += [{**values[0], "parts": parts} for parts in ([[5, 3]], [[0, 1], [2, 3]], [[0, 10_000]])]
    return [*(json.dumps(value).encode() for value in values), b"[" * 4000, b'{"code":' * 500]


TARGET = Target(
    "host_answers", check, seeds, words=(b"null", b"[", b"-1", b"1e3", b"9" * 30, b"true", b"[0,9999]")
)

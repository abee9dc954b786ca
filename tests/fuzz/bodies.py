"""JSON bodies: what the API takes has exactly the members of protocol.py, each once, of their types."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from typing import Any, get_type_hints

from starlette.requests import Request

from consigne import protocol
from consigne.server.api.requests import json_of
from consigne.server.refusal import Refusal
from tests.fuzz.target import Target

SHAPES = (protocol.NewObject, protocol.NewLink, protocol.Completion, protocol.Extension)


def check(data: bytes) -> None:
    for shape in SHAPES:
        try:
            value = _outcome(json_of(_request(data), shape))
        except Refusal as refusal:
            assert refusal.code in ("bad-request", "too-large")
            continue
        hints = get_type_hints(shape)
        assert set(value) == set(hints)
        assert all(isinstance(value[name], hint) for name, hint in hints.items())
        assert not any(isinstance(member, bool) for member in value.values())
        pairs = json.loads(data.decode("utf-8"), object_pairs_hook=list)
        assert dict(pairs) == value
        assert len(pairs) == len(value)


def _outcome(work: Coroutine[None, None, Any]) -> Any:  # noqa: ANN401 - whatever it returns
    """What a coroutine returns that never waits."""
    try:
        work.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


def _request(data: bytes) -> Request:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": data, "more_body": False}

    headers = [(b"content-length", b"%d" % len(data))]
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


def seeds() -> list[bytes]:
    known: dict[str, object] = {"length": 5, "expires_in": None, "downloads": 1}
    whole = [{name: known.get(name, "A" * 43) for name in get_type_hints(shape)} for shape in SHAPES]
    doubled = [
        b'{"length":5,"length":5}',
        b'{"length":5,"\\u006cength":5}',
        b'{"length":5.0}',
        b'{"length":true}',
    ]
    return [*(json.dumps(each).encode() for each in whole), *doubled]


WORDS = (
    b"null",
    b"true",
    b"1.0",
    b"1e3",
    b"9" * 5000,
    b"[" * 2000,
    b'"length":6,',
    b'"\\u006cength":7,',
    b"\\ud800",
)
TARGET = Target(
    "bodies", check, seeds, words=(*WORDS, b"\xef\xbb\xbf", b"NaN", b"//x\n", b" " * 100), most=17_000
)

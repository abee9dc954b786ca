"""Strict JSON: what is accepted means what every reader of JSON takes it for, and stays it."""

from __future__ import annotations

import json

from consigne.errors import AuthenticityError
from consigne.format import strict_json
from tests.fuzz.target import Target


def check(data: bytes) -> None:
    try:
        value = strict_json.parse(data)
    except AuthenticityError as error:
        assert error.code == "manifest-invalid"
        return
    text = data.decode("utf-8")
    assert json.loads(text, object_pairs_hook=_each_once) == value
    _judge(value, depth=0)
    assert strict_json.parse(strict_json.serialise(value)) == value


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names)
    return dict(pairs)


def _judge(value: object, *, depth: int) -> None:
    """Only what the format knows comes out."""
    if isinstance(value, dict | list):
        assert depth < strict_json.MAX_DEPTH
        for name in value if isinstance(value, dict) else ():
            name.encode("utf-8")
        for child in value.values() if isinstance(value, dict) else value:
            _judge(child, depth=depth + 1)
    elif isinstance(value, str):
        value.encode("utf-8")
    else:
        assert value is None or isinstance(value, bool) or 0 <= value <= strict_json.MAX_NUMBER


def seeds() -> list[bytes]:
    return [
        b'{"a":[1,2,{"b":null}],"c":"\\u00e9\\n"}',
        b"[" * 16 + b"]" * 16,
        b"[" * 17 + b"]" * 17,
        b'"\\ud83d\\ude00"',
        b'"\\ud800"',
        b'{"\\u0061":1,"a":2}',
        b" 9007199254740991 ",
        b"[-1]",
        b"-0",
        b"01",
        b"[true,false,-0,1.0,1e3,NaN]",
        b'{"__proto__":{}}',
        "\ufeff{}".encode(),
        "[1]".encode("utf-16"),
    ]


TARGET = Target(
    "json_texts", check, seeds, words=(b"[", b"]", b'{"', b'":', b",", b"\\u", b"\\ud8", b"NaN", b"-0")
)

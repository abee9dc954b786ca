"""JSON that every language reads alike, or not at all.

Python's `json` takes UTF-16, NaN, doubled names and dies of depth; `JSON.parse`
keeps the last double and rounds. A manifest that two readers understand
differently is an attack, so this reader refuses all of it (RFC 8259 allows to).
"""

from __future__ import annotations

import json
import re
from typing import Final, NoReturn

from consigne.errors import AuthenticityError

MAX_DEPTH: Final = 16
MAX_CONTAINERS: Final = 1_100_000  # objects and arrays in all: a million files and some
MAX_NUMBER: Final = 2**53 - 1
_NUMBER: Final = re.compile(r"(0|[1-9][0-9]{0,15})\Z", re.ASCII)
# Possessive, and to the end where a text has no end: in time and memory of one pass, whatever is in it.
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+\\?(?:"|\Z)', re.DOTALL)
_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")


def parse(data: bytes) -> object:
    """The value in `data`: strict UTF-8, no double names, whole numbers, depth 16.

    Raises AuthenticityError `manifest-invalid` for everything else.
    """
    _check_containers(data)
    try:
        text = data.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_number,
            parse_float=_refuse,
            parse_constant=_refuse,
        )
    except (ValueError, RecursionError):
        raise invalid("it is not strict JSON") from None
    _check_depth(value)
    if _SURROGATE_ESCAPE.search(text):
        _check_strings(value)
    return value


def serialise(value: object) -> bytes:
    """Compact UTF-8 JSON. Raises ValueError for lone surrogates and numbers that are none."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")


def invalid(reason: str) -> AuthenticityError:
    """A manifest that must not be used; `reason` never quotes it."""
    return AuthenticityError(
        "manifest-invalid",
        f"The link's manifest is invalid: {reason}.",
        hint="It was made by a faulty or hostile program. Nothing was fetched.",
    )


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name stands twice")
    return result


def _number(text: str) -> int:
    if not _NUMBER.match(text) or int(text) > MAX_NUMBER:
        raise ValueError("not a number of the format")
    return int(text)


def _refuse(_text: str) -> NoReturn:
    raise ValueError("not a number of the format")


def _check_containers(data: bytes) -> None:
    """Refuse, before they are built, more objects and arrays than any manifest has."""
    if data.count(b"{") + data.count(b"[") <= MAX_CONTAINERS:
        return
    outside = _STRING.sub(b"", data)
    if outside.count(b"{") + outside.count(b"[") > MAX_CONTAINERS:
        raise invalid("it holds too many values")


def _check_depth(value: object) -> None:
    """Level by level, without recursion; C's parser has its own limit far above 16."""
    level: list[dict[str, object] | list[object]] = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
    if level:
        raise invalid("it is nested too deeply")


def _check_strings(value: object) -> None:
    """No lone surrogate survives unescaping, in names and values alike."""
    try:
        serialise(value)
    except ValueError:
        raise invalid("it holds text that is not Unicode") from None

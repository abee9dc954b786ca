"""JSON that every language reads alike, or not at all.

Python's `json` takes UTF-16, NaN, doubled names and dies of depth; `JSON.parse`
keeps the last double and rounds. A manifest that two readers understand
differently is an attack, so this reader refuses all of it (RFC 8259 allows to).
"""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import Final, NoReturn

from consigne.errors import AuthenticityError

MAX_DEPTH: Final = 16
MAX_CONTAINERS: Final = 1_100_000  # objects and arrays in all: a million files and some
MAX_COMMAS: Final = 5_500_000  # between values in all: a million files of five members and some
MAX_NUMBER: Final = 2**53 - 1
_NUMBER: Final = re.compile(r"(0|[1-9][0-9]{0,15})\Z", re.ASCII)
# Each match ends at the next such sign that stands in no text, the last one or two at the end of
# the data. Possessive, and a text that never closes takes the rest: linear on every input.
_SKIPPING: Final = rb'(?:[^"%b]++|"(?:[^"\\]++|\\.)*+"?+)*+([%b])?+'
_OPENING: Final = re.compile(_SKIPPING % (b"{[", b"{["), re.DOTALL)
_COMMA: Final = re.compile(_SKIPPING % (b",", b","), re.DOTALL)
_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")


def parse(data: bytes) -> object:
    """The value in `data`: strict UTF-8, no double names, whole numbers, depth 16.

    Raises AuthenticityError `manifest-invalid` for everything else.
    """
    _check_count(data)
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
        raise ValueError  # a name stands twice
    return result


def _number(text: str) -> int:
    if not _NUMBER.match(text) or int(text) > MAX_NUMBER:
        raise ValueError
    return int(text)


def _refuse(_text: str) -> NoReturn:
    raise ValueError


def _check_count(data: bytes) -> None:
    """Refuse, before they are built, more values than any manifest has: they take the memory."""
    most_openings = data.count(b"{") + data.count(b"[")
    if most_openings > MAX_CONTAINERS and _stands_more_than(MAX_CONTAINERS, _OPENING, data):
        raise invalid("it holds too many objects and arrays")
    if data.count(b",") > MAX_COMMAS and _stands_more_than(MAX_COMMAS, _COMMA, data):
        raise invalid("it holds too many values")


def _stands_more_than(most: int, sign: re.Pattern[bytes], data: bytes) -> bool:
    one_more = next(islice(sign.finditer(data), most, None), None)
    return one_more is not None and one_more[1] is not None


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

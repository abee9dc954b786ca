"""What a host answers, checked before it is believed.

A host's own words are never shown: its problem codes choose words of ours, so that
nothing it sends reaches a terminal.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from consigne import protocol
from consigne.client.patience import TransientError
from consigne.errors import ConsigneError, GoneError, HostError, PasswordError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TRY_AGAIN: Final = frozenset((408, 425, 429, 500, 502, 503, 504))
TRY_AGAIN_CODES: Final = frozenset(("part-busy", "busy", "not-yet", "too-slow", "internal", "storage-failed"))
_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15})\Z", re.ASCII)
_Checked = TypeVar("_Checked")


def refused(status: int, body: bytes, retry_after_text: str) -> ConsigneError:
    """The error of ours that an answer other than success stands for."""
    code = _problem_code(body)
    problem = protocol.PROBLEMS.get(code)
    if problem is None:
        code = "host-redirects" if 300 <= status < 400 else "host-broken"
    title = problem.title if problem else f"The host answers with status {status}, which means nothing here."
    hint = problem.hint if problem else "Check the address; is it a Consigne host?"
    retry_after = _retry_after(retry_after_text)
    if code in ("not-found", "gone", "downloads-used-up"):
        return GoneError(code, title, hint=hint)
    if code == "limit":
        return UsageError(code, title, hint=hint)
    if code in ("slow-down", "link-locked"):
        wait = f" ({retry_after:.0f} seconds)" if retry_after else ""
        return PasswordError(code, title + wait, hint=hint)
    if code in TRY_AGAIN_CODES or (problem is None and status in TRY_AGAIN):
        return TransientError(code, title, hint=hint, status=status, retry_after=retry_after)
    return HostError(code, title, hint=hint, status=status, retry_after=retry_after)


def _problem_code(body: bytes) -> str:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    code = value.get("code") if isinstance(value, dict) else None
    return code if isinstance(code, str) else ""


def _retry_after(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[0-9]{1,6}", text, re.ASCII) else None


def checked(build: Callable[[], _Checked]) -> _Checked:
    """A value out of the host's answer; whatever is wrong with it is the host's fault."""
    try:
        return build()
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
        raise broken() from None


def _typed(value: Mapping[str, Any], name: str, kind: type[_Checked]) -> _Checked:
    member = value[name]
    if not isinstance(member, kind) or (kind is int and isinstance(member, bool)):
        raise TypeError(name)
    if kind is int and not 0 <= cast("int", member) < 2**53:
        raise ValueError(name)
    return member


def _optional_int(value: Mapping[str, Any], name: str) -> int | None:
    return None if value[name] is None else _typed(value, name, int)


def _instant(value: Mapping[str, Any], name: str) -> str:
    text = _typed(value, name, str)
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text, re.ASCII):
        raise ValueError(name)
    return text


def object_state(value: Mapping[str, Any]) -> protocol.ObjectState:
    """What an owner sees of an object."""

    def build() -> protocol.ObjectState:
        part_size = _typed(value, "part_size", int)
        if part_size not in protocol.PART_SIZES:
            raise ValueError("part_size")
        return {
            "id": _typed(value, "id", str),
            "complete": _typed(value, "complete", bool),
            "length": _optional_int(value, "length"),
            "part_size": part_size,
            "parts": _runs(value),
            "expires": _instant(value, "expires"),
            "links": [link_state(link) for link in value.get("links", [])],
        }

    return checked(build)


def _runs(value: Mapping[str, Any]) -> list[list[int]]:
    """[first, last] pairs that rise and do not touch: as many as there are gaps, and no more."""
    runs: list[list[int]] = []
    for pair in _typed(value, "parts", list):
        first, last = (_typed({"part": number}, "part", int) for number in pair)
        if last < first or (runs and first <= runs[-1][1] + 1) or last >= protocol.MAX_PARTS:
            raise ValueError("parts")
        runs.append([first, last])
    return runs


def link_state(value: Mapping[str, Any]) -> protocol.LinkState:
    """What an owner sees of a link."""
    return checked(
        lambda: protocol.LinkState(
            id=_typed(value, "id", str),
            expires=_instant(value, "expires"),
            downloads=_typed(value, "downloads", int),
            downloads_left=_optional_int(value, "downloads_left"),
            locked=_typed(value, "locked", bool),
        )
    )


def link_view(value: Mapping[str, Any]) -> protocol.LinkView:
    """What whoever holds a link sees of it."""
    return checked(
        lambda: protocol.LinkView(
            object=_typed(value, "object", str),
            complete=_typed(value, "complete", bool),
            length=_optional_int(value, "length"),
            part_size=_typed(value, "part_size", int),
            expires=_instant(value, "expires"),
            downloads=_typed(value, "downloads", int),
            downloads_left=_optional_int(value, "downloads_left"),
        )
    )


def content_range(header: str, start: int, stop: int) -> tuple[int, int, int]:
    """(first, after the last, total) of a 206 answer; it starts where it was asked to.

    Raises HostError `host-broken`.
    """
    match = _CONTENT_RANGE.match(header)
    if match is None:
        raise broken()
    first, last, total = (int(number) for number in match.groups())
    if first != start or not first <= last < min(stop, total):
        raise broken()
    return first, last + 1, total


def broken() -> HostError:
    """An answer that does not keep to the protocol."""
    return HostError(
        "host-broken",
        "The host's answer makes no sense.",
        hint="Check the address; is it a Consigne host of this version?",
    )

"""How a refusal looks on the wire: an RFC 9457 problem document.

One place makes them, for the endpoints and for what is refused before there is
an endpoint. Nothing of the request is echoed.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec

from consigne import protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consigne.server.refusal import Refusal

EXPOSED: Final = "Content-Range, ETag, Retry-After"
COMMON: Final[dict[str, str]] = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
"""On every answer that is not a page."""

OPEN: Final[dict[str, str]] = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": EXPOSED,
}
"""On every answer of the API: any page may ask, since only a token opens anything."""


def document(code: str, extra: Mapping[str, object] | None = None) -> bytes:
    """The JSON of one problem; `extra` adds members, or replaces the hint."""
    told = protocol.PROBLEMS[code]
    members = {
        "type": "about:blank",
        "title": told.title,
        "status": told.status,
        "code": code,
        "hint": told.hint,
    }
    return msgspec.json.encode({**members, **(extra or {})})


def headers_of(refusal: Refusal) -> dict[str, str]:
    """The headers of a refusal's answer."""
    headers = {**COMMON, **OPEN}
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    if protocol.PROBLEMS[refusal.code].status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if "length" in refusal.extra:
        headers["Content-Range"] = f"bytes */{refusal.extra['length']}"
    return headers


def raw(refusal: Refusal) -> bytes:
    """A whole HTTP/1.1 answer, for what is refused before a request stands; the connection closes."""
    body = document(refusal.code, refusal.extra)
    status = protocol.PROBLEMS[refusal.code].status
    headers = headers_of(refusal) | {
        "Content-Type": protocol.PROBLEM_TYPE,
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    head = "".join(f"{name.lower()}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{head}\r\n".encode() + body

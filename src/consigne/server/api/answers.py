"""What the host answers: JSON, capsules, ciphertext, problems, with the headers each needs.

Nothing that is answered can run or be shown: no type but JSON and octet-stream, and a
sandboxed policy on all of it. Nothing of the request is echoed.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response

from consigne import protocol
from consigne.server.api import problems
from consigne.server.refusal import Refusal
from consigne.server.stores import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

    from consigne.server.service.slices import Slice

API_HEADERS = {**problems.COMMON, **problems.OPEN}
PREFLIGHT = {
    "Access-Control-Allow-Headers": "Authorization, Range, If-Range, If-Match, Content-Type",
    "Access-Control-Max-Age": "86400",
}


def json(value: Mapping[str, Any], status: int = HTTPStatus.OK) -> Response:
    """A value of protocol.py."""
    return json_bytes(msgspec.json.encode(value), status)


def json_bytes(data: bytes, status: int = HTTPStatus.OK) -> Response:
    """JSON that is written out already."""
    return Response(data, status, API_HEADERS, "application/json")


def nothing(etag: str | None = None) -> Response:
    """It is done, and there is no more to say."""
    headers = API_HEADERS if etag is None else {**API_HEADERS, "ETag": etag}
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)


def problem(refusal: Refusal) -> Response:
    """A refusal as a problem document."""
    return Response(
        problems.document(refusal.code, refusal.extra),
        protocol.PROBLEMS[refusal.code].status,
        problems.headers_of(refusal),
        protocol.PROBLEM_TYPE,
    )


def wrong_method(allowed: str) -> Response:
    """405, with the methods that the path takes."""
    response = problem(Refusal("method-not-allowed"))
    response.headers["Allow"] = allowed
    return response


def preflight(allowed: str) -> Response:
    """The answer to a browser that asks whether a page from elsewhere may ask."""
    headers = {**API_HEADERS, **PREFLIGHT, "Allow": allowed, "Access-Control-Allow-Methods": allowed}
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)


class Octets(Response):
    """A slice on its way out, such as a sealed capsule; closes the slice, however that ends."""

    def __init__(
        self,
        found: Slice,
        etag: str | None = None,
        headers: Mapping[str, str] | None = None,
        status: int = HTTPStatus.OK,
    ) -> None:
        told = {**API_HEADERS, "Content-Disposition": "attachment", **(headers or {})}
        told["Content-Length"] = str(found.stop - found.start)
        if etag is not None:
            told["ETag"] = etag
        super().__init__(None, status, told, "application/octet-stream")
        self._slice = found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it piece by piece; each `send` returns when the piece may be overwritten."""
        del receive
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        try:
            first = b"" if scope["method"] == "HEAD" else await self._first()
            await send(start)
            if first:
                await send({"type": "http.response.body", "body": first, "more_body": True})
                async for piece in self._slice.chunks:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await self._slice.aclose()

    async def _first(self) -> bytes | memoryview:
        """The first piece, before anything is promised. Refuses `storage-failed`."""
        try:
            return await anext(self._slice.chunks, b"")
        except StoreError:
            raise Refusal("storage-failed", retry_after=1) from None


def ciphertext(content: Slice, etag: str) -> Octets:
    """Ciphertext, all of it or a range."""
    headers = {"Accept-Ranges": "bytes"}
    if not content.partial:
        return Octets(content, etag, headers)
    total = "*" if content.total is None else content.total
    headers["Content-Range"] = f"bytes {content.start}-{content.stop - 1}/{total}"
    return Octets(content, etag, headers, HTTPStatus.PARTIAL_CONTENT)

"""The host, as the client sees it: the one file of the client that speaks HTTP.

Every answer is bounded and checked before it is believed, and a host's own words
are never shown: its problem codes choose words of ours. Redirects are not followed,
so tokens cannot follow them. Every request may be repeated safely, so connection
trouble and "try again" answers are waited out with the patience of the caller.
"""

from __future__ import annotations

import json
import ssl
from contextlib import contextmanager
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from urllib3.exceptions import ConnectTimeoutError, HTTPError, IncompleteRead, NewConnectionError, SSLError

from consigne import protocol
from consigne.client import answers
from consigne.client.addresses import check_base, connection_pool
from consigne.client.answers import broken, checked
from consigne.client.patience import Patience, TransientError, lost, patience_seconds, unreachable
from consigne.client.watching import watched
from consigne.errors import HostError
from consigne.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import urllib3

FIRST_TRIES: Final = 4
MAX_JSON: Final = 4 * protocol.MIB
MAX_PROBLEM: Final = 64 * 1024
PIECE: Final = 256 * 1024
SUCCESS: Final = frozenset((200, 201, 204, 206))
# What urllib3, http.client and the socket below raise when a peer breaks off or talks nonsense.
TROUBLE: Final = (HTTPError, HTTPException, OSError, ValueError, AttributeError)
_Answer = TypeVar("_Answer")


def _ignore(_count: int) -> None:
    """Nobody asked how far it is."""


class ContentStream:
    """Ciphertext from `start` to `stop` of a content of `total` bytes, arriving."""

    def __init__(self, response: urllib3.BaseHTTPResponse, start: int, stop: int, total: int) -> None:
        self._response = response
        self.start = start
        self.stop = stop
        self.total = total

    def read(self, size: int) -> bytes:
        """The next `size` bytes, fewer only at the end; `start` moves on. Raises TransientError."""
        try:
            data = self._response.read(size)
        except TROUBLE as error:
            raise lost(cut=isinstance(error.__cause__, IncompleteRead)) from None
        self.start += len(data)
        return data


class Remote:
    """One host, and connections to it that are kept open."""

    def __init__(self, base: str, *, insecure: bool = False, connections: int = 4) -> None:
        self.base = check_base(base, insecure=insecure)
        self._pool = connection_pool(self.base, connections)
        self._answered = False

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.clear()

    # ------------------------------------------------------------ requests

    def service(self) -> protocol.Service:
        """Limits and policies of the host."""
        value = self._json("GET", protocol.SERVICE)
        return cast("protocol.Service", value)

    def create_object(self, new: protocol.NewObject) -> protocol.ObjectState:
        """POST /objects. Raises HostError `object-exists` when a first try was heard after all."""
        return answers.object_state(self._json("POST", protocol.OBJECTS, body=new))

    def object_state(self, object_id: bytes, owner_token: bytes) -> protocol.ObjectState:
        """What the host has of an object."""
        return answers.object_state(self._json("GET", protocol.object_route(object_id), owner_token))

    def put_part(
        self,
        object_id: bytes,
        owner_token: bytes,
        part: int,
        body: memoryview,
        *,
        patience: Patience,
        flow: Callable[[int], None],
    ) -> None:
        """Send one part; durable on the host when this returns. `flow` hears of bytes as they go."""

        def attempt() -> None:
            gone: list[int] = []

            def count(size: int) -> None:
                gone.append(size)
                flow(size)

            try:
                response = self._once(
                    "PUT", protocol.part_route(object_id, part), owner_token, body, {}, count
                )
                _read(response, MAX_PROBLEM)
            except BaseException:
                flow(-sum(gone))
                raise

        self._patiently(attempt, patience)

    def complete(self, object_id: bytes, owner_token: bytes, length: int) -> protocol.ObjectState:
        """Say that every part is up."""
        return answers.object_state(
            self._json("POST", protocol.complete_route(object_id), owner_token, body={"length": length})
        )

    def extend(self, object_id: bytes, owner_token: bytes, expires_in: int) -> protocol.ObjectState:
        """Set the expiry, `expires_in` seconds from now."""
        body = {"expires_in": expires_in}
        return answers.object_state(
            self._json("PATCH", protocol.object_route(object_id), owner_token, body=body)
        )

    def remove(self, object_id: bytes, owner_token: bytes, patience: Patience | None = None) -> None:
        """Remove an object and all its links."""
        self._bytes("DELETE", protocol.object_route(object_id), owner_token, patience=patience)

    def owner_capsule(self, object_id: bytes, owner_token: bytes) -> bytes:
        """The owner capsule."""
        route = protocol.owner_capsule_route(object_id)
        return self._bytes("GET", route, owner_token, limit=protocol.MAX_CAPSULE)

    def put_owner_capsule(
        self, object_id: bytes, owner_token: bytes, capsule: bytes, replaces: bytes | None
    ) -> None:
        """Write the owner capsule; `replaces`: the one that must be there now, None for none."""
        headers = {} if replaces is None else {"If-Match": protocol.capsule_etag(replaces)}
        route = protocol.owner_capsule_route(object_id)
        self._bytes("PUT", route, owner_token, body=memoryview(capsule), headers=headers)

    def put_link(self, link_id: bytes, owner_token: bytes, new: protocol.NewLink) -> protocol.LinkState:
        """Make a link; it opens when its capsule is there."""
        return answers.link_state(self._json("PUT", protocol.link_route(link_id), owner_token, body=new))

    def put_link_capsule(self, link_id: bytes, owner_token: bytes, capsule: bytes) -> None:
        """Write a link's capsule, once."""
        route = protocol.link_capsule_route(link_id)
        self._bytes("PUT", route, owner_token, body=memoryview(capsule))

    def revoke(self, link_id: bytes, owner_token: bytes) -> None:
        """End a link; the object stays."""
        self._bytes("DELETE", protocol.link_route(link_id), owner_token)

    def unlock(self, link_id: bytes, owner_token: bytes) -> None:
        """Let a link be tried again that too many wrong passwords have locked."""
        self._bytes("DELETE", protocol.link_lock_route(link_id), owner_token)

    def link_view(self, link_id: bytes, read_token: bytes) -> protocol.LinkView:
        """What whoever holds the link may know. Counts nothing."""
        return answers.link_view(self._json("GET", protocol.link_route(link_id), read_token))

    def link_capsule(self, link_id: bytes, read_token: bytes) -> bytes:
        """A link's capsule. Counts nothing."""
        route = protocol.link_capsule_route(link_id)
        return self._bytes("GET", route, read_token, limit=protocol.MAX_CAPSULE)

    def start_download(self, link_id: bytes, read_token: bytes) -> bytes:
        """A ticket; it counts when its first content byte is served."""
        value = self._json("POST", protocol.downloads_route(link_id), read_token)
        return checked(lambda: protocol.unb64u(value["ticket"]))

    @contextmanager
    def content(
        self, object_id: bytes, ticket: bytes, start: int, stop: int, patience: Patience
    ) -> Iterator[ContentStream]:
        """Ciphertext from `start`, up to `stop` or as far as the host has it."""
        headers = {"Range": f"bytes={start}-{stop - 1}", "If-Range": protocol.etag_of(object_id)}
        response = self._patiently(
            lambda: self._once("GET", protocol.content_route(object_id), ticket, None, headers), patience
        )
        try:
            first, after, total = answers.content_range(
                response.headers.get("Content-Range", ""), start, stop
            )
            yield ContentStream(response, first, after, total)
        finally:
            if not response.closed:  # not read to its end: the connection is of no more use
                response.close()

    # ------------------------------------------------------------ one request

    def _json(
        self, method: str, route: str, token: bytes | None = None, *, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        data = None if body is None else memoryview(json.dumps(body).encode("ascii"))
        headers = {"Content-Type": "application/json"} if data is not None else {}
        answer = self._bytes(method, route, token, body=data, headers=headers, limit=MAX_JSON)
        value = checked(lambda: json.loads(answer))
        if not isinstance(value, dict):
            raise broken()
        return value

    def _bytes(
        self,
        method: str,
        route: str,
        token: bytes | None = None,
        *,
        body: memoryview | None = None,
        headers: Mapping[str, str] | None = None,
        limit: int = MAX_PROBLEM,
        patience: Patience | None = None,
    ) -> bytes:
        def work(moved: Callable[[int], None]) -> bytes:
            return _read(self._once(method, route, token, body, headers or {}, moved), limit, moved)

        return self._patiently(lambda: watched(work, patience_seconds()), patience or Patience())

    def _patiently(self, attempt: Callable[[], _Answer], patience: Patience) -> _Answer:
        tries = 0
        while True:
            try:
                return attempt()
            except TransientError as trouble:
                if not self._answered and (trouble.code == "host-unreachable" or tries == FIRST_TRIES):
                    raise  # it never answered: rather a wrong address than a passing trouble
                patience.pause(trouble, tries)
                tries += 1

    def _once(
        self,
        method: str,
        route: str,
        token: bytes | None,
        body: memoryview | None,
        headers: Mapping[str, str],
        moved: Callable[[int], None] = _ignore,
    ) -> urllib3.BaseHTTPResponse:
        """One request, one answer. Raises for everything but 200, 201, 204 and 206."""
        try:
            response = self._pool.urlopen(
                method, f"{self.base}{route}", body=None if body is None else _pieces(body, moved),
                headers=_head(token, body, headers), retries=False, redirect=False,
                preload_content=False, decode_content=False,
            )  # fmt: skip
        except NewConnectionError:
            raise unreachable(self.base) from None
        except TROUBLE as error:
            raise _connection_trouble(error, self.base) from None
        self._answered = True
        if response.status not in SUCCESS:
            retry_after = response.headers.get("Retry-After", "")
            raise answers.refused(response.status, _problem(response), retry_after)
        _check_frame(response)
        return response


def _head(token: bytes | None, body: memoryview | None, headers: Mapping[str, str]) -> dict[str, str]:
    sent = {"User-Agent": f"consigne/{__version__}", "Accept-Encoding": "identity"}
    if body is not None:
        sent |= {"Content-Type": "application/octet-stream", "Content-Length": str(len(body))}
    if token is not None:
        sent["Authorization"] = f"Bearer {protocol.b64u(token)}"
    return sent | dict(headers)


def _pieces(body: memoryview, moved: Callable[[int], None]) -> Iterator[memoryview]:
    """A body in pieces: a socket's time limit holds for each, not for all of it."""
    for start in range(0, len(body), PIECE):
        piece = body[start : start + PIECE]
        yield piece
        moved(len(piece))


def _check_frame(response: urllib3.BaseHTTPResponse) -> None:
    """Our host says how long its answers are; without that nobody could tell a cut one."""
    if "Transfer-Encoding" in response.headers:
        response.close()
        raise broken()
    lengthless = response.status != 204 and "Content-Length" not in response.headers
    if lengthless or (response.status == 206 and "Content-Range" not in response.headers):
        response.close()
        raise lost()


def _problem(response: urllib3.BaseHTTPResponse) -> bytes:
    """The body of a refusal; whatever stands between us and the host may refuse in a form of its own."""
    if "Content-Length" not in response.headers:
        response.close()
        return b""
    return _read(response, MAX_PROBLEM)


def _read(response: urllib3.BaseHTTPResponse, limit: int, moved: Callable[[int], None] = _ignore) -> bytes:
    """A whole body of at most `limit` bytes."""
    data = bytearray()
    try:
        while piece := response.read(min(PIECE, limit + 1 - len(data))):
            data += piece
            if len(data) > limit:
                response.close()
                raise broken()
            moved(len(piece))
        response.release_conn()
    except TROUBLE:
        response.close()
        raise lost() from None
    return bytes(data)


def _connection_trouble(error: Exception, base: str) -> HostError:
    """TLS trouble is final; anything else may pass."""
    if isinstance(error, SSLError | ssl.SSLError):
        return HostError(
            "host-untrusted",
            f"The certificate of {base} is not trusted.",
            hint="Check the address and the clock.",
        )
    if isinstance(error, ConnectTimeoutError):
        return unreachable(base)
    return lost()

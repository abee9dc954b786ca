"""From HTTP to the service and back: one short function for each route and method.

No rule is here: an endpoint reads the request strictly, calls one method of the
service, and gives the outcome its form. Whatever is raised on the way is answered
by `app`.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from consigne import protocol
from consigne.server.api import answers, requests

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from consigne.server.service.service import Service

    Endpoint = Callable[[Request], Awaitable[Response]]
    Table = dict[str, dict[str, Endpoint]]


class Endpoints:
    """The API of one host."""

    def __init__(self, service: Service, max_capsule: int, openapi: bytes) -> None:
        self._service = service
        self._max_capsule = max_capsule
        self._openapi = openapi

    def table(self) -> Table:
        """Every route of the API with its methods. spec/openapi.json is held equal by a test."""
        an_object = f"{protocol.OBJECTS}/{{id}}"
        link = f"{protocol.API}/links/{{id}}"
        return {
            protocol.SERVICE: {"GET": self.service},
            protocol.OPENAPI: {"GET": self.openapi},
            protocol.OBJECTS: {"POST": self.begin},
            an_object: {"GET": self.object_state, "PATCH": self.extend, "DELETE": self.remove},
            f"{an_object}/parts/{{part}}": {"PUT": self.receive_part},
            f"{an_object}/complete": {"POST": self.complete},
            f"{an_object}/capsule": {"GET": self.owner_capsule, "PUT": self.put_owner_capsule},
            f"{an_object}/content": {"GET": self.content, "HEAD": self.content_head},
            link: {"GET": self.link_view, "PUT": self.put_link, "DELETE": self.revoke},
            f"{link}/capsule": {"GET": self.link_capsule, "PUT": self.put_link_capsule},
            f"{link}/lock": {"DELETE": self.unlock},
            f"{link}/downloads": {"POST": self.start_download},
        }

    # ---------------------------------------------------------------- host

    async def service(self, _request: Request) -> Response:
        """Limits, policies, version."""
        return answers.json(await self._service.service_info())

    async def openapi(self, _request: Request) -> Response:
        """This API for machines."""
        return answers.json_bytes(self._openapi)

    # ---------------------------------------------------------------- objects

    async def begin(self, request: Request) -> Response:
        """Make an object that waits for its parts."""
        new = await requests.json_of(request, protocol.NewObject)
        return answers.json(await self._service.begin(new), HTTPStatus.CREATED)

    async def receive_part(self, request: Request) -> Response:
        """Take one part; durable when answered."""
        object_id, part, token = (
            requests.id_of(request),
            requests.part_of(request),
            requests.token_of(request),
        )
        length = requests.length_of(request, protocol.PART_SIZES[-1])
        pieces = requests.pieces_of(request)
        await self._service.receive_part(object_id, token, part, length, pieces)
        await requests.drain(pieces)  # of a part that was here already
        return answers.nothing()

    async def complete(self, request: Request) -> Response:
        """Every part is up."""
        object_id, token = requests.id_of(request), requests.token_of(request)
        wanted = await requests.json_of(request, protocol.Completion)
        return answers.json(await self._service.complete(object_id, token, wanted["length"]))

    async def object_state(self, request: Request) -> Response:
        """What is durable, and the links."""
        object_id, token = requests.id_of(request), requests.token_of(request)
        return answers.json(await self._service.object_state(object_id, token))

    async def extend(self, request: Request) -> Response:
        """Another expiry."""
        object_id, token = requests.id_of(request), requests.token_of(request)
        wanted = await requests.json_of(request, protocol.Extension)
        return answers.json(await self._service.extend(object_id, token, wanted["expires_in"]))

    async def remove(self, request: Request) -> Response:
        """Forget it for good."""
        await self._service.remove(requests.id_of(request), requests.token_of(request))
        return answers.nothing()

    async def owner_capsule(self, request: Request) -> Response:
        """The owner capsule."""
        found, etag = await self._service.owner_capsule(requests.id_of(request), requests.token_of(request))
        return answers.Octets(found, etag)

    async def put_owner_capsule(self, request: Request) -> Response:
        """Replace the owner capsule, under If-Match."""
        object_id, token = requests.id_of(request), requests.token_of(request)
        if_match = request.headers.get("if-match")
        length = requests.length_of(request, self._max_capsule)
        pieces = requests.pieces_of(request)
        etag = await self._service.put_owner_capsule(object_id, token, length, pieces, if_match)
        return answers.nothing(etag)

    async def content(self, request: Request) -> Response:
        """Ciphertext, all of it or a range."""
        object_id, ticket = requests.id_of(request), requests.token_of(request)
        etag = protocol.etag_of(object_id)
        wanted = requests.range_of(request, etag)
        found = await self._service.content(object_id, ticket, wanted, request.state.place.left)
        return answers.ciphertext(found, etag)

    async def content_head(self, request: Request) -> Response:
        """What GET would say of all of it, without a byte and without counting."""
        object_id, ticket = requests.id_of(request), requests.token_of(request)
        found = await self._service.content_head(object_id, ticket)
        return answers.ciphertext(found, protocol.etag_of(object_id))

    # ---------------------------------------------------------------- links

    async def put_link(self, request: Request) -> Response:
        """Make a link."""
        link_id, token = requests.id_of(request), requests.token_of(request)
        new = await requests.json_of(request, protocol.NewLink)
        state, created = await self._service.put_link(link_id, token, new)
        return answers.json(state, HTTPStatus.CREATED if created else HTTPStatus.OK)

    async def put_link_capsule(self, request: Request) -> Response:
        """Give a link its capsule, once."""
        link_id, token = requests.id_of(request), requests.token_of(request)
        length = requests.length_of(request, self._max_capsule)
        await self._service.put_link_capsule(link_id, token, length, requests.pieces_of(request))
        return answers.nothing()

    async def link_view(self, request: Request) -> Response:
        """What whoever holds the link may know."""
        view = await self._service.link_view(requests.id_of(request), requests.token_of(request))
        return answers.json(view)

    async def link_capsule(self, request: Request) -> Response:
        """A link's capsule."""
        found = await self._service.link_capsule(requests.id_of(request), requests.token_of(request))
        return answers.Octets(found)

    async def revoke(self, request: Request) -> Response:
        """End a link."""
        await self._service.revoke(requests.id_of(request), requests.token_of(request))
        return answers.nothing()

    async def unlock(self, request: Request) -> Response:
        """Let a link be tried again."""
        await self._service.unlock(requests.id_of(request), requests.token_of(request))
        return answers.nothing()

    async def start_download(self, request: Request) -> Response:
        """A ticket; counts when its first byte is served."""
        link_id, token = requests.id_of(request), requests.token_of(request)
        return answers.json(await self._service.start_download(link_id, token), HTTPStatus.CREATED)
